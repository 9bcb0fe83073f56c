"""What the flag stage writes, how urgent each study is, and everything the model wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from agent.store.dialect import upsert
from agent.store.schema import flag, reply, study, urgency
from structured_report.content import Priority


@dataclass(frozen=True, slots=True)
class StoredFlag:
    """The flag of one revision. `probabilities` and `provenance` are JSON forms of `structured_report.content`; `trouble`
    says why there is no flag, where there is none."""

    revision_id: int
    priority: str
    reasons: list[str]
    probabilities: list[dict[str, Any]]
    provenance: dict[str, Any]
    trouble: str
    seconds: float
    flagged_at: datetime


def add_flag(tx: Connection, row: StoredFlag) -> None:
    """Write the flag of a revision, once."""
    tx.execute(insert(flag).values(**{f: getattr(row, f) for f in StoredFlag.__dataclass_fields__}))


def flag_of(view: Connection, revision_id: int) -> StoredFlag | None:
    """The flag of that revision, if it has been flagged."""
    row = view.execute(select(flag).where(flag.c.revision_id == revision_id)).first()
    return None if row is None else StoredFlag(**row._mapping)


@dataclass(frozen=True, slots=True)
class Urgency:
    """How soon a person should look at a study, and why."""

    priority: Priority
    reasons: tuple[str, ...]
    raised_at: datetime


def urgency_of(view: Connection, study_instance_uid: str) -> Urgency | None:
    """The urgency of that study, if anything has ranked it."""
    row = view.execute(select(urgency).where(urgency.c.study_instance_uid == study_instance_uid)).first()
    return None if row is None else Urgency(Priority(row.priority), tuple(row.reasons), row.raised_at)


def raise_urgency(
    tx: Connection, study_instance_uid: str, priority: Priority, reasons: Sequence[str], *, now: datetime
) -> bool:
    """Raise the urgency of a study; a lower one changes nothing. Returns whether it was raised."""
    before = urgency_of(tx, study_instance_uid)
    if before is not None and before.priority.rank >= priority.rank:
        return False
    values = {"priority": str(priority), "reasons": list(reasons), "raised_at": now}
    tx.execute(
        upsert(urgency)
        .values(study_instance_uid=study_instance_uid, **values)
        .on_conflict_do_update(index_elements=["study_instance_uid"], set_=values)
    )
    return True


def routine_since(view: Connection, arrived_before: datetime, not_before: datetime) -> tuple[str, ...]:
    """Studies that arrived in that time and are not more than routine."""
    rows = view.execute(
        select(study.c.study_instance_uid)
        .outerjoin(urgency, urgency.c.study_instance_uid == study.c.study_instance_uid)
        .where(
            study.c.first_received_at < arrived_before,
            study.c.first_received_at >= not_before,
            urgency.c.priority.is_(None) | (urgency.c.priority == str(Priority.ROUTINE)),
        )
    )
    return tuple(str(u) for u in rows.scalars())


@dataclass(frozen=True, slots=True)
class StoredReply:
    """One reply of the model, exactly. `about`: the finding it was asked about, where it was asked about one."""

    task: str
    about: str
    text: str
    tokens: int
    finished: bool
    seconds: float


def add_replies(tx: Connection, revision_id: int, replies: Sequence[StoredReply]) -> None:
    """Write down everything the model wrote about a revision."""
    for one in replies:
        row = {f: getattr(one, f) for f in StoredReply.__dataclass_fields__}
        tx.execute(insert(reply).values(revision_id=revision_id, **row))


def replies_of(view: Connection, revision_id: int) -> tuple[StoredReply, ...]:
    """Everything the model wrote about a revision, in order."""
    c = reply.c
    rows = view.execute(
        select(c.task, c.about, c.text, c.tokens, c.finished, c.seconds)
        .where(c.revision_id == revision_id)
        .order_by(c.id)
    )
    return tuple(StoredReply(*row) for row in rows)
