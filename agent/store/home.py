"""Which storage root a ledger belongs to, where it lies on a server that several machines can reach.

Two lines on one ledger would take each other's jobs, and look for each other's files.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from agent.store.schema import home


def claim(tx: Connection, storage_id: str) -> bool:
    """Whether the ledger belongs to that storage root; one that belongs to none belongs to it from here on."""
    known = tx.execute(select(home.c.storage_id)).scalar()
    if known is None:
        tx.execute(insert(home).values(storage_id=storage_id))
    return known in (None, storage_id)


def leave(tx: Connection) -> None:
    """The ledger belongs to whoever starts on it next."""
    tx.execute(delete(home))
