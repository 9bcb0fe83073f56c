"""The worker loop: claim a job, let its stage do it, and decide what a failure means.

A stage finishes its own job, in the transaction that writes its result. What reaches this loop as an exception was
not finished: `Transient` is tried again later, `Permanent` is parked where `preread studies` shows it, anything else
is our defect and treated as transient, a bounded number of times.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from agent.clock import Clock
from agent.delivery.backoff import next_try
from agent.errors import Permanent, PrereadError, Transient
from agent.store.engine import Ledger
from agent.work.queue import Job, LeaseLost, Queue

Stage = Callable[[Job], None]

POLL_S = 0.2
LONGEST_LOOK_S = 30.0  # between two looks into a ledger that cannot be used
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 300.0
DEFECTS_TOLERATED = 5


class Running:
    """The jobs this process has under lease; the process's heartbeat keeps them alive."""

    def __init__(self) -> None:
        self._lock, self._jobs = threading.Lock(), set[Job]()

    @contextmanager
    def holding(self, job: Job) -> Iterator[None]:
        with self._lock:
            self._jobs.add(job)
        try:
            yield
        finally:
            with self._lock:
                self._jobs.discard(job)

    def jobs(self) -> tuple[Job, ...]:
        with self._lock:
            return tuple(self._jobs)


class Worker(threading.Thread):
    """One thread that works off one kind of job in one lane, one job at a time."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        queue: Queue,
        clock: Clock,
        kind: str,
        stage: Stage,
        running: Running,
        stop: threading.Event,
        lane: str = "",
        after: Worker | None = None,
    ) -> None:
        """Args:
        after: work that goes before, in the same thread: this worker claims a job only when that one has none.
        """
        super().__init__(name=f"{kind}{':' + lane if lane else ''}", daemon=True)
        self._ledger, self._queue, self._clock = ledger, queue, clock
        self._kind, self._lane, self._stage = kind, lane, stage
        self._running, self._stop_event, self._after = running, stop, after
        self._random = random.Random()  # noqa: S311  jitter, not a secret
        self._log = structlog.get_logger()

    def run(self) -> None:
        unreachable = 0
        while not self._stop_event.is_set():
            wait = POLL_S
            try:
                if self.work_once():
                    wait = 0.0
                unreachable = 0
            except PrereadError as error:  # the ledger itself: wait and look again, the job is still there
                unreachable += 1
                wait = min(LONGEST_LOOK_S, POLL_S * 2**unreachable)
                self._log.error("queue not reachable", reason=error.code, wait_s=wait)
            except Exception as error:  # noqa: BLE001  thread edge: the lease of the job ends, and it is claimed again; nobody else works here
                unreachable += 1
                wait = min(LONGEST_LOOK_S, POLL_S * 2**unreachable)
                self._log.error("worker failed", error_type=type(error).__name__, exc_info=True, wait_s=wait)
            if wait:
                self._stop_event.wait(wait)

    def work_once(self) -> bool:
        """Do one job if one is due; returns whether there was one."""
        if self._after is not None and self._after.work_once():
            return True
        job = self._queue.claim(self._kind, self._lane)
        if job is None:
            return False
        with self._running.holding(job):
            try:
                self._stage(job)
            except LeaseLost:
                self._log.warning("lease lost", job=job.id)
            except Permanent as error:
                self._park(job, error)
            except Transient as error:
                self._again(job, error)
            except Exception as error:  # noqa: BLE001  process edge: our defect; the study stays in the queue, then visibly parked
                self._log.error("stage failed", job=job.id, error_type=type(error).__name__, exc_info=True)
                defect = PrereadError(
                    f"internal error ({type(error).__name__}); see the log of this process", code="internal"
                )
                if job.failures + 1 >= DEFECTS_TOLERATED:
                    self._park(job, defect)
                else:
                    self._again(job, defect)
        return True

    def _again(self, job: Job, error: PrereadError) -> None:
        blamed = not isinstance(error, Transient) or error.blames_work
        wait = next_try(job.failures + 1, FIRST_RETRY_S, LONGEST_RETRY_S, self._random)
        if isinstance(error, Transient):
            wait = max(wait, timedelta(seconds=error.wait_s))
        self._log.warning("stage to be repeated", job=job.id, reason=error.code, failures=job.failures + blamed)
        words = f"{error.code}: {error}"
        with self._ledger.begin() as tx:
            self._queue.postpone(tx, job, self._clock.now() + wait, failed=blamed, counted=blamed, error=words)

    def _park(self, job: Job, error: PrereadError) -> None:
        self._log.error("stage parked", job=job.id, reason=error.code)
        with self._ledger.begin() as tx:
            self._queue.park(tx, job, f"{error.code}: {error}")
