"""When peers and destinations were last heard of, as the line has seen it. Only reading; each question is one look at an index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from agent.store.schema import delivery, instance, refusal

_REFUSALS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Contact:
    """What was last seen of a destination: its newest acknowledgement, and the newest failure that still stands."""

    delivered_at: datetime | None
    said: str
    counts: dict[str, int]
    failing: str


def last_image(view: Connection, ae_title: str) -> datetime | None:
    """When an image last came from a caller of that AE title."""
    c = instance.c
    query = select(c.received_at).where(c.calling_ae_title == ae_title).order_by(c.received_at.desc()).limit(1)
    return view.execute(query).scalar()


def last_refusals(view: Connection) -> dict[str, tuple[datetime, str]]:
    """Calling AE title -> when it was last refused, and why, of the newest refusals."""
    c = refusal.c
    rows = view.execute(
        select(c.calling_ae_title, c.at, c.reason).order_by(c.id.desc()).limit(_REFUSALS_LOOKED_AT)
    ).all()
    return {str(r.calling_ae_title): (r.at, str(r.reason)) for r in reversed(rows)}


def contact(view: Connection, destination: str) -> Contact:
    """How deliveries to that destination stand."""
    c = delivery.c
    newest = None
    for state in ("delivered", "committed"):
        row = view.execute(
            select(c.finished_at, c.words).where(c.state == state, c.destination == destination).order_by(c.id.desc()).limit(1)
        ).first()  # fmt: skip
        if row is not None and (newest is None or row.finished_at > newest.finished_at):
            newest = row
    open_states = ("waiting", "parked", "held")
    counts = view.execute(
        select(c.state, func.count()).where(c.state.in_(open_states), c.destination == destination).group_by(c.state)
    )
    failing = view.execute(
        select(c.words)
        .where(c.state.in_(("parked", "waiting")), c.destination == destination, c.attempts > 0)
        .order_by(c.id.desc())
        .limit(1)
    ).scalar()
    by_state = {str(state): int(n) for state, n in counts}
    if newest is None:
        return Contact(None, "", by_state, str(failing or ""))
    return Contact(newest.finished_at, str(newest.words), by_state, str(failing or ""))
