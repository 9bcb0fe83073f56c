"""What happens to studies, told to whoever listens, as it happens.

One thread looks at the ledger for all listeners. What is told has reached the rows of the worklist (agent.store.listing), so whoever
hears of a study finds it as it is by now. An event is :class:`agent.store.listing_progress.Noted`: number, study, stage, code, moment;
nothing of a patient. Numbers only grow: who comes again with the last number he has heard misses nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from agent.clock import Clock
from agent.errors import PrereadError
from agent.store import listing_progress
from agent.store.engine import Ledger
from agent.store.listing_progress import Noted

MOST_LISTENERS = 300
HEARTBEAT_S = 15.0  # a proxy cuts what says nothing, and a listener that is gone is found out
_LOOK_S = 0.5
_AT_ONCE = 500
_BEHIND = 50  # batches that a listener may be behind; then it has to come again
_LATE = timedelta(seconds=30)
LATE, UNREADABLE = "late", "unreadable"
_TO_BE_TOLD = (
    "?"  # a listener was told otherwise than the others: the next look tells everybody, who pass over what they know
)


@dataclass(frozen=True, slots=True)
class Told:
    """Some events, oldest first; none: there was nothing to tell for a while. `all_new`: more has happened than is told here, so
    whatever the listener shows has to be asked for anew. `up_to`: with which number to come again. `trouble`: why more may have
    happened than can be told: ``late``, the rows of the worklist do not follow; ``unreadable``, the ledger cannot be read; empty
    while all is well."""

    events: tuple[Noted, ...]
    up_to: int
    all_new: bool = False
    trouble: str = ""


def late_since(view: Connection, now: datetime) -> datetime | None:
    """When the oldest thing was noted that the worklist should say by now, and does not; None while it follows."""
    since = listing_progress.late_since(view)
    return since if since is not None and now - since > _LATE else None


def _trouble_of(view: Connection, now: datetime) -> str:
    return LATE if late_since(view, now) is not None else ""


class TooMany(Exception):
    """There are as many listeners as there may be."""


@dataclass(slots=True, eq=False)
class _Listener:
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[Told | None] = field(default_factory=lambda: asyncio.Queue(_BEHIND))

    def tell(self, told: Told | None) -> None:
        """From the watching thread; a listener that does not take what it is told is dropped."""
        try:
            self.loop.call_soon_threadsafe(self._put, told)
        except RuntimeError:  # the loop has ended with the server
            return

    def _put(self, told: Told | None) -> None:
        try:
            self.queue.put_nowait(told)
        except asyncio.QueueFull:
            while not self.queue.empty():  # what is told later would hide that this is missing
                self.queue.get_nowait()
            self.queue.put_nowait(None)


class Live:
    """Watches while somebody listens."""

    def __init__(self, ledger: Ledger, clock: Clock, *, most: int = MOST_LISTENERS, look_s: float = _LOOK_S) -> None:
        self._ledger, self._clock, self._most, self._look_s = ledger, clock, most, look_s
        self._listeners: set[_Listener] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._watching = False
        self._told, self._trouble = 0, ""
        self._log = structlog.get_logger()

    @property
    def is_full(self) -> bool:
        """Whether nobody more may listen."""
        with self._lock:
            return len(self._listeners) >= self._most

    def close(self) -> None:
        """Every stream ends, and none begins."""
        self._closed.set()
        with self._lock:
            for listener in self._listeners:
                listener.tell(None)

    async def follow(self, after: int | None = None, *, heartbeat_s: float = HEARTBEAT_S) -> AsyncGenerator[Told]:
        """What was noted after that number (None: from now on), until the server stops or the listener falls behind.

        Raises:
            TooMany: nobody more may listen.
            PrereadError: the ledger cannot be read at the beginning; later that is told.
        """
        listener = self._enter()
        try:
            first = await run_in_threadpool(self._since, after)
            last, trouble = first.up_to, first.trouble
            yield first
            while not self._closed.is_set():
                try:
                    told = await asyncio.wait_for(listener.queue.get(), heartbeat_s)
                except TimeoutError:
                    yield Told((), last, trouble=trouble)
                    continue
                if told is None:
                    return
                fresh = tuple(one for one in told.events if one.id > last)
                if fresh or told.all_new or told.trouble != trouble:
                    last, trouble = told.up_to if fresh or told.all_new else last, told.trouble
                    yield Told(fresh, last, told.all_new, trouble)
        finally:
            self._leave(listener)

    def _enter(self) -> _Listener:
        listener = _Listener(asyncio.get_running_loop())
        with self._lock:
            if len(self._listeners) >= self._most:
                raise TooMany
            self._listeners.add(listener)
            if not self._watching:
                self._watching, self._trouble = True, ""
                threading.Thread(target=self._watch, name="live", daemon=True).start()
        return listener

    def _leave(self, listener: _Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)

    def _since(self, after: int | None) -> Told:
        """What a listener has missed, and the trouble of this moment: that of the last look may be over, or newer."""
        with self._ledger.read() as view:
            now, trouble = _followed(view), _trouble_of(view, self._clock.now())
            if trouble != self._trouble:
                self._trouble = _TO_BE_TOLD
            if after is None or after == now:
                return Told((), now, trouble=trouble)
            missed = listing_progress.events_between(view, after, now, most=_AT_ONCE + 1) if after < now else []
        # A number from the future is of a ledger that was restored since.
        too_many = len(missed) > _AT_ONCE or after > now
        return Told(() if too_many else tuple(missed), now, all_new=too_many, trouble=trouble)

    def _watch(self) -> None:
        """The thread: it ends when nobody listens any more."""
        self._told = 0
        while not self._closed.wait(self._look_s):
            with self._lock:
                if not self._listeners:
                    self._watching = False
                    return
            told = self._looked()
            if told.events or told.all_new or told.trouble != self._trouble:
                self._trouble = told.trouble
                with self._lock:
                    for listener in self._listeners:
                        listener.tell(told)

    def _looked(self) -> Told:
        """What is new; that nobody can tell, where the ledger cannot be read: all of it is told later."""
        known = self._trouble == UNREADABLE  # said once
        try:
            told = self._look()
        except PrereadError as error:
            if not known:
                self._log.warning("nothing can be told live", reason=error.code)
            return Told((), self._told, trouble=UNREADABLE)
        except Exception as error:  # noqa: BLE001  thread edge: our defect; pages say that they do not know, and are reloaded by hand
            if not known:
                self._log.error("live failed", error_type=type(error).__name__, exc_info=True)
            return Told((), self._told, trouble=UNREADABLE)
        self._told = told.up_to
        return told

    def _look(self) -> Told:
        with self._ledger.read() as view:
            now = _followed(view)
            trouble = _trouble_of(view, self._clock.now())
            if now == self._told:
                return Told((), now, trouble=trouble)
            if now < self._told:  # the ledger was restored from a backup
                return Told((), now, all_new=True, trouble=trouble)
            # At first somewhat more than is new: between a listener's first look and this one something may have happened.
            start = self._told or max(0, now - _AT_ONCE)
            noted = listing_progress.events_between(view, start, now, most=_AT_ONCE)
            return Told(tuple(noted), noted[-1].id if len(noted) == _AT_ONCE else now, trouble=trouble)


def _followed(view: Connection) -> int:
    progress = listing_progress.progress(view)
    return 0 if progress is None else progress.event_id
