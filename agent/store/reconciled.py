"""What is believed of a destination, compared with what it says it has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from agent.store.results import HAS_IT
from agent.store.schema import delivery, document, study, study_revision

_IN_SQL = 500  # values of one list


@dataclass(frozen=True, slots=True)
class ReportRow:
    """The delivery of one report. `delivered`: whether it counts as being there."""

    delivery_id: int
    destination: str
    study_instance_uid: str
    sop_instance_uid: str
    delivered: bool


def unknown_studies(view: Connection, uids: Collection[str]) -> set[str]:
    """Those of the studies that have never arrived here."""
    wanted, known = list(uids), set[str]()
    for start in range(0, len(wanted), _IN_SQL):
        part = wanted[start : start + _IN_SQL]
        rows = select(study.c.study_instance_uid).where(study.c.study_instance_uid.in_(part))
        known.update(str(u) for u in view.execute(rows).scalars())
    return set(wanted) - known


def reports_to(view: Connection, destinations: Collection[str], since: datetime) -> list[ReportRow]:
    """The newest report of each study that was made since then and is with one of the destinations, or is to go there. What
    has been superseded may be gone: a PACS may tidy up."""
    rows = view.execute(
        select(
            delivery.c.id,
            delivery.c.destination,
            study_revision.c.study_instance_uid,
            document.c.identifier,
            delivery.c.state,
        )
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .join(study, study.c.study_instance_uid == study_revision.c.study_instance_uid)
        .where(
            study_revision.c.number == study.c.revision,
            document.c.kind == "sr",
            delivery.c.destination.in_(destinations),
            delivery.c.state.in_((*HAS_IT, "waiting")),
            document.c.created_at >= since,
        )
        .order_by(delivery.c.id)
    )
    return [ReportRow(r[0], r[1], r[2], r[3], r.state in HAS_IT) for r in rows]


def is_there_after_all(tx: Connection, delivery_id: int, words: str, *, now: datetime) -> bool:
    """A report that waits is at its destination already; returns False when it does not wait any more."""
    changed = tx.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id, delivery.c.state == "waiting")
        .values(state="delivered", words=words, next_try_at=None, finished_at=now)
    )
    return bool(changed.rowcount)


def is_not_there(tx: Connection, delivery_id: int, words: str, *, now: datetime) -> bool:
    """A report that counted as delivered is not at its destination: it is due again, from now on. Returns False when it does
    not count as delivered any more."""
    changed = tx.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id, delivery.c.state.in_(HAS_IT))
        .values(state="waiting", words=words, next_try_at=now, finished_at=None, created_at=now)
    )
    return bool(changed.rowcount)
