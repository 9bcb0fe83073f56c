"""The HL7 messages of a study for one destination, in their order: what is out, what waits, what has been overtaken.

There is one queue for each destination and study. A destination has one worker and one message in flight; here stands
what keeps that order when messages fail, wait and are made again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from agent.store.dialect import upsert
from agent.store.results import Outgoing
from agent.store.schema import delivery, document, study_revision, unanswered

RESULTS = ("oru", "flag")
RETRACTION = "retract"
MESSAGES = (*RESULTS, RETRACTION)
OUT = ("delivered", "committed")


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that a destination has, or may have. `path` is relative to the storage root."""

    identifier: str
    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class StandingResult:
    """The result of a study that a destination has, or may have. `path` is relative to the storage root."""

    revision_id: int
    revision: int
    identifier: str
    path: str
    digest: str


def newest_sent(view: Connection, study_instance_uid: str, destination: str, up_to_revision: int) -> SentMessage | None:
    """The newest result that the destination has, or may have: it was acknowledged, or sent and not answered."""
    row = view.execute(
        _of(study_instance_uid, destination, document.c.identifier, document.c.path, document.c.digest)
        .where(document.c.kind.in_(RESULTS), study_revision.c.number <= up_to_revision, _may_be_out())
        .order_by(study_revision.c.number.desc(), document.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else SentMessage(*row)


def is_out(view: Connection, revision_id: int, kind: str, destination: str, *, made: Collection[str] = ()) -> bool:
    """Whether the destination has acknowledged a document of that kind about that revision, in whatever form but those of `made`."""
    found = view.execute(
        select(delivery.c.id)
        .join(document, document.c.id == delivery.c.document_id)
        .where(
            document.c.revision_id == revision_id,
            document.c.kind == kind,
            document.c.identifier.not_in(made),
            delivery.c.destination == destination,
            delivery.c.state.in_(OUT),
        )
    )
    return found.first() is not None


def replace_undelivered(
    tx: Connection, revision_id: int, kind: str, destination: str, made: Collection[str], *, now: datetime
) -> int:
    """Documents of that kind about that revision that were made for the destination in another form than these, and that it has
    not taken, are not sent any more; returns how many."""
    others = select(document.c.id).where(
        document.c.revision_id == revision_id, document.c.kind == kind, document.c.identifier.not_in(made)
    )
    changed = tx.execute(
        update(delivery)
        .where(
            delivery.c.document_id.in_(others),
            delivery.c.destination == destination,
            delivery.c.state.in_(("waiting", "parked", "held")),
        )
        .values(state="superseded", finished_at=now, next_try_at=None)
    )
    return int(changed.rowcount)


def has_parked(view: Connection, study_instance_uid: str) -> bool:
    """Whether a message of that study was refused for good."""
    return (
        view.execute(
            select(delivery.c.id)
            .join(document, document.c.id == delivery.c.document_id)
            .join(study_revision, study_revision.c.id == document.c.revision_id)
            .where(
                study_revision.c.study_instance_uid == study_instance_uid,
                document.c.kind.in_(MESSAGES),
                delivery.c.state == "parked",
            )
        ).first()
        is not None
    )


def is_overtaken(view: Connection, row: Outgoing) -> bool:
    """Whether a newer result of the study is with the destination, or may be: the older one must not follow it.

    A retraction is never overtaken: what it takes back is wrong whatever came after.
    """
    if row.kind not in RESULTS:
        return False
    newer = study_revision.c.number > row.revision
    if row.kind == "flag":
        newer = or_(newer, and_(study_revision.c.number == row.revision, document.c.kind == "oru"))
    query = _of(row.study_instance_uid, row.destination, delivery.c.id).where(
        document.c.kind.in_(RESULTS), newer, _may_be_out()
    )
    return view.execute(query).first() is not None


def waits_for(view: Connection, row: Outgoing) -> datetime | None:
    """When to look again, while an earlier message of the study waits for the same destination; None when none does.

    One that is parked holds up nothing: a person has to look at it, and the newer result is wanted meanwhile.
    """
    if row.kind not in MESSAGES:
        return None
    earlier = or_(
        study_revision.c.number < row.revision,
        and_(study_revision.c.number == row.revision, delivery.c.id < row.delivery_id),
    )
    found = view.execute(
        _of(row.study_instance_uid, row.destination, delivery.c.next_try_at)
        .where(document.c.kind.in_(MESSAGES), earlier, delivery.c.state == "waiting")
        .order_by(delivery.c.next_try_at.desc())
        .limit(1)
    ).first()
    return None if found is None else found.next_try_at


def left_before(view: Connection, row: Outgoing) -> StandingResult | None:
    """The result that the destination has, or may have, and that should have come to it after that retraction.

    None where there is none, and where a result goes out behind the retraction anyhow. One that was sent and not answered goes
    again, but under the same MSH-10: who has it may not file it again.
    """
    if row.kind != RETRACTION:
        return None
    behind = or_(
        study_revision.c.number > row.revision,
        and_(study_revision.c.number == row.revision, delivery.c.id > row.delivery_id),
    )
    columns = (
        document.c.revision_id, study_revision.c.number, document.c.identifier, document.c.path, document.c.digest,
    )  # fmt: skip
    found = view.execute(
        _of(row.study_instance_uid, row.destination, *columns)
        .where(document.c.kind == "oru", behind, _may_be_out())
        .order_by(study_revision.c.number.desc(), document.c.id.desc())
        .limit(1)
    ).first()
    if found is None:
        return None
    standing = StandingResult(*found)
    on_its_way = _of(row.study_instance_uid, row.destination, delivery.c.id).where(
        document.c.kind == "oru",
        study_revision.c.number >= standing.revision,
        delivery.c.state.in_(("waiting", "held")),
        ~_is_unanswered(),
    )
    return None if view.execute(on_its_way).first() is not None else standing


def may_have_arrived(view: Connection, delivery_id: int) -> bool:
    """Whether the message was sent, and it is not known what became of it."""
    known = select(unanswered.c.delivery_id).where(unanswered.c.delivery_id == delivery_id)
    return view.execute(known).first() is not None


def overtake(tx: Connection, delivery_id: int, *, now: datetime) -> None:
    """The delivery is not made any more: something newer is out."""
    tx.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id, delivery.c.state == "waiting")
        .values(state="superseded", finished_at=now, next_try_at=None)
    )


def sending(tx: Connection, delivery_id: int, *, now: datetime) -> None:
    """From here on the destination may have the message, until it says what became of it."""
    tx.execute(upsert(unanswered).values(delivery_id=delivery_id, sent_at=now).on_conflict_do_nothing())


def answered(tx: Connection, delivery_id: int) -> None:
    """The destination said what became of the message."""
    tx.execute(delete(unanswered).where(unanswered.c.delivery_id == delivery_id))


def nothing_was_sent(tx: Connection, delivery_id: int, began: datetime) -> None:
    """The attempt that began then reached nobody; an earlier one may have."""
    tx.execute(delete(unanswered).where(unanswered.c.delivery_id == delivery_id, unanswered.c.sent_at == began))


def _of(study_instance_uid: str, destination: str, *columns: Any) -> Any:
    return (
        select(*columns)
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(study_revision.c.study_instance_uid == study_instance_uid, delivery.c.destination == destination)
        .select_from(delivery)
    )


def _may_be_out() -> ColumnElement[bool]:
    """Acknowledged; or sent, now or before, and not answered."""
    return or_(delivery.c.state.in_(OUT), _is_unanswered())


def _is_unanswered() -> ColumnElement[bool]:
    return select(unanswered.c.delivery_id).where(unanswered.c.delivery_id == delivery.c.id).exists()
