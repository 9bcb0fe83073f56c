"""What other programs are told of a study as it happens: that something did, and never what was seen or of whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from agent.store.schema import event, urgency

# (stage, code) of the history -> what it is called. A reading has its reason as its code, whatever that is.
_NAMES = {
    ("flag", "flagged"): "flagged",
    ("flag", "not-flagged"): "not-flagged",
    ("deliver", "delivered"): "delivered",
    ("withdraw", "withdrawn"): "withdrawn",
}
NAMES = (*_NAMES.values(), "read")


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that happened. `priority`: of the study as it stands now; empty while nothing has ranked it."""

    id: int
    name: str
    at: datetime
    study_instance_uid: str
    priority: str


def since(view: Connection, after: int, up_to: int, *, most: int) -> tuple[Told, ...]:
    """What happened after one event and up to another, oldest first."""
    c = event.c
    named = [(c.stage == stage) & (c.code == code) for stage, code in _NAMES]
    read = (c.stage == "read") & (c.code != "superseded")
    rows = view.execute(
        select(c.id, c.stage, c.code, c.at, c.study_instance_uid, urgency.c.priority)
        .outerjoin(urgency, urgency.c.study_instance_uid == c.study_instance_uid)
        .where(c.id > after, c.id <= up_to, or_(read, *named))
        .order_by(c.id)
        .limit(most)
    )
    return tuple(
        Told(r.id, _NAMES.get((r.stage, r.code), "read"), r.at, r.study_instance_uid, r.priority or "") for r in rows
    )
