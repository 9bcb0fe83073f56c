"""From the ledger's rows to what is weighed, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection

from agent.imaging.facts import InstanceFacts
from agent.orders.matching import KnownOrder, Rival
from agent.orders.people import Registry, Statement
from agent.orders.reports import FinishedReport
from agent.orders.weigh import IMAGES, ORDER, Decision, Knowledge
from agent.store import identity, orders, studies
from agent.store.identity import StoredStatement
from agent.store.orders import StoredDecision, StoredOrder, StoredReport
from structured_report.content import Order, Patient, Priority
from structured_report.plain import order_from_json


def known_about(view: Connection, uid: str, facts: Sequence[InstanceFacts]) -> Knowledge:
    """Everything in the ledger that may concern a study with these images."""
    accessions = {f.accession_number.strip() for f in facts} - {""}
    decision = orders.decisions_of(view, [uid]).get(uid)
    pinned = {decision.order_id} - {None} if decision is not None else set()
    numbers = {f.patient_id for f in facts}
    certain = orders.orders_by(view, accessions=accessions, study_uids={uid}, ids=[n for n in pinned if n is not None])
    _, ids = identity.statements_about(view, numbers | {o.patient_id for o in certain})
    found = {o.id: o for o in (*certain, *orders.orders_by(view, patient_ids=ids))}
    statements, ids = identity.statements_about(view, ids | {o.patient_id for o in found.values()})
    reports = orders.reports_by(
        view,
        accessions=accessions | {o.accession_number for o in found.values()},
        placers={o.placer_order_number for o in found.values()},
        fillers={o.filler_order_number for o in found.values()},
        study_uids={uid},
    )
    return Knowledge(
        tuple(map(_statement, statements)),
        tuple(order_of(found[n]) for n in sorted(found)),
        tuple(map(_report, reports)),
        tuple(_rivals(view, uid, accessions, ids if found else set())),
        Decision() if decision is None else _decision(decision),
    )


def merged_away(view: Connection, uid: str, patient: Patient, issuer: str) -> dict[str, str]:
    """The Patient IDs that were merged into that of a study's patient, the newest merge first, and the issuer of each, empty where
    nobody names one. None where a person has decided whose the study is: what was heard counts for nothing there.

    Args:
        issuer: of Patient IDs that name none; empty when the site has not said.
    """
    decision = orders.decisions_of(view, [uid]).get(uid)
    if decision is not None and decision.patient in (IMAGES, ORDER):
        return {}
    statements, _ = identity.statements_about(view, [patient.patient_id])
    return dict(Registry(map(_statement, statements), issuer).merged_away(patient))


def _rivals(view: Connection, uid: str, accessions: set[str], patient_ids: set[str]) -> list[Rival]:
    """Other studies that carry an accession number of the images, or are of the patient; what a person has said to be
    without an order is nobody's rival."""
    uids = identity.studies_with(view, identity.ACCESSION, accessions)
    uids |= identity.studies_with(view, identity.PATIENT, patient_ids)
    others = sorted(uids - {uid})
    decided = orders.decisions_of(view, others)
    free = (u for u in others if u not in decided or not decided[u].without_order)
    return [r for other in free for r in _as_rival(view, other, decided[other].order_id if other in decided else None)]


def _as_rival(view: Connection, uid: str, pinned: int | None) -> list[Rival]:
    images = [InstanceFacts.from_json(i.facts) for i in studies.images_of(view, uid)]
    if not images or all(f.is_of_constancy_test for f in images):
        return []
    first = images[0]
    patient = Patient(
        first.patient_id, first.issuer_of_patient_id, first.patient_name, first.patient_birth_date, first.patient_sex
    )
    numbers = sorted({f.accession_number.strip() for f in images} - {""}) or [""]
    return [Rival(uid, number, patient, first.study_date, first.study_time, pinned) for number in numbers]


def order_of(row: StoredOrder) -> KnownOrder:
    """The order of a row."""
    return KnownOrder(
        row.id,
        order_from_json(row.order),
        Patient(**row.patient),
        row.study_instance_uid,
        Priority(row.priority) if row.priority else None,
        row.scheduled_at,
        row.modality,
        row.state,
        row.source,
        row.message_id,
    )


def row_of(order: KnownOrder, *, now: datetime) -> StoredOrder:
    """The row of an order."""
    return StoredOrder(
        order.order.accession_number.strip(),
        order.order.placer_order_number.strip(),
        order.order.filler_order_number.strip(),
        order.study_instance_uid.strip(),
        order.patient.patient_id.strip(),
        asdict(order.patient),
        asdict(order.order),
        str(order.priority or ""),
        order.scheduled_at,
        order.modality,
        order.state,
        order.source,
        order.message_id,
        now,
        order.id,
    )


def _statement(row: StoredStatement) -> Statement:
    return Statement(row.id, row.message_id, Patient(**row.patient), Patient(**row.gone) if row.gone else None)


def _report(row: StoredReport) -> FinishedReport:
    numbers = Order(row.accession_number, row.placer_order_number, row.filler_order_number)
    return FinishedReport(row.message_id, numbers, Patient(**row.patient), row.study_instance_uid, row.status)


def _decision(row: StoredDecision) -> Decision:
    return Decision(row.order_id, row.without_order, row.patient, row.known_order, row.known_statement)
