"""What is done when somebody sets the clock of the machine. What is due by a clock that was ahead would be due too late by
one that has been set back: by an hour after an hour."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from agent.clock import Clock
from agent.errors import PrereadError
from agent.store.engine import Ledger
from agent.work.queue import bring_forward

LOOK_S = 5.0
LEAST = timedelta(seconds=2)  # a time server slews what is less, or it does not matter


class ClockWatch(threading.Thread):
    """Compares the wall clock with the monotonic one, which nobody can set.

    Args:
        set_back: called when the clock has been set back, after the waiting jobs were brought forward.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        stop: threading.Event,
        *,
        set_back: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="clock-watch", daemon=True)
        self._ledger, self._clock, self._stop_event = ledger, clock, stop
        self._set_back, self._monotonic = set_back, monotonic
        self._log = structlog.get_logger()
        self._wall, self._steady = clock.now(), monotonic()
        self._due = timedelta()  # set back, and not yet made good

    def run(self) -> None:
        while not self._stop_event.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        """Notice a step since the last look, and make good what was set back. Never raises."""
        wall, steady = self._clock.now(), self._monotonic()
        step = (wall - self._wall) - timedelta(seconds=steady - self._steady)
        self._wall, self._steady = wall, steady
        if abs(step) >= LEAST:
            self._log.warning("the clock of this machine was set", seconds=round(step.total_seconds(), 1))
        if step <= -LEAST:
            self._due -= step
        if not self._due:
            return
        try:
            with self._ledger.begin() as tx:
                bring_forward(tx, self._due, now=wall)
        except PrereadError as error:
            self._log.warning("waiting jobs not brought forward yet", reason=error.code)
            return
        self._due = timedelta()
        self._set_back()
