"""The clock of the line. A tick only enqueues or tidies; nothing is ever done because of a tick that was not already
in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from agent.clock import Clock
from agent.errors import PrereadError
from agent.store import flags, overview, qc, results, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.work.queue import enqueue
from structured_report.content import Priority

RECONCILE_S = 60
FORGET_S = 600
COUNT_S = 30
_LOOKED_BACK = timedelta(days=2)  # whatever is older has been seen, or never will be


class Schedule:
    """Ticks of the office. One process has one scheduler, in memory: two on one job store would run every tick
    twice."""

    def __init__(
        self,
        ledger: Ledger,
        files: FileStore,
        clock: Clock,
        *,
        destinations: Sequence[str] = (),
        longest_wait_min: float = 0.0,
        qc_daily_at: str = "",
        watch: Callable[[], None] | None = None,
        watch_every_s: float = RECONCILE_S,
        forget: Callable[[], object] | None = None,
        count: Callable[[], object] | None = None,
    ) -> None:
        """Args:
        forget: lets go what is too old, so often.
        count: counts what the line has done, so often.
        watch: looks at the line, so often, and writes down what is wrong.
        """
        self._ledger, self._files, self._clock, self._destinations = ledger, files, clock, destinations
        self._log = structlog.get_logger()
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        self._longest = timedelta(minutes=longest_wait_min)
        self._ticks: list[tuple[Any, float]] = []
        self._every(RECONCILE_S, self.reconcile)
        if self._longest:
            self._every(RECONCILE_S, self.raise_what_waits)
        if forget is not None:
            self._every(FORGET_S, forget)
        if count is not None:
            self._every(COUNT_S, count)
        if watch is not None:
            self._every(watch_every_s, watch)
        if qc_daily_at:
            hour, _, minute = qc_daily_at.partition(":")
            # The scheduler counts in UTC; a trigger of its own counts in the time of the people who set it.
            self._scheduler.add_job(self.test_constancy, CronTrigger(hour=int(hour), minute=int(minute)))

    def __enter__(self) -> Schedule:
        self._scheduler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scheduler.shutdown(wait=True)

    def take_up(self, destinations: Sequence[str]) -> None:
        """These are the destinations from now on: what waits for another is parked."""
        self._destinations = tuple(destinations)
        self.reconcile()

    def _every(self, seconds: float, do: Callable[[], object]) -> None:
        self._ticks.append((self._scheduler.add_job(do, "interval", seconds=seconds), seconds))

    def clock_was_set(self) -> None:
        """Count every interval anew from now on; the scheduler would wait for the moments that it had in mind."""
        for tick, seconds in self._ticks:
            tick.reschedule("interval", seconds=seconds)

    def raise_what_waits(self) -> int:
        """Raise every routine study that arrived too long ago; returns how many. A cap on the wait keeps flags from starving
        everything else. Nobody waits for the films of the constancy test."""
        now = self._clock.now()
        words = f"it arrived more than {self._longest.total_seconds() / 60:.0f} minutes ago"
        try:
            with self._ledger.begin() as tx:
                since = now - self._longest - _LOOKED_BACK
                drawn = qc.films_since(tx, since)
                late = [u for u in flags.routine_since(tx, now - self._longest, since) if u not in drawn]
                for uid in late:
                    flags.raise_urgency(tx, uid, Priority.URGENT, [words], now=now)
                    studies.note(tx, uid, "flag", "waited-long", words, now=now)
        except PrereadError as error:
            self._log.warning("raising put off", reason=error.code)
            return 0
        return len(late)

    def test_constancy(self) -> bool:
        """Enqueue a run of the constancy test; returns whether that could be done."""
        now = self._clock.now()
        try:
            with self._ledger.begin() as tx:
                enqueue(tx, "qc", qc.free_id(tx, now), now=now)
        except PrereadError as error:
            self._log.error("constancy test not begun", reason=error.code)
            return False
        return True

    def reconcile(self) -> int:
        """Enqueue what should be in the queue and is not; returns how much that was.

        Every stage enqueues the next one in its own transaction, so this finds nothing, unless somebody repaired the
        database by hand or restored it from a backup. It is the difference between "cannot happen" and "is noticed
        when it does".
        """
        now = self._clock.now()
        try:
            with self._ledger.begin() as tx:
                gone = results.park_unknown(tx, self._destinations, now=now)
                for uid, name in gone:
                    words = f"parked: the settings name no destination {name} any more"
                    studies.note(tx, uid, "deliver", "destination-gone", words, now=now)
                missing = overview.without_job(tx)
                for kind, key, lane in missing:
                    enqueue(tx, kind, key, lane=lane, now=now)
        except PrereadError as error:
            self._log.warning("reconciliation put off", reason=error.code)
            return 0
        if gone:
            self._log.error("deliveries parked: their destination is not in the settings any more", count=len(gone))
        if missing:
            self._log.error("work without a job was enqueued", count=len(missing))
        if not self._files.has_room():
            free = min(room.free for room in self._files.rooms())
            self._log.error("free space is below the reserve; images are answered A700", free_bytes=free)
        return len(missing)
