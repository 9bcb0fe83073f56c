"""Taking everything of one study out of the ledger, for good.

The rows go in one transaction, children first; the files that they named are written down as doomed in the same one and deleted
after it, by whoever comes first: this process, or the next. The audit trail and the times that were measured stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, or_, select, update

from agent.store import schema
from agent.store.doomed import doom
from agent.store.identity import HELD, PATIENT, statements_about, stops_of, studies_with
from agent.store.orders import GONE
from agent.store.overview import any_job_of, jobs_of
from agent.store.retention import FINISHED
from agent.store.schema import (
    delivery,
    document,
    event,
    final_report,
    forgotten_file,
    hl7_message,
    instance,
    job,
    message_study,
    metadata,
    patient_order,
    patient_statement,
    prior_awaited,
    prior_image,
    prior_search,
    refusal,
    study,
    study_decision,
    study_key,
    study_match,
    study_revision,
)

PURGED = "purged"
"""Code of the note, about no study, that one was taken out."""
# What outlives a study: who did what, how long it took, and what is about no study or is looked at by itself.
_STAYS = {schema.audit, schema.turnaround, patient_order, hl7_message, patient_statement, job, refusal, forgotten_file}


@dataclass(frozen=True, slots=True)
class _Rows:
    """Ids of what belongs to the study."""

    uid: str
    revisions: list[int]
    instances: list[int]
    documents: list[int]
    deliveries: list[int]


def purge(tx: Connection, study_instance_uid: str, *, now: datetime) -> int:
    """Take a study out, with all that is about it alone; returns how many files are doomed by that."""
    # The newest number of the history must not be given again: whoever follows the history would take the next for this one.
    tx.execute(insert(event).values(at=now, study_instance_uid="", stage="keep", code=PURGED))
    rows = _rows_of(tx, study_instance_uid)
    doomed = _files_of(tx, rows)
    mine = _keys_of(tx, study_instance_uid)
    others = _keys_of_others(tx, mine, study_instance_uid)
    orders = _orders_of(tx, study_instance_uid, mine, others)
    messages = _messages_about_nothing_else(tx, study_instance_uid)
    tx.execute(delete(job).where(jobs_of(study_instance_uid)))
    _forget_as_prior(tx, study_instance_uid)
    for table in reversed(metadata.sorted_tables):
        if table not in _STAYS and (condition := _belongs(table, rows)) is not None:
            tx.execute(delete(table).where(condition))
    _forget_patient(tx, {value for kind, value in mine - others if kind == "patient"})
    _forget_orders(tx, orders)
    tx.execute(delete(final_report).where(final_report.c.message_id.in_(messages)))  # whatever it names the study by
    tx.execute(
        update(hl7_message)
        .where(hl7_message.c.id.in_(messages))
        .values(content=b"", said=[], words="the study it was about was purged")
    )
    tx.execute(delete(forgotten_file).where(forgotten_file.c.path.in_(doomed)))
    doom(tx, doomed, now=now)
    return len(doomed)


def in_work(view: Connection, study_instance_uid: str) -> bool:
    """Whether a stage has something of the study in its hands at this moment."""
    found = view.execute(select(job.c.id).where(jobs_of(study_instance_uid), job.c.state == "running").limit(1))
    return found.first() is not None


def unfinished(view: Connection, study_instance_uid: str) -> str:
    """What of the study is still to come, in words; empty when it is finished."""
    rows = _rows_of(view, study_instance_uid)
    states = delivery.c.state.in_(("waiting", "parked", "held"))
    open_deliveries = len(view.execute(select(delivery.c.id).where(delivery.c.id.in_(rows.deliveries), states)).all())
    state = view.execute(select(study.c.state).where(study.c.study_instance_uid == study_instance_uid)).scalar_one()
    said = [f"it is {state}"] if state not in FINISHED else []
    said += [f"{open_deliveries} deliveries have not been made"] if open_deliveries else []
    said += ["stages of it are still to be done, or parked"] if any_job_of(view, study_instance_uid) else []
    said += ["a person holds it"] if HELD in stops_of(view, study_instance_uid) else []
    return ", ".join(said)


def _rows_of(view: Connection, uid: str) -> _Rows:
    def ids(table: Table, condition: Any) -> list[int]:
        return [int(i) for i in view.execute(select(table.c.id).where(condition)).scalars()]

    revisions = ids(study_revision, study_revision.c.study_instance_uid == uid)
    documents = ids(document, document.c.revision_id.in_(revisions))
    deliveries = ids(delivery, delivery.c.document_id.in_(documents))
    return _Rows(uid, revisions, ids(instance, instance.c.study_instance_uid == uid), documents, deliveries)


def _belongs(table: Table, rows: _Rows) -> ColumnElement[bool] | None:
    """Which rows of a table are of the study, by the columns that say so; None when the table is not about studies."""
    found = [
        table.c[column].in_(values)
        for column, values in (
            ("study_instance_uid", [rows.uid]),
            ("revision_id", rows.revisions),
            ("instance_id", rows.instances),
            ("document_id", rows.documents),
            ("delivery_id", rows.deliveries),
        )
        if column in table.c
    ]
    return or_(*found) if found else None


def _files_of(tx: Connection, rows: _Rows) -> set[str]:
    """The files that nothing else will name; refused images of the study are let go with them."""
    uids = select(instance.c.sop_instance_uid).where(instance.c.study_instance_uid == rows.uid)
    refused = refusal.c.sop_instance_uid.in_(uids)
    named = [
        select(instance.c.path).where(instance.c.id.in_(rows.instances)),
        select(document.c.path).where(document.c.id.in_(rows.documents)),
        select(prior_image.c.path).where(prior_image.c.study_instance_uid == rows.uid),
        select(refusal.c.path).where(refused, refusal.c.path != ""),
    ]
    found = {str(p) for query in named for p in tx.execute(query).scalars()}
    tx.execute(delete(refusal).where(refused))
    tx.execute(delete(prior_awaited).where(prior_awaited.c.sop_instance_uid.in_(uids)))
    still = set(tx.execute(select(refusal.c.path).where(refusal.c.path.in_(found))).scalars())
    return found - still


def _forget_as_prior(tx: Connection, uid: str) -> None:
    """Other studies that were compared with a film of this one keep their reports, and lose what they were compared with."""
    mine = select(prior_image.c.id).where(prior_image.c.study_instance_uid == uid)
    tx.execute(update(prior_search).where(prior_search.c.prior_image_id.in_(mine)).values(prior_image_id=None))


def _keys_of(view: Connection, uid: str) -> set[tuple[str, str]]:
    c = study_key.c
    return {(r.kind, r.value) for r in view.execute(select(c.kind, c.value).where(c.study_instance_uid == uid))}


def _keys_of_others(view: Connection, mine: set[tuple[str, str]], uid: str) -> set[tuple[str, str]]:
    """Which of these keys another study has too."""
    c = study_key.c
    return {
        (kind, value)
        for kind, value in mine
        if view.execute(
            select(c.value).where(c.kind == kind, c.value == value, c.study_instance_uid != uid).limit(1)
        ).first()
    }


def _orders_of(view: Connection, uid: str, mine: set[tuple[str, str]], others: set[tuple[str, str]]) -> list[int]:
    """The orders of the study, by match, decision, accession number or UID, which are of no other."""
    accessions = [value for kind, value in mine - others if kind == "accession"]
    c = patient_order.c
    named = select(c.id).where(or_(c.accession_number.in_(accessions), c.study_instance_uid == uid))
    found = {int(i) for i in view.execute(named).scalars()}
    for table in (study_match, study_decision):
        matched = select(table.c.order_id).where(table.c.study_instance_uid == uid, table.c.order_id.is_not(None))
        found.update(int(i) for i in view.execute(matched).scalars())
    for table in (study_match, study_decision):
        of_others = select(table.c.order_id).where(table.c.order_id.in_(found), table.c.study_instance_uid != uid)
        found.difference_update(int(i) for i in view.execute(of_others).scalars())
    return sorted(found)


def _messages_about_nothing_else(view: Connection, uid: str) -> list[int]:
    c = message_study.c
    about_others = select(c.message_id).where(c.study_instance_uid != uid)
    found = select(c.message_id).where(c.study_instance_uid == uid, c.message_id.not_in(about_others))
    return [int(i) for i in view.execute(found).scalars()]


def _forget_patient(tx: Connection, patient_ids: set[str]) -> None:
    """What was said of a patient of whom there is nothing else here, under whatever number: a merge is kept for those who rest on it."""
    c = patient_statement.c
    statements, people = statements_about(tx, patient_ids)
    if studies_with(tx, PATIENT, people):
        return
    ids = [s.id for s in statements]
    blank: dict[str, Any] = {"patient_id": "", "patient": {}, "gone_id": "", "gone": None}
    _take_out(tx, patient_statement, ids, blank, c.patient_id == "")


def _forget_orders(tx: Connection, ids: list[int]) -> None:
    blank: dict[str, Any] = {
        "accession_number": "", "placer_order_number": "", "filler_order_number": "", "study_instance_uid": "",
        "patient_id": "", "patient": {}, "order": {}, "priority": "", "scheduled_at": "", "modality": "", "state": GONE,
        "source": "", "message_id": None,
    }  # fmt: skip
    _take_out(tx, patient_order, ids, blank, patient_order.c.state == GONE)


def _take_out(
    tx: Connection, table: Table, ids: list[int], blank: dict[str, Any], is_blank: ColumnElement[bool]
) -> None:
    """Delete these rows, and those that were left blank before; of the newest of the table the number stays. SQLite would give it
    to the next one, which nobody would weigh who has decided about a study: decisions count what was known by its number."""
    c = table.c
    newest = int(tx.execute(select(func.max(c.id))).scalar() or 0)
    tx.execute(update(table).where(c.id.in_(ids), c.id == newest).values(**blank))
    tx.execute(delete(table).where(or_(c.id.in_(ids), is_blank), c.id != newest))
