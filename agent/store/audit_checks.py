"""When the chain of the audit trail was proved whole last, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from agent.store import audit as trail
from agent.store.schema import audit, audit_check


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """One proof. `up_to`: how many messages it went through; `head`: the link of the last of them; `broken`: why it does
    not fit, empty when all of it does; `by`: an account, or empty for the command line."""

    at: datetime
    by: str
    up_to: int
    head: str
    broken: str


def messages(view: Connection) -> int:
    """How many messages there are; they are numbered without gaps."""
    return int(view.execute(select(func.max(audit.c.id))).scalar() or 0)


def newest(view: Connection) -> AuditCheck | None:
    """The last proof, if there was one."""
    c = audit_check.c
    row = view.execute(select(c.at, c.by, c.up_to, c.head, c.broken).order_by(c.id.desc()).limit(1)).first()
    return None if row is None else AuditCheck(*row)


def proved(view: Connection, by: str, *, now: datetime) -> AuditCheck:
    """Go through the whole chain. Nothing is written: see `keep`."""
    count, head, broken = trail.verify(view)
    return AuditCheck(now, by, count, head, "" if broken is None else f"message {broken.id}: {broken.why}")


def keep(tx: Connection, check: AuditCheck) -> None:
    """Write the proof down."""
    tx.execute(insert(audit_check).values(**{f: getattr(check, f) for f in AuditCheck.__dataclass_fields__}))
