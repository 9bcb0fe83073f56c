"""What the line has done, counted for those who measure it. Only reading, and each row of the tables that grow only once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, case, func, or_, select

from agent.store.schema import audit, audit_forwarded, delivery, job, refusal, reply, turnaround

OPEN = ("waiting", "parked", "held")  # deliveries that somebody or something still has to do with


@dataclass(frozen=True, slots=True)
class Waits:
    """The jobs of one stage, lane and state. `oldest`: when the first of them was made."""

    stage: str
    lane: str
    state: str
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of a table that is only added to: those after one id, up to another."""

    after: int
    up_to: int


def span(view: Connection, table: Table, after: int) -> Span:
    """What was added since that id. After a purge of everything it begins anew."""
    newest = int(view.execute(select(func.max(table.c.id))).scalar() or 0)
    return Span(after if newest >= after else 0, newest)


def waits(view: Connection) -> tuple[Waits, ...]:
    """Unfinished jobs; finished ones are not kept, so this is as long as the backlog."""
    rows = view.execute(
        select(job.c.kind, job.c.lane, job.c.state, func.count(), func.min(job.c.created_at)).group_by(
            job.c.kind, job.c.lane, job.c.state
        )
    )
    return tuple(Waits(*row) for row in rows)


def pending(view: Connection, now: datetime) -> dict[tuple[str, str], frozenset[int]]:
    """(stage, lane) -> ids of the jobs that are due, run, or have failed and are to be tried again. What waits for its time,
    such as a study that is still growing, is not among them."""
    due = or_(job.c.run_at <= now, job.c.state == "running", job.c.error != "")
    rows = view.execute(select(job.c.kind, job.c.lane, job.c.id).where(job.c.state != "parked", due))
    found: dict[tuple[str, str], set[int]] = {}
    for kind, lane, number in rows:
        found.setdefault((str(kind), str(lane)), set()).add(int(number))
    return {key: frozenset(ids) for key, ids in found.items()}


def open_deliveries(view: Connection) -> dict[tuple[str, str], int]:
    """(destination, state) -> how many deliveries are not done with."""
    return _deliveries(view, delivery.c.state.in_(OPEN))


def closed_deliveries(view: Connection) -> dict[tuple[str, str], int]:
    """The same of those that are; it goes through all of them in an index."""
    return _deliveries(view, delivery.c.state.not_in(OPEN))


def _deliveries(view: Connection, which: Any) -> dict[tuple[str, str], int]:
    rows = view.execute(
        select(delivery.c.destination, delivery.c.state, func.count())
        .where(which)
        .group_by(delivery.c.state, delivery.c.destination)
    )
    return {(str(destination), str(state)): int(n) for destination, state, n in rows}


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took. `within`: how many took no longer than each of the bounds, in their order."""

    count: int
    seconds: float
    within: tuple[int, ...]


def turnarounds(view: Connection, rows: Span, bounds: Sequence[float]) -> Mapping[tuple[str, str], Spread]:
    """(what, destination) -> how long after the last image, of those rows."""
    c = turnaround.c
    within = [func.sum(case((c.seconds <= bound, 1), else_=0)) for bound in bounds]
    found = view.execute(
        select(c.what, c.destination, func.count(), func.sum(c.seconds), *within)
        .where(c.id > rows.after, c.id <= rows.up_to)
        .group_by(c.what, c.destination)
    )
    return {
        (str(what), str(where)): Spread(int(n), float(seconds), tuple(int(k) for k in counts))
        for what, where, n, seconds, *counts in found
    }


def replies(view: Connection, rows: Span) -> Iterator[tuple[str, int, float]]:
    """(task, tokens, seconds) of what the model wrote, of those rows."""
    c = reply.c
    found = view.execute(
        select(c.task, func.sum(c.tokens), func.sum(c.seconds))
        .where(c.id > rows.after, c.id <= rows.up_to)
        .group_by(c.task)
    )
    for task, tokens, seconds in found:
        yield str(task), int(tokens), float(seconds)


def refusals(view: Connection, rows: Span) -> Iterator[tuple[str, str, int]]:
    """(what, reason, how many) of what was refused, of those rows."""
    c = refusal.c
    found = view.execute(
        select(c.what, c.reason, func.count()).where(c.id > rows.after, c.id <= rows.up_to).group_by(c.what, c.reason)
    )
    for what, reason, n in found:
        yield str(what), str(reason), int(n)


def audit_backlog(view: Connection) -> int:
    """How many audit messages the syslog server has not been sent."""
    newest = view.execute(select(func.max(audit.c.id))).scalar() or 0
    return int(newest) - int(view.execute(select(audit_forwarded.c.up_to)).scalar() or 0)
