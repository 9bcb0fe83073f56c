"""Requests to read the settings file again, and with which settings each role runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from agent.store.schema import settings_in_force, settings_request

STARTED, TAKEN_UP, REFUSED = "started", "taken-up", "refused"


@dataclass(frozen=True, slots=True)
class InForce:
    """With what a role runs.

    Attributes:
        request_id: the newest request that it has answered.
        outcome: ``started`` (nobody has asked since), ``taken-up`` or ``refused``.
        digest: sha256 of the file whose peers and destinations it works with.
        restart: sections of the file that differ from what it runs with and are taken up at its next start only.
        words: why the file was refused.
    """

    role: str
    request_id: int
    at: datetime
    outcome: str
    digest: str
    restart: list[str]
    words: str = ""


def ask(tx: Connection, who: str, *, now: datetime) -> int:
    """Ask every role to read the settings file again; returns the id of the request."""
    row = tx.execute(insert(settings_request).values(asked_at=now, asked_by=who).returning(settings_request.c.id))
    return int(row.scalar_one())


def newest(view: Connection) -> int:
    """Id of the newest request; 0 when there is none."""
    return int(view.execute(select(func.max(settings_request.c.id))).scalar() or 0)


def answer(tx: Connection, row: InForce) -> None:
    """Say with what a role runs."""
    values: dict[str, Any] = {f: getattr(row, f) for f in InForce.__dataclass_fields__}
    tx.execute(delete(settings_in_force).where(settings_in_force.c.role == row.role))
    tx.execute(insert(settings_in_force).values(**values))


def in_force(view: Connection) -> tuple[InForce, ...]:
    """What every role that has run here last said."""
    rows = view.execute(select(settings_in_force).order_by(settings_in_force.c.role))
    return tuple(InForce(**r._mapping) for r in rows)
