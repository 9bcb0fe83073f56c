"""Refusals on their way into the ledger. What is refused because the ledger cannot be written is written once it can be."""

from __future__ import annotations

import threading
from collections import deque

import structlog

from agent.audit.trail import Trail
from agent.audit.unwritten import Unwritten, Waiting
from agent.clock import Clock
from agent.errors import PrereadError
from agent.store import arrivals
from agent.store.arrivals import Refusal
from agent.store.engine import Ledger

_MOST_WAITING = 10_000  # the oldest are dropped then, with a line in the log that says so
_PATIENCE_S = 5.0


class RefusalBook:
    """Writes refusals in their order, each once. Called from many threads; nothing here raises.

    Args:
        unwritten: where those are kept meanwhile that the ledger does not take; only in memory when there is none. What it
            holds already is what a predecessor had no time to write.
    """

    def __init__(self, ledger: Ledger, clock: Clock, trail: Trail | None, unwritten: Unwritten | None = None) -> None:
        self._ledger, self._clock, self._trail, self._unwritten = ledger, clock, trail, unwritten
        self._left = deque(unwritten.read() if unwritten is not None else ())
        self._waiting: deque[Waiting] = deque(self._left)
        self._writing, self._keeping = threading.Lock(), threading.Lock()
        self._log = structlog.get_logger()

    def add(self, refusal: Refusal, *, alarming: bool = False) -> None:
        """Write it, together with what waits; where that is impossible it waits, too.

        Args:
            alarming: somebody was not let in, which the audit trail has to say as well.
        """
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft()
            self._log.error("refusal dropped", reason="too-many-unwritten")
        one = Waiting(refusal, alarming, self._clock.now())
        self._waiting.append(one)
        self.write()
        with self._keeping:
            if self._unwritten is not None and any(other is one for other in list(self._waiting)):
                self._unwritten.add(one)

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

    def _write(self, some: list[Waiting]) -> None:
        if not some:
            return
        with self._ledger.begin() as tx:
            for one in some:
                refusal = one.refusal
                if one in self._left and arrivals.is_refused(tx, refusal, at=one.at):
                    continue  # the predecessor died between the ledger and the file
                arrivals.refuse(tx, refusal, now=one.at)
                if one.alarming and self._trail is not None:
                    self._trail.refused(tx, refusal.calling_ae_title, refusal.address, refusal.reason, now=one.at)
        self._left.clear()
        for one in some:
            if self._waiting and self._waiting[0] is one:  # not dropped meanwhile
                self._waiting.popleft()
        with self._keeping:
            if self._unwritten is not None and not self._waiting:
                self._unwritten.clear()
