"""When the chain of the audit trail was proved whole last, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, or_, select

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
    """Go through the whole chain, and compare it with what was proved before and with what has left this node. Nothing is written:
    see `keep`."""
    count, head, broken = trail.verify(view)
    words = "" if broken is None else f"message {broken.id}: {broken.why}"
    return AuditCheck(now, by, count, head, words or _not_as_before(view, count) or _less_than_sent(view, count))


def _not_as_before(view: Connection, count: int) -> str:
    """Where the trail is not what an earlier proof went through; empty while it is. A chain that was cut off at its end, and goes on
    from there, is whole in itself."""
    c = audit_check.c
    query = (
        select(c.at, c.up_to)
        .select_from(audit_check.outerjoin(audit, audit.c.id == c.up_to))
        .where(c.broken == "", c.up_to > 0, or_(audit.c.link.is_(None), audit.c.link != c.head))
        .order_by(c.up_to)
        .limit(1)
    )
    row = view.execute(query).first()
    if row is None:
        return ""
    at = f"{row.at:%Y-%m-%d %H:%M} UTC"
    if row.up_to > count:
        return f"message {count}: it is the last, and there were {row.up_to} when the trail was proved whole on {at}"
    return f"message {row.up_to}: it is not the one that was the last when the trail was proved whole on {at}"


def _less_than_sent(view: Connection, count: int) -> str:
    sent = trail.forwarded(view)
    return f"message {count}: it is the last, and the syslog server has been sent {sent}" if sent > count else ""


def keep(tx: Connection, check: AuditCheck) -> None:
    """Write the proof down."""
    tx.execute(insert(audit_check).values(**{f: getattr(check, f) for f in AuditCheck.__dataclass_fields__}))
