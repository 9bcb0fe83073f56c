"""What the read, report and deliver stages write: readings, documents and deliveries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, case, cast, delete, func, insert, or_, select, update

from agent.store.dialect import upsert
from agent.store.doomed import spare
from agent.store.schema import delivery, document, job, reading, report_shortfall, study_revision, unanswered


@dataclass(frozen=True, slots=True)
class StoredReading:
    """How one revision was read. `provenance` and `findings` are JSON forms of the dataclasses in
    `structured_report.content`.

    Attributes:
        reply: exactly what the model wrote to the first question; `reasoning` and `draft` are the parts of it that are
            reported, as normalised text.
        priority: empty when nothing ranked it.
        notes: sentences for the reader about rendering and reading.
        seconds: wall time of rendering and reading.
    """

    revision_id: int
    outcome: str
    reason: str
    explanation: str
    provenance: dict[str, Any]
    reply: str
    reasoning: str
    draft: str
    findings: list[dict[str, Any]]
    notes: list[str]
    seconds: float
    completed_at: datetime
    impression: str = ""
    comparison: str = ""
    regions: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    priority: str = ""
    reasons: list[str] = field(default_factory=list)


def add_reading(tx: Connection, row: StoredReading) -> None:
    """Write the reading of a revision, once."""
    tx.execute(insert(reading).values(**{f: getattr(row, f) for f in StoredReading.__dataclass_fields__}))


def reading_of(view: Connection, revision_id: int) -> StoredReading | None:
    """The reading of that revision, if it has been read."""
    row = view.execute(select(reading).where(reading.c.revision_id == revision_id)).first()
    return None if row is None else StoredReading(**row._mapping)


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One finished document; `path` is relative to the storage root."""

    kind: str
    identifier: str
    path: str
    digest: str


def add_document(tx: Connection, revision_id: int, made: StoredDocument, *, now: datetime) -> int:
    """Write a document down and return its id; a document that is made again takes the place of the one before."""
    spare(tx, [made.path])
    tx.execute(
        upsert(document)
        .values(
            revision_id=revision_id,
            kind=made.kind,
            identifier=made.identifier,
            path=made.path,
            digest=made.digest,
            created_at=now,
        )
        .on_conflict_do_update(
            index_elements=[document.c.kind, document.c.identifier], set_={"path": made.path, "digest": made.digest}
        )
    )
    same = select(document.c.id).where(document.c.kind == made.kind, document.c.identifier == made.identifier)
    return int(tx.execute(same).scalar_one())


def lacks_documents(view: Connection, revision_id: int) -> bool:
    """Whether the last report of that revision could not make everything it should have."""
    found = view.execute(select(report_shortfall.c.revision_id).where(report_shortfall.c.revision_id == revision_id))
    return found.first() is not None


def set_shortfall(tx: Connection, revision_id: int, codes: Sequence[str]) -> None:
    """Write down what the report of that revision could not make; nothing, when it made everything."""
    tx.execute(delete(report_shortfall).where(report_shortfall.c.revision_id == revision_id))
    if codes:
        tx.execute(insert(report_shortfall).values(revision_id=revision_id, codes=list(codes)))


def add_delivery(
    tx: Connection, document_id: int, destination: str, *, hold: bool = False, now: datetime
) -> int | None:
    """Write an outbox row, held back or due, and return its id; None when there is one already, whatever became of
    it: a report that is made again sends nothing twice."""
    known = select(delivery.c.id).where(delivery.c.document_id == document_id, delivery.c.destination == destination)
    if tx.execute(known).first() is not None:
        return None
    state = "held" if hold else "waiting"
    row = tx.execute(
        insert(delivery)
        .values(document_id=document_id, destination=destination, state=state, created_at=now, next_try_at=now)
        .returning(delivery.c.id)
    ).one()
    return int(row.id)


UNDELIVERED = ("waiting", "parked", "held")
RESULTS = ("sr", "sc", "gsps", "plain-sr", "oru", "flag", "json")
"""The kinds of documents that say something of the images, and not only that something was wrong."""
OBJECTS = ("sr", "sc", "gsps", "plain-sr")
"""Those of them that are DICOM objects."""
NOTE = "ko"  # rejects some of those
_NUMBER = ("patient_id", "issuer")  # under what a document is filed
REPORTED = "reported: "  # so begin the words of what is superseded because a person has finished the report
HAS_IT = ("delivered", "committed")  # the destination has said that it has the document


def supersede_undelivered(
    tx: Connection,
    study_instance_uid: str,
    before_revision: int,
    *,
    states: Sequence[str] = UNDELIVERED,
    kinds: Sequence[str] = RESULTS,
    words: str = "",
    now: datetime,
) -> int:
    """Older results in one of those states, which nobody has received, are not sent any more; returns how many.

    Args:
        words: why, where it is not that something newer is there.
    """
    older = (
        select(document.c.id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(
            study_revision.c.study_instance_uid == study_instance_uid,
            study_revision.c.number < before_revision,
            document.c.kind.in_(kinds),
        )
    )
    changed = tx.execute(
        update(delivery)
        .where(delivery.c.document_id.in_(older), delivery.c.state.in_(states))
        .values(state="superseded", finished_at=now, next_try_at=None, **({"words": words} if words else {}))
    )
    return int(changed.rowcount)


def take_up_reported(tx: Connection, revision_id: int, *, now: datetime) -> list[tuple[int, str]]:
    """What was superseded because a person had finished the report waits again, of that revision, which has been read; returns
    (delivery id, destination) of each. Its flag says nothing that the result does not."""
    mine = select(document.c.id).where(document.c.revision_id == revision_id, document.c.kind != "flag")
    changed = tx.execute(
        update(delivery)
        .where(
            delivery.c.document_id.in_(mine),
            delivery.c.state == "superseded",
            delivery.c.words.startswith(REPORTED, autoescape=True),
        )
        .values(state="waiting", words="", next_try_at=now, finished_at=None, created_at=now)
        .returning(delivery.c.id, delivery.c.destination)
    )
    return [(int(r.id), str(r.destination)) for r in changed]


def change_hold(
    tx: Connection, study_instance_uid: str, *, hold: bool, kinds: Sequence[str] = ()
) -> list[tuple[int, str]]:
    """Hold back, or release, what a study has not delivered yet, of these kinds of documents or of all; returns (delivery
    id, destination) of each that changed."""
    before, after = ("waiting", "held") if hold else ("held", "waiting")
    changed = tx.execute(
        update(delivery)
        .where(delivery.c.document_id.in_(_documents_of(study_instance_uid, kinds)), delivery.c.state == before)
        .values(state=after)
        .returning(delivery.c.id, delivery.c.destination)
    )
    return [(int(r.id), str(r.destination)) for r in changed]


def _documents_of(study_instance_uid: str, kinds: Sequence[str] = ()) -> Any:
    query = (
        select(document.c.id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(study_revision.c.study_instance_uid == study_instance_uid)
    )
    return query.where(document.c.kind.in_(kinds)) if kinds else query


def hold_back(tx: Connection, delivery_id: int) -> bool:
    """Keep one delivery that waits from being made until its study is released; returns whether it waited."""
    waiting = (delivery.c.id == delivery_id) & (delivery.c.state == "waiting")
    return tx.execute(update(delivery).where(waiting).values(state="held")).rowcount > 0


def park_unknown(tx: Connection, known: Collection[str], *, now: datetime) -> list[tuple[str, str]]:
    """Park what waits for a destination that the settings do not name any more; returns (study UID, destination) of each."""
    words = "destination-gone: the settings name no such destination; name it again, then: preread retry"
    changed = tx.execute(
        update(delivery)
        .where(delivery.c.state == "waiting", delivery.c.destination.not_in(known))
        .values(state="parked", words=words, next_try_at=None, finished_at=now)
        .returning(delivery.c.document_id, delivery.c.destination)
    )
    return [(_study_of(tx, row.document_id), str(row.destination)) for row in changed.all()]


def _study_of(view: Connection, document_id: int) -> str:
    uid = select(study_revision.c.study_instance_uid).join(document, document.c.revision_id == study_revision.c.id)
    return str(view.execute(uid.where(document.c.id == document_id)).scalar_one())


def may_have_it() -> ColumnElement[bool]:
    """It was delivered, was tried, or is being sent."""
    sending = (
        select(job.c.id)
        .where(job.c.kind == "deliver", job.c.key == cast(delivery.c.id, String), job.c.state == "running")
        .exists()
    )
    return or_(delivery.c.state.in_(HAS_IT), delivery.c.attempts > 0, sending)


def holders(view: Connection, study_instance_uid: str, kind: str) -> set[str]:
    """Names of the destinations that have, or may have, a document of that kind about the study."""
    found = view.execute(
        select(delivery.c.destination)
        .where(delivery.c.document_id.in_(_documents_of(study_instance_uid, (kind,))), may_have_it())
        .distinct()
    )
    return {str(name) for name in found.scalars()}


def with_a_result(view: Connection, study_instance_uid: str) -> set[str]:
    """Names of the destinations that have, or may have, a result of the study or its flag, since it was last withdrawn."""
    c = study_revision.c
    withdrawn = (
        select(func.coalesce(func.max(c.number), 0))
        .join(reading, reading.c.revision_id == c.id)
        .where(c.study_instance_uid == study_instance_uid, reading.c.outcome == "withdrawn")
        .scalar_subquery()
    )
    unheard = select(unanswered.c.delivery_id).where(unanswered.c.delivery_id == delivery.c.id).exists()
    # A message that nobody could be reached for, or that was refused, is known not to have arrived.
    may_be_out = case(
        (document.c.kind.in_(("oru", "flag")), or_(delivery.c.state.in_(HAS_IT), unheard)), else_=may_have_it()
    )
    found = view.execute(
        select(delivery.c.destination)
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, c.id == document.c.revision_id)
        .where(
            c.study_instance_uid == study_instance_uid,
            c.number > withdrawn,
            document.c.kind.in_(RESULTS),
            may_be_out,
        )
        .distinct()
    )
    return {str(name) for name in found.scalars()}


def misfiled(view: Connection, study_instance_uid: str, patient: Mapping[str, str]) -> set[tuple[str, str]]:
    """(kind, destination) of the documents, messages apart, that a destination has, or may have, and of which the newest stands under
    another Patient ID, or issuer of it, than that of `patient`; and of those that it was told to hide, or will be."""
    c = study_revision.c
    rows = view.execute(
        select(document.c.kind, delivery.c.destination, c.study, c.number)
        .join(study_revision, c.id == document.c.revision_id)
        .join(delivery, delivery.c.document_id == document.c.id)
        .where(
            c.study_instance_uid == study_instance_uid,
            document.c.kind.in_(RESULTS),
            document.c.kind.not_in(("oru", "flag")),
            may_have_it(),
        )
        .order_by(c.number)
    )
    newest = {(str(r.kind), str(r.destination)): (r.study["patient"], int(r.number)) for r in rows}
    noted = _newest_notes(view, study_instance_uid)
    return {
        (kind, destination)
        for (kind, destination), (filed, number) in newest.items()
        if any(filed[k].strip() != patient[k].strip() for k in _NUMBER)
        or (kind in OBJECTS and number < noted.get(destination, 0))
    }


def _newest_notes(view: Connection, study_instance_uid: str) -> dict[str, int]:
    """Number of the newest revision with a rejection note, by the destination that it is for."""
    c = study_revision.c
    rows = view.execute(
        select(delivery.c.destination, func.max(c.number))
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, c.id == document.c.revision_id)
        .where(c.study_instance_uid == study_instance_uid, document.c.kind == NOTE)
        .group_by(delivery.c.destination)
    )
    return {str(destination): int(number) for destination, number in rows}


def newest_sent_sr(view: Connection, study_instance_uid: str, before_revision: int) -> str | None:
    """SOP Instance UID of the newest earlier SR that a destination has, or may have: it was tried, or is being sent."""
    return newest_sent(view, study_instance_uid, before_revision, "sr")


def newest_sent(view: Connection, study_instance_uid: str, before_revision: int, kind: str) -> str | None:
    """The same of the DICOM documents of another kind."""
    c = study_revision.c
    found = view.execute(
        select(document.c.identifier)
        .join(study_revision, c.id == document.c.revision_id)
        .join(delivery, delivery.c.document_id == document.c.id)
        .where(
            c.study_instance_uid == study_instance_uid,
            c.number < before_revision,
            document.c.kind == kind,
            may_have_it(),
        )
        .order_by(c.number.desc())
        .limit(1)
    ).scalar()
    return None if found is None else str(found)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery with what is needed to make it."""

    delivery_id: int
    destination: str
    state: str
    attempts: int
    created_at: datetime
    kind: str
    identifier: str
    path: str
    digest: str
    study_instance_uid: str
    revision_id: int
    revision: int


def outgoing(view: Connection, delivery_id: int) -> Outgoing:
    """The delivery of that id; it must exist."""
    row = view.execute(
        select(
            delivery.c.id.label("delivery_id"),
            delivery.c.destination,
            delivery.c.state,
            delivery.c.attempts,
            delivery.c.created_at,
            document.c.kind,
            document.c.identifier,
            document.c.path,
            document.c.digest,
            study_revision.c.study_instance_uid,
            study_revision.c.id.label("revision_id"),
            study_revision.c.number.label("revision"),
        )
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(delivery.c.id == delivery_id)
    ).one()
    return Outgoing(**row._mapping)


def attempt_failed(
    tx: Connection, delivery_id: int, *, words: str, next_try_at: datetime | None, now: datetime
) -> None:
    """Count an attempt; without a next time the delivery is parked until somebody retries it."""
    parked = next_try_at is None
    tx.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id, delivery.c.state == "waiting")
        .values(
            attempts=delivery.c.attempts + 1,
            words=words,
            state="parked" if parked else "waiting",
            next_try_at=next_try_at,
            finished_at=now if parked else None,
        )
    )


def delivered(tx: Connection, delivery_id: int, *, words: str, now: datetime) -> None:
    """The destination has it."""
    tx.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id)
        .values(state="delivered", attempts=delivery.c.attempts + 1, words=words, next_try_at=None, finished_at=now)
    )


def try_again(
    tx: Connection, study_instance_uid: str, *, destination: str = "", now: datetime
) -> list[tuple[int, str]]:
    """Make parked deliveries of a study due at once and bring waiting ones forward, those to one destination or to all; returns
    (delivery id, destination) of each."""
    mine = delivery.c.document_id.in_(_documents_of(study_instance_uid))
    wanted = (mine, *((delivery.c.destination == destination,) if destination else ()))
    changed = tx.execute(
        update(delivery)
        .where(*wanted, delivery.c.state.in_(("parked", "waiting")))
        .values(state="waiting", next_try_at=now, finished_at=None, created_at=now)
        .returning(delivery.c.id, delivery.c.destination)
    )
    return [(int(r.id), str(r.destination)) for r in changed]
