"""The orders that were heard of, the reports that are finished, and how studies were matched."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from agent.store.dialect import upsert
from agent.store.schema import final_report, message_study, patient_order, study_decision, study_match

GONE = "purged"
"""State of a row that holds the number of an order and nothing else of it: no question finds it."""


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """One order. `patient` and `order` are the JSON forms of `structured_report.content`; `message_id` is None from a
    worklist."""

    accession_number: str
    placer_order_number: str
    filler_order_number: str
    study_instance_uid: str
    patient_id: str
    patient: dict[str, Any]
    order: dict[str, Any]
    priority: str
    scheduled_at: str
    modality: str
    state: str
    source: str
    message_id: int | None
    heard_at: datetime
    id: int = 0


_ORDER_FIELDS = tuple(f for f in StoredOrder.__dataclass_fields__ if f != "id")


def put_order(tx: Connection, row: StoredOrder) -> int:
    """Write an order down, over the one of its id where it has one; returns the id."""
    values = {f: getattr(row, f) for f in _ORDER_FIELDS}
    if row.id:
        tx.execute(update(patient_order).where(patient_order.c.id == row.id).values(**values))
        return row.id
    return int(tx.execute(insert(patient_order).values(**values).returning(patient_order.c.id)).scalar_one())


def orders_by(
    view: Connection,
    *,
    accessions: Collection[str] = (),
    placers: Collection[str] = (),
    fillers: Collection[str] = (),
    study_uids: Collection[str] = (),
    patient_ids: Collection[str] = (),
    ids: Collection[int] = (),
) -> list[StoredOrder]:
    """Every order that has one of these, oldest first; an empty text finds nothing."""
    c = patient_order.c
    asked = (
        (c.accession_number, accessions), (c.placer_order_number, placers), (c.filler_order_number, fillers),
        (c.study_instance_uid, study_uids), (c.patient_id, patient_ids),
    )  # fmt: skip
    conditions = [column.in_(wanted) for column, texts in asked if (wanted := sorted(set(texts) - {""}))]
    if ids:
        conditions.append(c.id.in_(sorted(set(ids))))
    if not conditions:
        return []
    rows = view.execute(select(patient_order).where(or_(*conditions), c.state != GONE).order_by(c.id))
    return [StoredOrder(**row._mapping) for row in rows]


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report that a person has finished."""

    message_id: int
    accession_number: str
    placer_order_number: str
    filler_order_number: str
    study_instance_uid: str
    patient: dict[str, Any]
    status: str
    heard_at: datetime


def add_report(tx: Connection, row: StoredReport) -> None:
    """Write a finished report down."""
    tx.execute(insert(final_report).values(**asdict(row)))


def reports_by(
    view: Connection,
    *,
    accessions: Collection[str] = (),
    placers: Collection[str] = (),
    fillers: Collection[str] = (),
    study_uids: Collection[str] = (),
) -> list[StoredReport]:
    """Every finished report that names one of these, oldest first."""
    c = final_report.c
    asked = (
        (c.accession_number, accessions), (c.placer_order_number, placers), (c.filler_order_number, fillers),
        (c.study_instance_uid, study_uids),
    )  # fmt: skip
    conditions = [column.in_(wanted) for column, texts in asked if (wanted := sorted(set(texts) - {""}))]
    if not conditions:
        return []
    columns = [c[f] for f in StoredReport.__dataclass_fields__]
    return [StoredReport(*row) for row in view.execute(select(*columns).where(or_(*conditions)).order_by(c.id))]


def newest_report(view: Connection, study_instance_uid: str) -> int:
    """Number of the newest message with a finished report that was about that study; 0 when there is none. It may turn out, when it
    is weighed, to be of another patient."""
    mine = message_study.c.study_instance_uid == study_instance_uid
    linked = message_study.c.message_id == final_report.c.message_id
    newest = select(func.max(final_report.c.message_id)).select_from(final_report.join(message_study, linked))
    return int(view.execute(newest.where(mine)).scalar() or 0)


@dataclass(frozen=True, slots=True)
class StoredMatch:
    """How a study was matched when it was last weighed. `overlays`: JSON of `agent.orders.people.Overlay`."""

    study_instance_uid: str
    order_id: int | None
    how: str
    doubt: str
    candidates: list[int]
    overlays: list[dict[str, Any]]
    weighed_at: datetime


def put_match(tx: Connection, row: StoredMatch) -> None:
    """Write down how a study is matched by now."""
    values = asdict(row)
    newer = {k: v for k, v in values.items() if k != "study_instance_uid"}
    tx.execute(
        upsert(study_match).values(**values).on_conflict_do_update(index_elements=["study_instance_uid"], set_=newer)
    )


def match_of(view: Connection, study_instance_uid: str) -> StoredMatch | None:
    """How that study was matched, if it has been weighed."""
    row = view.execute(select(study_match).where(study_match.c.study_instance_uid == study_instance_uid)).first()
    return None if row is None else StoredMatch(**row._mapping)


def studies_matched_to(view: Connection, order_ids: Collection[int]) -> set[str]:
    """UIDs of the studies that were matched to one of these orders."""
    c = study_match.c
    return set(view.execute(select(c.study_instance_uid).where(c.order_id.in_(sorted(set(order_ids))))).scalars())


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """What a person decided about a study; see `agent.orders.weigh.Decision`."""

    study_instance_uid: str
    reason: str
    decided_at: datetime
    order_id: int | None = None
    without_order: bool = False
    patient: str = ""
    known_order: int = field(default=0)
    known_statement: int = field(default=0)


def add_decision(tx: Connection, row: StoredDecision) -> None:
    """Write a decision down; it takes the place of the one before, which is kept."""
    tx.execute(insert(study_decision).values(**asdict(row)))


def decisions_of(view: Connection, study_instance_uids: Sequence[str]) -> dict[str, StoredDecision]:
    """The newest decision about each of these studies."""
    c = study_decision.c
    columns = [c[f] for f in StoredDecision.__dataclass_fields__]
    rows = view.execute(select(*columns).where(c.study_instance_uid.in_(study_instance_uids)).order_by(c.id))
    return {row.study_instance_uid: StoredDecision(*row) for row in rows}


def newest_order(view: Connection) -> int:
    """Id of the order that was heard of last; 0 when there is none."""
    return int(view.execute(select(func.max(patient_order.c.id))).scalar() or 0)
