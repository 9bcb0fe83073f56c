"""What one statement changes in the ledger, and which studies it touches: those are held, and weighed anew."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from agent.orders.knowledge import order_of, row_of
from agent.orders.matching import LONGEST_WINDOW, KnownOrder, is_near, is_same_order, updated
from agent.orders.reports import TAKEN_BACK, WRONG
from agent.orders.said import OrderSaid, PatientSaid, PatientsMerged, ReportSaid, Said
from agent.store import heard, identity, orders, studies
from agent.store.identity import StoredStatement
from agent.store.orders import StoredReport
from structured_report.content import Patient


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one statement: a state of `agent.store.heard`, words without patient data, and the studies it touches."""

    state: str
    words: str
    touched: frozenset[str] = field(default_factory=frozenset)


def act(tx: Connection, said: Said, message_id: int, *, now: datetime) -> Done:
    """Write down what was said, in the transaction that settles its message."""
    if isinstance(said, OrderSaid):
        return _order(tx, said, message_id, now)
    if isinstance(said, PatientSaid):
        return _patient(tx, said, message_id, now)
    if isinstance(said, PatientsMerged):
        return _merge(tx, said, message_id, now)
    return _report(tx, said, message_id, now)


def keep_order(tx: Connection, said: KnownOrder, *, now: datetime, only_fill: bool = False) -> tuple[int, set[str]]:
    """Write an order down, over what was known of it; returns its id and the studies it touches.

    Args:
        only_fill: it is from a worklist, and what a message said goes before.
    """
    order = said.order
    near = orders.orders_by(
        tx,
        accessions=[order.accession_number.strip()],
        placers=[order.placer_order_number.strip()],
        fillers=[order.filler_order_number.strip()],
        study_uids=[said.study_instance_uid.strip()],
    )
    same = [o for o in map(order_of, near) if is_same_order(o, said)]
    before = same[-1] if same else None
    if before is None:
        after = said
    else:
        fills = only_fill and before.source == "hl7"
        after = updated(before, said, only_fill=fills)
    if before == after:
        return after.id, set()
    touched = _touched_by_order(tx, before) | _touched_by_order(tx, after)
    order_id = orders.put_order(tx, row_of(after, now=now))
    return order_id, touched | orders.studies_matched_to(tx, [order_id])


def _order(tx: Connection, said: OrderSaid, message_id: int, now: datetime) -> Done:
    numbers = said.order
    named = (
        numbers.accession_number,
        numbers.placer_order_number,
        numbers.filler_order_number,
        said.study_instance_uid,
    )
    if not any(n.strip() for n in named):
        words = (
            "the order has no accession, placer or filler number and names no study, so that no study can be its own"
        )
        return Done(heard.ATTENTION, words)
    order = KnownOrder(
        0,
        replace(said.order, match=""),
        said.patient,
        said.study_instance_uid.strip(),
        said.priority,
        said.scheduled_at,
        said.modality,
        str(said.change),
        "hl7",
        message_id,
    )
    order_id, touched = keep_order(tx, order, now=now)
    return Done(heard.DONE, f"order {order_id} {said.change}; {_studies(touched)}", frozenset(touched))


def _patient(tx: Connection, said: PatientSaid, message_id: int, now: datetime) -> Done:
    number = said.patient.patient_id.strip()
    if not number:
        return Done(heard.ATTENTION, "the message names no Patient ID, so that it is about nobody")
    statements, _ = identity.statements_about(tx, [number])
    same = [
        s for s in statements if (s.patient["patient_id"].strip(), s.patient["issuer"]) == (number, said.patient.issuer)
    ]
    if same and same[-1].patient == asdict(said.patient):
        identity.heard_again(tx, same[-1].id, now=now)
        return Done(heard.IGNORED, "nothing new: the patient is called so already")
    identity.add_statement(tx, StoredStatement(message_id, asdict(said.patient), None, now))
    touched = touched_by_patient(tx, [number])
    return Done(heard.DONE, f"patient corrected; {_studies(touched)}", frozenset(touched))


def _merge(tx: Connection, said: PatientsMerged, message_id: int, now: datetime) -> Done:
    stays, gone = said.stays, said.gone
    if not stays.patient_id.strip() or not gone.patient_id.strip():
        return Done(heard.ATTENTION, "the merge does not name both Patient IDs (PID-3, MRG-1), and nothing was merged")
    if stays.issuer.strip() and gone.issuer.strip() and stays.issuer.strip() != gone.issuer.strip():
        words = "the merge names Patient IDs of two issuers; nothing was merged, and somebody has to see what was meant"
        return Done(heard.ATTENTION, words)
    issuer = stays.issuer.strip() or gone.issuer.strip()
    stays, gone = replace(stays, issuer=issuer), replace(gone, issuer=issuer)
    if stays.patient_id.strip() == gone.patient_id.strip():
        return Done(heard.IGNORED, "the merge is of one Patient ID with itself")
    if _is_known_merge(tx, stays, gone):
        identity.add_statement(tx, StoredStatement(message_id, asdict(stays), None, now))
    else:
        identity.add_statement(tx, StoredStatement(message_id, asdict(stays), asdict(gone), now))
    touched = touched_by_patient(tx, [stays.patient_id, gone.patient_id])
    return Done(heard.DONE, f"patients merged; {_studies(touched)}", frozenset(touched))


def _is_known_merge(tx: Connection, stays: Patient, gone: Patient) -> bool:
    """Whether the same merge was the last word about the two already: it comes twice and is one."""
    statements, _ = identity.statements_about(tx, [gone.patient_id.strip()])
    pair = {(stays.patient_id.strip(), stays.issuer), (gone.patient_id.strip(), gone.issuer)}
    between = [
        s
        for s in statements
        if s.gone is not None and {(p["patient_id"].strip(), p["issuer"]) for p in (s.patient, s.gone)} == pair
    ]
    return bool(between) and between[-1].patient["patient_id"].strip() == stays.patient_id.strip()


def _report(tx: Connection, said: ReportSaid, message_id: int, now: datetime) -> Done:
    numbers = said.order
    named = (
        numbers.accession_number,
        numbers.placer_order_number,
        numbers.filler_order_number,
        said.study_instance_uid,
    )
    accession, placer, filler, uid = (n.strip() for n in named)
    if not said.is_final and not said.is_taken_back:
        return Done(heard.DONE, f"a report with status {said.status or '-'}: nobody has finished it")
    if not any((accession, placer, filler, uid)):
        what = "finished report" if said.is_final else "report that is taken back"
        return Done(heard.ATTENTION, f"the {what} names neither an order nor a study")
    status = said.status[:4]
    if said.is_taken_back:
        status = status if status in TAKEN_BACK else WRONG
        known = orders.reports_by(tx, accessions=[accession], placers=[placer], fillers=[filler], study_uids=[uid])
        if not known:
            return Done(heard.DONE, f"a report that nobody had finished is taken back, status {said.status or '-'}")
    orders.add_report(tx, StoredReport(message_id, accession, placer, filler, uid, asdict(said.patient), status, now))
    near = orders.orders_by(tx, accessions=[accession], placers=[placer], fillers=[filler])
    touched = identity.studies_with(tx, identity.ACCESSION, [accession, *(o.accession_number for o in near)])
    touched |= orders.studies_matched_to(tx, [o.id for o in near]) | identity.existing(tx, [uid])
    what = f"report finished, status {said.status}" if said.is_final else f"report taken back, status {status}"
    return Done(heard.DONE, f"{what}; {_studies(touched)}", frozenset(touched))


def touched_by_patient(tx: Connection, patient_ids: Collection[str]) -> set[str]:
    """The studies of these patients, whatever they were or are called, and those that were given an order of theirs."""
    _, ids = identity.statements_about(tx, patient_ids)
    theirs = [o.id for o in orders.orders_by(tx, patient_ids=ids)]
    return identity.studies_with(tx, identity.PATIENT, ids) | orders.studies_matched_to(tx, theirs)


def _touched_by_order(tx: Connection, order: KnownOrder | None) -> set[str]:
    if order is None:
        return set()
    touched = identity.studies_with(tx, identity.ACCESSION, [order.order.accession_number])
    touched |= identity.existing(tx, [order.study_instance_uid.strip()])
    theirs = touched_by_patient(tx, [order.patient.patient_id]) if order.scheduled_at else set()
    return touched | {uid for uid in theirs if _is_in_reach(tx, uid, order.scheduled_at)}


def _is_in_reach(view: Connection, uid: str, scheduled_at: str) -> bool:
    """Whether time could match that study and an order so scheduled, under any settings."""
    newest = studies.newest_revision(view, uid)
    return newest is None or is_near(str(newest.study.get("study_date", "")), scheduled_at[:8], LONGEST_WINDOW)


def _studies(touched: Collection[str]) -> str:
    return f"{len(touched)} {'study' if len(touched) == 1 else 'studies'} concerned"
