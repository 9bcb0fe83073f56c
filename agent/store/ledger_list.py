"""One page of the ledger: studies with what became of each, in a handful of queries however many there are. Only reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, case, cast, exists, func, or_, select

from agent.store import failing, identity, studies
from agent.store.schema import (
    delivery,
    document,
    instance,
    job,
    study,
    study_key,
    study_revision,
    study_stop,
    urgency,
)

# Worst first: what a destination's cell shows where a study has several documents for it.
_WORST = ("parked", "failing", "held", "waiting", "delivered", "committed", "superseded")
_FINISHED = (
    identity.REPORTED,
    identity.FINISHED,
)  # the report, by a person; whether results go out all the same or not


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to list. Empty: everything.

    Attributes:
        stage: one of `agent.store.failing.STAGES`.
        destination: studies of which something could not be delivered there.
        state: of the study; one whose report a person has finished is ``reported``, whatever state its draft was left in.
        before: continue after the study that grew then, of that UID.
    """

    stage: str = ""
    destination: str = ""
    state: str = ""
    before: tuple[datetime, str] | None = None


@dataclass(frozen=True, slots=True)
class Failing:
    """A delivery or a stage that fails or was parked. `about`: document and destination, or the kind of the job; `words`: code and
    sentence of the error."""

    about: str
    words: str
    is_delivery: bool = False


@dataclass(slots=True)
class LedgerLine:
    """One study. `state` is ``reported`` once a person has finished the report, as in the worklist; `sent` says of each destination the
    worst that became of a document for it; `troubles` why it stands, in the words of whoever said so."""

    study_instance_uid: str
    state: str
    reason: str
    explanation: str
    revision: int
    first_received_at: datetime
    last_received_at: datetime
    accession_number: str = ""
    sender: str = ""
    images: int = 0
    priority: str = ""
    held: bool = False
    sent: dict[str, str] = field(default_factory=dict)
    troubles: list[Failing] = field(default_factory=list)


def listed(view: Connection, wanted: Wanted, *, limit: int) -> list[LedgerLine]:
    """The studies that grew last, newest first. Raises `KeyError` for a stage that there is not."""
    c = study.c
    query = select(study).order_by(c.last_received_at.desc(), c.study_instance_uid.desc()).limit(limit)
    if wanted.stage:
        query = query.where(c.study_instance_uid.in_(failing.of_stage(wanted.stage)))
    if wanted.destination:
        query = query.where(c.study_instance_uid.in_(failing.of_destination(wanted.destination)))
    if wanted.state:
        query = query.where(_stands(wanted.state))
    if wanted.before is not None:
        at, uid = wanted.before
        query = query.where(or_(c.last_received_at < at, and_(c.last_received_at == at, c.study_instance_uid < uid)))
    return _filled(view, query)


def _stands(state: str) -> ColumnElement[bool]:
    """As the worklist has it: `agent.store.listing_rows`."""
    c, s = study.c, study_stop.c
    finished = exists().where(s.study_instance_uid == c.study_instance_uid, s.kind.in_(_FINISHED))
    if state == studies.REPORTED:
        return or_(c.state == state, and_(c.state.in_(studies.OVER), finished))
    return and_(c.state == state, ~finished) if state in studies.OVER else c.state == state


def lines_of(view: Connection, uids: Sequence[str]) -> list[LedgerLine]:
    """These studies, those that grew last first; at most some hundred."""
    c = study.c
    return _filled(view, select(study).where(c.study_instance_uid.in_(uids)).order_by(c.last_received_at.desc()))


def found(view: Connection, text: str, *, limit: int) -> list[str]:
    """UIDs of the studies a person may mean: by Study Instance UID, by accession number, by Patient ID."""
    text = text.strip()
    exact = select(study.c.study_instance_uid).where(study.c.study_instance_uid == text)
    k = study_key.c
    by_key = select(k.study_instance_uid).where(k.kind.in_((identity.ACCESSION, identity.PATIENT)), k.value == text)
    uids = [str(u) for u in view.execute(exact.union(by_key).limit(limit)).scalars()]
    return sorted(uids)


def _filled(view: Connection, query: Select[Any]) -> list[LedgerLine]:
    lines = {
        str(r.study_instance_uid): LedgerLine(
            r.study_instance_uid, r.state, r.reason, r.explanation, r.revision, r.first_received_at, r.last_received_at
        )
        for r in view.execute(query)
    }
    if lines:
        uids = list(lines)
        _numbers(view, lines, uids)
        _images(view, lines, uids)
        _deliveries(view, lines, uids)
        _jobs(view, lines, uids)
        c = urgency.c
        for uid, priority in view.execute(
            select(c.study_instance_uid, c.priority).where(c.study_instance_uid.in_(uids))
        ):
            lines[uid].priority = priority
        _stops(view, lines, uids)
    return list(lines.values())


def _stops(view: Connection, lines: dict[str, LedgerLine], uids: Sequence[str]) -> None:
    s = study_stop.c
    told = (identity.HELD, *_FINISHED)
    rows = view.execute(select(s.study_instance_uid, s.kind).where(s.study_instance_uid.in_(uids), s.kind.in_(told)))
    for uid, kind in rows:
        line = lines[uid]
        if kind == identity.HELD:
            line.held = True
        elif line.state in studies.OVER:
            line.state = studies.REPORTED


def _numbers(view: Connection, lines: dict[str, LedgerLine], uids: Sequence[str]) -> None:
    c = study_revision.c
    rows = view.execute(
        select(c.study_instance_uid, c.study)
        .join(study, and_(study.c.study_instance_uid == c.study_instance_uid, study.c.revision == c.number))
        .where(c.study_instance_uid.in_(uids))
    )
    for uid, about in rows:
        lines[uid].accession_number = str((about or {}).get("order", {}).get("accession_number", "") or "")


def _images(view: Connection, lines: dict[str, LedgerLine], uids: Sequence[str]) -> None:
    c = instance.c
    rows = view.execute(
        select(
            c.study_instance_uid, func.count(func.distinct(c.sop_instance_uid)), func.min(c.calling_ae_title)
        )
        .where(c.study_instance_uid.in_(uids))
        .group_by(c.study_instance_uid)
    )  # fmt: skip
    for uid, count, sender in rows:
        lines[uid].images, lines[uid].sender = int(count), str(sender)


def _deliveries(view: Connection, lines: dict[str, LedgerLine], uids: Sequence[str]) -> None:
    d = delivery.c
    rows = view.execute(
        select(study_revision.c.study_instance_uid, d.destination, d.state, d.attempts, d.words, document.c.kind)
        .join(document, document.c.id == d.document_id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(study_revision.c.study_instance_uid.in_(uids))
        .order_by(d.id)
    )
    for row in rows:
        line = lines[row.study_instance_uid]
        state = "failing" if row.state == "waiting" and row.attempts else str(row.state)
        known = line.sent.get(row.destination, "superseded")
        line.sent[row.destination] = min(state, known, key=_WORST.index)
        if state in ("parked", "failing"):
            line.troubles.append(Failing(f"{row.kind.upper()} > {row.destination}", row.words, True))


def _jobs(view: Connection, lines: dict[str, LedgerLine], uids: Sequence[str]) -> None:
    """What stages failed of; deliveries say it themselves."""
    by_uid = select(job.c.key, job.c.kind, job.c.error).where(
        job.c.kind.in_(("assemble", "worklist")), job.c.error != "", job.c.key.in_(uids)
    )
    kinds = ("prior", "flag", "read", "report", "announce")
    key = case((job.c.kind.in_(kinds), cast(job.c.key, Integer)))  # the keys of other kinds are no numbers
    by_revision = (
        select(study_revision.c.study_instance_uid, job.c.kind, job.c.error)
        .join(job, key == study_revision.c.id)
        .where(study_revision.c.study_instance_uid.in_(uids), job.c.kind.in_(kinds), job.c.error != "")
    )
    for query in (by_uid, by_revision):
        for uid, kind, error in view.execute(query):
            lines[uid].troubles.append(Failing(kind, error))
