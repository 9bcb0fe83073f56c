"""How often somebody has tried to sign in from one address, and could not. In the ledger, so that a restart forgets nothing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from agent.store.dialect import upsert
from agent.store.schema import sign_in_brake

_c = sign_in_brake.c


def so_far(view: Connection, address: str, *, since: datetime) -> int:
    """How many there have been from there since that moment."""
    wanted = select(_c.attempts).where(_c.address == address, _c.began_at >= since)
    return int(view.execute(wanted).scalar() or 0)


def count(tx: Connection, address: str, *, since: datetime, now: datetime) -> int:
    """One more attempt from there; how many there have been since that moment. Older ones, of everybody, are forgotten."""
    tx.execute(delete(sign_in_brake).where(_c.began_at < since))
    made = upsert(sign_in_brake).values(address=address, attempts=1, began_at=now)
    tx.execute(made.on_conflict_do_update(index_elements=["address"], set_={"attempts": _c.attempts + 1}))
    return int(tx.execute(select(_c.attempts).where(_c.address == address)).scalar_one())


def forgive(tx: Connection, address: str) -> None:
    """One of them was right after all."""
    tx.execute(update(sign_in_brake).where(_c.address == address).values(attempts=_c.attempts - 1))
