"""What grows: counted from the ledger, each row once, and kept in this process.

The stages run in other processes and share nothing but the ledger, so a count is the rows that were added since the last
look. The first look counts from the beginning: a restart takes nothing away.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table

from agent.store import tallies
from agent.store.schema import refusal, reply, turnaround
from agent.store.tallies import Span

# Seconds. The aims for a flag are seconds, for a report minutes; the last hour is a line that stood.
BOUNDS = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 3600.0)
_CODE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def code(text: str) -> str:
    """A stable code as a label; anything else, which a label must never hold, is "other"."""
    return text if _CODE.fullmatch(text) else "other"


@dataclass(slots=True)
class Histogram:
    """How often it took no longer than each of `BOUNDS`, how often in all, and how long together, in seconds."""

    within: list[int] = field(default_factory=lambda: [0] * len(BOUNDS))
    count: int = 0
    seconds: float = 0.0

    def add(self, more: tallies.Spread) -> None:
        self.within = [a + b for a, b in zip(self.within, more.within, strict=True)]
        self.count += more.count
        self.seconds += more.seconds


class Counted:
    """Everything that grows."""

    def __init__(self) -> None:
        self._lock, self._up_to = threading.Lock(), dict[str, int]()
        self._turnarounds: defaultdict[tuple[str, str], Histogram] = defaultdict(Histogram)
        self._tokens: defaultdict[str, int] = defaultdict(int)
        self._model_seconds: defaultdict[str, float] = defaultdict(float)
        self._refusals: defaultdict[tuple[str, str], int] = defaultdict(int)

    def look(self, view: Connection) -> Counts:
        """Add what has come since the last look, and say how it stands. Several may look at once."""
        with self._lock:
            for key, spread in tallies.turnarounds(view, self._new(view, turnaround), BOUNDS).items():
                self._turnarounds[key].add(spread)
            for task, tokens, seconds in tallies.replies(view, self._new(view, reply)):
                self._tokens[code(task)] += tokens
                self._model_seconds[code(task)] += seconds
            for what, reason, n in tallies.refusals(view, self._new(view, refusal)):
                self._refusals[code(what), code(reason)] += n
            times = {key: Histogram(list(h.within), h.count, h.seconds) for key, h in self._turnarounds.items()}
            return Counts(times, dict(self._tokens), dict(self._model_seconds), dict(self._refusals))

    def _new(self, view: Connection, table: Table) -> Span:
        span = tallies.span(view, table, self._up_to.get(table.name, 0))
        self._up_to[table.name] = span.up_to
        return span


@dataclass(frozen=True, slots=True)
class Counts:
    """How it stands: (what, destination) -> times; task -> tokens and seconds; (what, reason) -> refusals."""

    turnarounds: dict[tuple[str, str], Histogram]
    tokens: dict[str, int]
    model_seconds: dict[str, float]
    refusals: dict[tuple[str, str], int]
