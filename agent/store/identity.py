"""What was said of patients, by what a message finds its studies, and what keeps their results from being sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, literal, or_, select, update

from agent.store.dialect import json_text, upsert
from agent.store.schema import (
    hl7_message,
    instance,
    message_study,
    patient_statement,
    study,
    study_key,
    study_stop,
    study_unsettled,
)
from agent.work.queue import enqueue

PATIENT, ACCESSION = "patient", "accession"
WITHDRAWN, REPORTED, CANCELLED, HELD = "withdrawn", "reported", "cancelled", "held"
FINISHED = "finished"
"""A person has finished the report, as with `REPORTED`, and by the settings results go out all the same: it stops nothing."""
_MOST_STEPS = 64  # of merges, one after another


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """What one message says of a patient; JSON of `structured_report.content.Patient`. With `gone` it is a merge."""

    message_id: int
    patient: dict[str, Any]
    gone: dict[str, Any] | None
    heard_at: datetime
    id: int = 0


def add_statement(tx: Connection, row: StoredStatement) -> None:
    """Write a statement down."""
    gone = row.gone or {}
    tx.execute(
        insert(patient_statement).values(
            message_id=row.message_id,
            patient_id=row.patient["patient_id"].strip(),
            patient=row.patient,
            gone_id=gone.get("patient_id", "").strip(),
            gone=row.gone,
            heard_at=row.heard_at,
        )
    )


def statements_about(view: Connection, patient_ids: Collection[str]) -> tuple[list[StoredStatement], set[str]]:
    """Everything that was said of these Patient IDs, and of those that they were merged with, near and far; and all the
    Patient IDs that it is about."""
    c = patient_statement.c
    known, new = set[str](), {p.strip() for p in patient_ids} - {""}
    found: dict[int, StoredStatement] = {}
    for _ in range(_MOST_STEPS):
        if not new:
            break
        known |= new
        wanted = sorted(new)
        rows = view.execute(select(patient_statement).where(or_(c.patient_id.in_(wanted), c.gone_id.in_(wanted)))).all()
        for row in rows:
            found[row.id] = StoredStatement(row.message_id, row.patient, row.gone, row.heard_at, row.id)
        new = ({r.patient_id for r in rows} | {r.gone_id for r in rows}) - known - {""}
    return [found[n] for n in sorted(found)], known


def heard_again(tx: Connection, statement_id: int, *, now: datetime) -> None:
    """The same was said of the patient once more."""
    tx.execute(update(patient_statement).where(patient_statement.c.id == statement_id).values(heard_at=now))


def newest_statement(view: Connection) -> int:
    """Id of the statement that was heard last; 0 when there is none."""
    return int(view.execute(select(func.max(patient_statement.c.id))).scalar() or 0)


def remember_keys(tx: Connection, study_instance_uid: str, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Write down by what messages find a study: (kind, value); returns those that are new."""
    c = study_key.c
    known = {
        (r.kind, r.value) for r in tx.execute(select(c.kind, c.value).where(c.study_instance_uid == study_instance_uid))
    }
    new = {(kind, value.strip()) for kind, value in keys if value.strip()} - known
    if new:
        rows = [{"study_instance_uid": study_instance_uid, "kind": kind, "value": value} for kind, value in sorted(new)]
        tx.execute(insert(study_key), rows)
    return new


def studies_with(view: Connection, kind: str, values: Collection[str]) -> set[str]:
    """UIDs of the studies that have one of these keys."""
    wanted = sorted({v.strip() for v in values} - {""})
    c = study_key.c
    rows = view.execute(select(c.study_instance_uid).where(c.kind == kind, c.value.in_(wanted)))
    return {str(u) for u in rows.scalars()}


def fill_keys(tx: Connection) -> None:
    """Keys of the studies that were assembled by a version that had none."""
    with_keys = select(study_key.c.study_instance_uid)
    for kind, fact in ((PATIENT, "patient_id"), (ACCESSION, "accession_number")):
        value = func.trim(json_text(instance.c.facts, fact))
        rows = (
            select(instance.c.study_instance_uid, literal(kind), value)
            .where(
                func.coalesce(value, "") != "",
                instance.c.study_instance_uid.not_in(with_keys.where(study_key.c.kind == kind)),
            )
            .distinct()
        )
        tx.execute(insert(study_key).from_select(["study_instance_uid", "kind", "value"], rows))


def unsettle(tx: Connection, study_instance_uids: Collection[str], *, now: datetime) -> None:
    """Have these studies weighed anew, at once; until then nothing of them leaves."""
    for uid in sorted(study_instance_uids):
        tx.execute(upsert(study_unsettled).values(study_instance_uid=uid, since=now).on_conflict_do_nothing())
        enqueue(tx, "assemble", uid, now=now)


def settled(tx: Connection, study_instance_uid: str) -> None:
    """Everything that was heard about the study has been weighed."""
    tx.execute(delete(study_unsettled).where(study_unsettled.c.study_instance_uid == study_instance_uid))


def is_unsettled(view: Connection, study_instance_uid: str) -> bool:
    """Whether something was heard about the study that has not been weighed."""
    c = study_unsettled.c
    return view.execute(select(c.since).where(c.study_instance_uid == study_instance_uid)).first() is not None


def unsettled(view: Connection) -> list[str]:
    """The studies about which something was heard that has not been weighed."""
    return [str(u) for u in view.execute(select(study_unsettled.c.study_instance_uid)).scalars()]


def stop(tx: Connection, study_instance_uid: str, kind: str, words: str, *, now: datetime) -> bool:
    """From here on results of the study are not sent as ever; returns whether that is new."""
    c = study_stop.c
    known = tx.execute(select(c.words).where(c.study_instance_uid == study_instance_uid, c.kind == kind)).first()
    values = {"words": words, "since": now}
    if known is None:
        tx.execute(insert(study_stop).values(study_instance_uid=study_instance_uid, kind=kind, **values))
    return known is None


def no_stop(tx: Connection, study_instance_uid: str, kind: str) -> bool:
    """That does not keep the results back any more; returns whether it did."""
    c = study_stop.c
    return tx.execute(delete(study_stop).where(c.study_instance_uid == study_instance_uid, c.kind == kind)).rowcount > 0


def stops_of(view: Connection, study_instance_uid: str) -> dict[str, str]:
    """Kind and words of all that keeps the results of that study from being sent as ever."""
    c = study_stop.c
    rows = view.execute(select(c.kind, c.words).where(c.study_instance_uid == study_instance_uid))
    return {str(r.kind): str(r.words) for r in rows}


def was_about(tx: Connection, message_ids: Collection[int], study_instance_uids: Collection[str]) -> None:
    """Write down that these messages were about these studies."""
    for message_id in sorted(set(message_ids)):
        for uid in sorted(set(study_instance_uids)):
            row = upsert(message_study).values(message_id=message_id, study_instance_uid=uid)
            tx.execute(row.on_conflict_do_nothing())


def studies_of_message(view: Connection, message_id: int) -> list[str]:
    """UIDs of the studies that a message was about."""
    c = message_study.c
    uids = view.execute(select(c.study_instance_uid).where(c.message_id == message_id).order_by(c.study_instance_uid))
    return [str(u) for u in uids.scalars()]


def messages_about(view: Connection, study_instance_uid: str) -> list[dict[str, Any]]:
    """The messages about a study, in the order in which they were heard: what they were, and what became of them."""
    c = hl7_message.c
    rows = view.execute(
        select(c.id, c.received_at, c.type, c.sender, c.state, c.words)
        .join(message_study, message_study.c.message_id == c.id)
        .where(message_study.c.study_instance_uid == study_instance_uid)
        .order_by(c.id)
    )
    return [dict(r._mapping) for r in rows]


def existing(view: Connection, study_instance_uids: Collection[str]) -> set[str]:
    """Those of them that are here."""
    wanted = sorted(set(study_instance_uids) - {""})
    c = study.c
    return {
        str(u) for u in view.execute(select(c.study_instance_uid).where(c.study_instance_uid.in_(wanted))).scalars()
    }
