"""What was heard of orders and patients, by its age, and whether a study that is here has need of it.

An order whose film went elsewhere, a correction of a patient who never came: nothing else would ever take them out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, select, union, update

from agent.store import heard, identity, orders
from agent.store.dialect import json_text
from agent.store.orders import StoredOrder
from agent.store.schema import (
    final_report,
    hl7_message,
    instance,
    job,
    message_study,
    patient_order,
    patient_statement,
    study,
    study_decision,
    study_match,
)

AT_ONCE = 200  # rows that are looked at in one go
LET_GO = "let go: older than keeping.orders_days, and no study here is of it"

Subjects = frozenset[tuple[str, str]]
Rows = Callable[..., "list[Row]"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `subjects`: kind (patient, accession, placer, filler, study) and identifier, each of those that it names;
    `said`: of a message, what was kept of it."""

    id: int
    subjects: Subjects = frozenset()
    scheduled_at: str = ""
    said: list[dict[str, Any]] = field(default_factory=list)


def old_orders(
    view: Connection, moment: datetime, *, after: int = 0, among: Collection[int] | None = None
) -> list[Row]:
    """Orders of which nothing new was heard since then, and that no study was given.

    The newest stays, whatever its age, so that no later one gets its number: what a person decided about a study counts
    orders as known by their numbers.

    Args:
        after: only those behind that number.
        among: only these.
    """
    c = patient_order.c
    newest = select(func.max(c.id)).scalar_subquery()
    given = [exists(select(t.c.order_id).where(t.c.order_id == c.id)) for t in (study_match, study_decision)]
    query = select(patient_order).where(
        c.heard_at < moment, c.id < newest, c.state != orders.GONE, *(~g for g in given)
    )
    return [Row(r.id, _of_order(r), r.scheduled_at) for r in view.execute(_some(query, c.id, after, among))]


def old_reports(
    view: Connection, moment: datetime, *, after: int = 0, among: Collection[int] | None = None
) -> list[Row]:
    """Finished reports that were heard of before then."""
    c = final_report.c
    found = view.execute(_some(select(final_report).where(c.heard_at < moment), c.id, after, among))
    return [Row(r.id, _of_order(r) | _named(patient=[r.patient.get("patient_id", "")])) for r in found]


def old_statements(
    view: Connection, moment: datetime, *, after: int = 0, among: Collection[int] | None = None
) -> list[Row]:
    """What was said of patients before then. The newest stays, as of the orders."""
    c = patient_statement.c
    newest = select(func.max(c.id)).scalar_subquery()
    query = select(c.id, c.patient_id, c.gone_id).where(c.heard_at < moment, c.id < newest, c.patient_id != "")
    found = view.execute(_some(query, c.id, after, among))
    return [_of_statement(r) for r in found]


def old_messages(
    view: Connection, moment: datetime, *, after: int = 0, among: Collection[int] | None = None
) -> list[Row]:
    """Messages that were heard before then and are done with, are of no study, and of nothing of the above that is still here."""
    c = hl7_message.c
    named_by = (patient_order, final_report, message_study)
    named = [exists(select(t.c.message_id).where(t.c.message_id == c.id)) for t in named_by]
    said = patient_statement.c  # one that names nobody holds a number, and no message
    named.append(exists(select(said.message_id).where(said.message_id == c.id, said.patient_id != "")))
    query = select(c.id, c.said).where(
        c.received_at < moment,
        c.state.in_((heard.DONE, heard.IGNORED)),
        func.length(c.content) > 0,
        *(~n for n in named),
    )
    return [Row(r.id, said=r.said) for r in view.execute(_some(query, c.id, after, among))]


def forget_orders(tx: Connection, ids: Sequence[int]) -> None:
    """Take these orders out."""
    tx.execute(delete(patient_order).where(patient_order.c.id.in_(ids)))


def forget_reports(tx: Connection, ids: Sequence[int]) -> None:
    """Take these finished reports out."""
    tx.execute(delete(final_report).where(final_report.c.id.in_(ids)))


def forget_statements(tx: Connection, ids: Sequence[int]) -> None:
    """Take out what was said of patients."""
    tx.execute(delete(patient_statement).where(patient_statement.c.id.in_(ids)))


def empty_messages(tx: Connection, ids: Sequence[int]) -> None:
    """That they were heard stays, so that one that is sent again is not acted on again; what they said does not."""
    tx.execute(update(hl7_message).where(hl7_message.c.id.in_(ids)).values(content=b"", said=[], words=LET_GO))


def is_claimed(view: Connection, subjects: Subjects) -> bool:
    """Whether a study that is here may have need of what names these: it is of one of the patients, whatever they were or are
    called, or has one of the numbers, or one of an order that goes with them."""
    _, people = identity.statements_about(view, _of(subjects, "patient"))
    by_number = _by_number(view, subjects)
    _, people = identity.statements_about(view, people | {o.patient_id for o in by_number})
    near = [*by_number, *orders.orders_by(view, patient_ids=people)]
    return bool(
        identity.studies_with(view, identity.PATIENT, people)
        or identity.studies_with(
            view, identity.ACCESSION, _of(subjects, "accession") | {o.accession_number for o in near}
        )
        or identity.existing(view, _of(subjects, "study") | {o.study_instance_uid for o in near})
        or orders.studies_matched_to(view, [o.id for o in near])
    )


def arriving(view: Connection) -> Subjects:
    """Patients, whatever they were or are called, accession numbers and UIDs of the studies whose newest images have not been
    weighed yet: until then nothing says of them by what they are found."""
    c = instance.c
    coming = select(study.c.study_instance_uid).where(study.c.state == "receiving")
    to_do = select(job.c.key).where(job.c.kind == "assemble")
    query = select(
        c.study_instance_uid,
        json_text(c.facts, "patient_id").label("patient"),
        json_text(c.facts, "accession_number").label("accession"),
    )
    # One list of UIDs, not an "or" over two tables: that would have every image looked at, while nobody else can write.
    rows = view.execute(query.where(c.study_instance_uid.in_(union(coming, to_do)))).all()
    _, people = identity.statements_about(view, {r.patient or "" for r in rows})
    return _named(
        patient=sorted(people),
        accession=[r.accession or "" for r in rows],
        study=[r.study_instance_uid for r in rows],
    )


def has_order(view: Connection, subjects: Subjects) -> bool:
    """Whether an order is here that has one of these numbers."""
    return bool(_by_number(view, subjects))


def is_spoken_of(view: Connection, subjects: Subjects, moment: datetime) -> bool:
    """Whether one of these patients, whatever they were or are called, has an order here, or was spoken of since then or last of
    all: a merge that is followed to its end needs every step, and what contradicts a step is one of them."""
    statements, people = identity.statements_about(view, _of(subjects, "patient"))
    newest = identity.newest_statement(view)
    return any(s.heard_at >= moment or s.id == newest for s in statements) or bool(
        orders.orders_by(view, patient_ids=people)
    )


def tied_statements(view: Connection, subjects: Subjects) -> list[Row]:
    """All that was said of these patients, whatever they were or are called: it goes together or not at all."""
    c = patient_statement.c
    statements, _ = identity.statements_about(view, _of(subjects, "patient"))
    query = select(c.id, c.patient_id, c.gone_id).where(c.id.in_([s.id for s in statements])).order_by(c.id)
    return [_of_statement(r) for r in view.execute(query)]


def _by_number(view: Connection, subjects: Subjects) -> list[StoredOrder]:
    return orders.orders_by(
        view,
        accessions=_of(subjects, "accession"),
        placers=_of(subjects, "placer"),
        fillers=_of(subjects, "filler"),
        study_uids=_of(subjects, "study"),
    )


def _some(query: Select[Any], key: Any, after: int, among: Collection[int] | None) -> Select[Any]:
    chosen = query.where(key > after) if among is None else query.where(key.in_(sorted(among)))
    return chosen.order_by(key).limit(AT_ONCE)


def _of(subjects: Subjects, kind: str) -> set[str]:
    return {value for k, value in subjects if k == kind}


def _of_order(row: Any) -> Subjects:
    return _named(
        patient=[getattr(row, "patient_id", "")],
        accession=[row.accession_number],
        placer=[row.placer_order_number],
        filler=[row.filler_order_number],
        study=[row.study_instance_uid],
    )


def _of_statement(row: Any) -> Row:
    return Row(row.id, _named(patient=[row.patient_id, row.gone_id]))


def _named(**values: list[str]) -> Subjects:
    return frozenset((kind, v.strip()) for kind, texts in values.items() for v in texts if v.strip())
