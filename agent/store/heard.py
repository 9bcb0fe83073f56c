"""The messages that were heard about orders, patients and reports: kept before they are acknowledged, acted on once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, cast, func, insert, or_, select, update

from agent.store.schema import hl7_message, job

WAITING, DONE, IGNORED, ATTENTION = "waiting", "done", "ignored", "attention"


@dataclass(frozen=True, slots=True)
class HeardMessage:
    """One message. `said` is the JSON of `agent.orders.said.Heard`; `content` the bytes as they came, without their frame;
    `words` say what became of it and hold no patient data."""

    sender: str
    address: str
    control_id: str
    type: str
    digest: str
    content: bytes
    said: list[dict[str, Any]]
    received_at: datetime
    state: str = WAITING
    words: str = ""
    id: int = 0
    acted_at: datetime | None = None


def keep(tx: Connection, message: HeardMessage) -> int | None:
    """Write a message down and return its id; None when the same bytes came from the same sender under the same control id
    before."""
    c = hl7_message.c
    known = select(c.id).where(
        c.sender == message.sender, c.control_id == message.control_id, c.digest == message.digest
    )
    if tx.execute(known).first() is not None:
        return None
    row = {f: getattr(message, f) for f in HeardMessage.__dataclass_fields__ if f != "id"}
    return int(tx.execute(insert(hl7_message).values(**row).returning(c.id)).scalar_one())


def message(view: Connection, message_id: int) -> HeardMessage:
    """The message of that id; it must exist."""
    row = view.execute(select(hl7_message).where(hl7_message.c.id == message_id)).one()
    return HeardMessage(**row._mapping)


def settle(tx: Connection, message_id: int, state: str, words: str, *, now: datetime) -> None:
    """Say what became of a message."""
    tx.execute(update(hl7_message).where(hl7_message.c.id == message_id).values(state=state, words=words, acted_at=now))


def waiting_before(view: Connection, message_id: int | None = None) -> list[tuple[int, list[dict[str, Any]]]]:
    """(id, said) of the messages that were heard before that one (None: of all) and have not been acted on, in their order."""
    c = hl7_message.c
    query = select(c.id, c.said).where(c.state == WAITING).order_by(c.id)
    rows = view.execute(query if message_id is None else query.where(c.id < message_id))
    return [(int(r.id), r.said) for r in rows]


def waiting(view: Connection) -> list[int]:
    """Ids of the messages that have not been acted on, in their order."""
    rows = view.execute(select(hl7_message.c.id).where(hl7_message.c.state == WAITING).order_by(hl7_message.c.id))
    return [int(n) for n in rows.scalars()]


def listed(view: Connection, *, limit: int, attention: bool = False) -> list[dict[str, Any]]:
    """What became of the messages, newest first: of all, or of those that a person should look at. `error`: what the stage
    that acts on it failed of."""
    query = _lines().order_by(hl7_message.c.id.desc()).limit(limit)
    return [dict(r._mapping) for r in view.execute(query.where(_for_a_person()) if attention else query)]


def listed_one(view: Connection, message_id: int) -> dict[str, Any] | None:
    """The same of one message, with `for_a_person`; None when there is none."""
    row = view.execute(_lines().where(hl7_message.c.id == message_id)).first()
    if row is None:
        return None
    return dict(row._mapping) | {"for_a_person": waits_for_a_person(view, message_id)}


def count_attention(view: Connection) -> int:
    """How many messages a person should look at."""
    return int(view.execute(select(func.count()).select_from(hl7_message).where(_for_a_person())).scalar_one())


def waits_for_a_person(view: Connection, message_id: int) -> bool:
    """Whether a person should look at that message: nobody could act on it, or it fails."""
    found = view.execute(select(hl7_message.c.id).where(hl7_message.c.id == message_id, _for_a_person()))
    return found.first() is not None


def _lines() -> Any:
    c = hl7_message.c
    error = _failed(job.c.error).order_by(job.c.id.desc()).limit(1).scalar_subquery().label("error")
    return select(c.id, c.received_at, c.sender, c.address, c.control_id, c.type, c.state, c.words, c.acted_at, error)


def _failed(*columns: Any) -> Any:
    return select(*columns).where(
        job.c.kind == "orders", job.c.key == cast(hl7_message.c.id, String), job.c.error != ""
    )


def _for_a_person() -> ColumnElement[bool]:
    c = hl7_message.c
    return or_(c.state == ATTENTION, (c.state == WAITING) & _failed(job.c.id).exists())
