"""What destinations were asked to keep, and what they said (storage commitment, PS3.4 Annex J)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, String, cast, delete, insert, or_, select, update

from agent.store.dialect import upsert
from agent.store.schema import commitment, commitment_request, delivery, document, job, study_revision


@dataclass(frozen=True, slots=True)
class Commitment:
    """A delivery that is to be committed.

    Attributes:
        state: of the delivery; `words` are those of its receipt, or of what became of it since.
        asked_at: when the peer last took a request; None when it has taken none since the object was last sent.
        failures: reports in a row that the object was not committed.
        answer: Failure Reason of the newest answer that has not been acted on, 0 for committed; None when there is none.
    """

    delivery_id: int
    destination: str
    kind: str
    study_instance_uid: str
    state: str
    words: str
    sop_class_uid: str
    sop_instance_uid: str
    asked_at: datetime | None
    failures: int
    answer: int | None


def want(tx: Connection, delivery_id: int, sop_class_uid: str, sop_instance_uid: str, *, now: datetime) -> None:
    """The object was stored, and is to be committed from now on. That an earlier sending was not kept is over; that it is
    kept after all may still be said."""
    values = {
        "sop_class_uid": sop_class_uid,
        "sop_instance_uid": sop_instance_uid,
        "sent_at": now,
        "asked_at": None,
    }
    tx.execute(
        upsert(commitment)
        .values(delivery_id=delivery_id, failures=0, **values)
        .on_conflict_do_update(index_elements=[commitment.c.delivery_id], set_=values)
    )


def commitment_of(view: Connection, delivery_id: int) -> Commitment | None:
    """The commitment of that delivery, if one is wanted."""
    c, r = commitment.c, commitment_request.c
    row = view.execute(
        select(
            c.delivery_id, delivery.c.destination, document.c.kind, study_revision.c.study_instance_uid, delivery.c.state,
            delivery.c.words, c.sop_class_uid, c.sop_instance_uid, c.asked_at, c.failures, c.sent_at,
        )
        .join(delivery, delivery.c.id == c.delivery_id)
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(c.delivery_id == delivery_id)
    ).first()  # fmt: skip
    if row is None:
        return None
    answer = view.execute(
        select(r.failure_reason)
        .where(
            r.delivery_id == delivery_id,
            r.settled.is_(False),
            or_(r.failure_reason == 0, (r.failure_reason > 0) & (r.began_at >= row.sent_at)),
        )
        .order_by(r.failure_reason != 0, r.answered_at.desc())
        .limit(1)
    ).scalar()
    values = dict(row._mapping)
    del values["sent_at"]
    return Commitment(**values, answer=answer)


def begin(tx: Connection, delivery_id: int, transaction_uid: str, *, now: datetime) -> None:
    """A request is about to be sent."""
    tx.execute(
        insert(commitment_request).values(
            transaction_uid=transaction_uid, delivery_id=delivery_id, began_at=now, settled=False
        )
    )


def asked(tx: Connection, delivery_id: int, *, words: str, now: datetime) -> None:
    """The peer has taken the request; from now on its answer is waited for."""
    tx.execute(update(commitment).where(commitment.c.delivery_id == delivery_id).values(asked_at=now))
    tx.execute(update(delivery).where(delivery.c.id == delivery_id).values(words=words))


def answer(
    tx: Connection, transaction_uid: str, reasons: Mapping[str, int], *, destinations: Collection[str], now: datetime
) -> tuple[int, str] | None:
    """Write an answer down.

    Args:
        reasons: SOP Instance UID -> Failure Reason, 0 for committed.
        destinations: those that the one who answers stands for; the transactions of others are none of its business.

    Returns:
        (delivery id, destination) of what the answer is about; None when there is no such transaction, or when the
        answer says nothing of its object.
    """
    found = tx.execute(
        select(commitment.c.delivery_id, delivery.c.destination, commitment.c.sop_instance_uid)
        .join(commitment_request, commitment_request.c.delivery_id == commitment.c.delivery_id)
        .join(delivery, delivery.c.id == commitment.c.delivery_id)
        .where(
            commitment_request.c.transaction_uid == transaction_uid, delivery.c.destination.in_(sorted(destinations))
        )
    ).first()
    if found is None or found.sop_instance_uid not in reasons:
        return None
    tx.execute(
        update(commitment_request)
        .where(commitment_request.c.transaction_uid == transaction_uid, commitment_request.c.answered_at.is_(None))
        .values(answered_at=now, failure_reason=reasons[found.sop_instance_uid])
    )
    return int(found.delivery_id), str(found.destination)


def settle(tx: Connection, delivery_id: int, *, failed: bool) -> None:
    """What was answered has been acted on."""
    r = commitment_request.c
    tx.execute(
        update(commitment_request)
        .where(r.delivery_id == delivery_id, r.failure_reason.is_not(None))
        .values(settled=True)
    )
    failures = commitment.c.failures + 1 if failed else 0
    tx.execute(update(commitment).where(commitment.c.delivery_id == delivery_id).values(failures=failures))


def conclude(
    tx: Connection, delivery_id: int, state: str, *, words: str, now: datetime, next_try_at: datetime | None = None
) -> None:
    """The delivery is committed or parked, or waits to be made again at a time."""
    over = next_try_at is None
    tx.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id)
        .values(state=state, words=words, next_try_at=next_try_at, finished_at=now if over else None)
    )
    if state == "parked":  # whoever retries it by hand begins anew
        tx.execute(update(commitment).where(commitment.c.delivery_id == delivery_id).values(failures=0))
    if over:
        key = str(delivery_id)
        tx.execute(delete(job).where(job.c.kind == "commit", job.c.key == key, job.c.state == "waiting"))


def without_job(view: Connection) -> list[tuple[int, str]]:
    """(delivery id, destination) of what is delivered, is to be committed, and no job stands for."""
    has_job = select(job.c.id).where(job.c.kind == "commit", job.c.key == cast(delivery.c.id, String)).exists()
    rows = view.execute(
        select(delivery.c.id, delivery.c.destination)
        .join(commitment, commitment.c.delivery_id == delivery.c.id)
        .where(delivery.c.state == "delivered", ~has_job)
    )
    return [(int(r.id), str(r.destination)) for r in rows]


def forget_all_but(tx: Connection, destinations: Collection[str]) -> None:
    """What is to be committed by a destination that is not asked any more: it stays delivered, and nothing waits for it."""
    others = (
        select(commitment.c.delivery_id)
        .join(delivery, delivery.c.id == commitment.c.delivery_id)
        .where(delivery.c.destination.not_in(sorted(destinations)))
    )
    ids = list(tx.execute(others).scalars())
    for table in (commitment_request, commitment):
        tx.execute(delete(table).where(table.c.delivery_id.in_(ids)))
    tx.execute(delete(job).where(job.c.kind == "commit", job.c.key.in_([str(i) for i in ids])))
