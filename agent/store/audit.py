"""The audit messages, each holding the hash of the one before: none can be changed or taken out without its showing.

The database itself refuses to change or delete a row. Whoever can write the file can get around that, and then the chain does
not fit any more. What was cut off at the end shows by an earlier proof (agent.store.audit_checks) or by how much the syslog server
was sent; to whoever could change these too, only somebody who has noted an earlier head, or that server, can show it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from agent.store.dialect import upsert
from agent.store.schema import audit, audit_forwarded

NOTHING_BEFORE = "0" * 64
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One message. `link`: sha256 hex of the link before, the moment and the message."""

    id: int
    at: datetime
    message: str
    link: str


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the chain does not fit: at this row, for that reason."""

    id: int
    why: str


def link_of(before: str, at: datetime, message: str) -> str:
    """The link of a message to what came before it."""
    return hashlib.sha256(f"{before}\n{at.isoformat()}\n{message}".encode()).hexdigest()


def append(tx: Connection, message: str, *, now: datetime) -> None:
    """Write a message down at the end of the chain; writers take turns, so there is one end."""
    newest = tx.execute(select(audit.c.id, audit.c.link).order_by(audit.c.id.desc()).limit(1)).first()
    before, number = (newest.link, newest.id + 1) if newest else (NOTHING_BEFORE, 1)
    tx.execute(insert(audit).values(id=number, at=now, message=message, link=link_of(before, now, message)))


def rows(view: Connection, *, after: int = 0, most: int = _AT_ONCE) -> list[AuditRow]:
    """Messages in their order, from after that id on."""
    query = select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(most)
    return [AuditRow(*row) for row in view.execute(query)]


def verify(view: Connection) -> tuple[int, str, Broken | None]:
    """How many messages there are, the link of the last, and where the chain breaks first, if it does."""
    count, before = 0, NOTHING_BEFORE
    for row in _all(view):
        count += 1
        if row.id != count:
            return count, before, Broken(row.id, f"{row.id - count} messages before it are missing")
        if row.link != link_of(before, row.at, row.message):
            return count, before, Broken(row.id, "it, or the one before it, is not what was written")
        before = row.link
    return count, before, None


def forwarded(view: Connection) -> int:
    """Id of the last message that the syslog server was sent; 0 when it has been sent none."""
    return int(view.execute(select(audit_forwarded.c.up_to)).scalar() or 0)


def set_forwarded(tx: Connection, up_to: int) -> None:
    """The syslog server has been sent everything up to that message."""
    tx.execute(upsert(audit_forwarded).values(id=1, up_to=up_to).on_conflict_do_nothing())
    tx.execute(update(audit_forwarded).values(up_to=up_to))


def _all(view: Connection) -> Iterator[AuditRow]:
    after = 0
    while part := rows(view, after=after):
        yield from part
        after = part[-1].id
