"""Refusals on their way into the ledger. What is refused because the ledger cannot be written is written once it can be."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime

import structlog

from agent.audit.trail import Trail
from agent.clock import Clock
from agent.errors import PrereadError
from agent.store import arrivals
from agent.store.arrivals import Refusal
from agent.store.engine import Ledger

_MOST_WAITING = 10_000  # the oldest are dropped then, with a line in the log that says so
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    refusal: Refusal
    alarming: bool
    at: datetime


class RefusalBook:
    """Writes refusals in their order, each once. Called from many threads; nothing here raises."""

    def __init__(self, ledger: Ledger, clock: Clock, trail: Trail | None) -> None:
        self._ledger, self._clock, self._trail = ledger, clock, trail
        self._waiting: deque[_Waiting] = deque()
        self._writing = threading.Lock()
        self._log = structlog.get_logger()

    def add(self, refusal: Refusal, *, alarming: bool = False) -> None:
        """Write it, together with what waits; where that is impossible it waits, too.

        Args:
            alarming: somebody was not let in, which the audit trail has to say as well.
        """
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft()
            self._log.error("refusal dropped", reason="too-many-unwritten")
        self._waiting.append(_Waiting(refusal, alarming, self._clock.now()))
        self.write()

    def write(self) -> None:
        """Write what waits, if anything does and the ledger can be written."""
        if not self._waiting:
            return
        if not self._writing.acquire(timeout=_PATIENCE_S):
            return  # another thread waits for the ledger; what is here is written after it
        try:
            self._write(list(self._waiting))
        except PrereadError as error:
            self._log.error("refusal not written yet", reason=error.code, count=len(self._waiting))
        finally:
            self._writing.release()

    def _write(self, some: list[_Waiting]) -> None:
        if not some:
            return
        with self._ledger.begin() as tx:
            for one in some:
                refusal = one.refusal
                arrivals.refuse(tx, refusal, now=one.at)
                if one.alarming and self._trail is not None:
                    self._trail.refused(tx, refusal.calling_ae_title, refusal.address, refusal.reason, now=one.at)
        for one in some:
            if self._waiting and self._waiting[0] is one:  # not dropped meanwhile
                self._waiting.popleft()
