"""One role's process: it is alone in its role, says how it is, keeps its leases alive, and stops when asked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO

import structlog

from agent.clock import Clock
from agent.errors import PrereadError, Transient
from agent.store import processes
from agent.store.engine import Ledger
from agent.work.queue import Queue
from agent.work.signals import when_asked_to_stop
from agent.work.worker import Running

BEAT_S = 5.0
READY_LINE = "ready"


class RoleTaken(Transient):
    """Another process has the role: a second line, or one that is about to end."""


class RoleLock:
    """An advisory lock on a file below the storage root: the kernel lets go of it when the process dies, however it
    dies."""

    def __init__(self, root: Path, role: str) -> None:
        self._path = root / f"{role}.lock"
        self._role = role
        self._file: IO[str] | None = None

    def __enter__(self) -> RoleLock:
        """Raises `RoleTaken` when another process has the role."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise RoleTaken(
                f"another process has the role {self._role} in {self._path.parent}; stop it first, "
                "or give this one a storage.root of its own",
                code="role-taken",
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


class Heart:
    """Beats for the process and for the jobs it has under lease."""

    def __init__(
        self, ledger: Ledger, clock: Clock, role: str, queue: Queue, running: Running, stop: threading.Event
    ) -> None:
        self._ledger, self._clock, self._role = ledger, clock, role
        self._queue, self._running, self._stop = queue, running, stop
        self._log = structlog.get_logger()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def say(self, state: str, words: str = "") -> None:
        """Write down the state of this process for everyone who looks."""
        with self._ledger.begin() as tx:
            processes.announce(tx, self._role, os.getpid(), state, words, now=self._clock.now())
        self._log.info("state", state=state)

    def _run(self) -> None:
        while not self._stop.wait(BEAT_S):
            try:
                self._queue.heartbeat(self._running.jobs())
                with self._ledger.begin() as tx:
                    processes.beat(tx, self._role, os.getpid(), now=self._clock.now())
            except PrereadError as error:
                # Leases outlive several missed beats; one that ends is found out by its fence.
                self._log.warning("heartbeat missed", reason=error.code)
            except Exception as error:  # noqa: BLE001  thread edge: a process that lives must not be taken for a dead one
                self._log.error("heartbeat missed", error_type=type(error).__name__, exc_info=True)


def stop_when_asked(stop: threading.Event, *, supervised: bool) -> None:
    """Set `stop` on SIGTERM and SIGINT, and, for a supervised child, when the supervisor's end of standard input
    closes."""
    when_asked_to_stop(stop.set)
    if supervised:
        threading.Thread(target=_stop_with_supervisor, args=(stop.set,), name="supervisor-watch", daemon=True).start()


def _stop_with_supervisor(stop: Callable[[], None]) -> None:
    """A supervisor that is killed cannot tell its children; the pipe it held open can."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop()


def tell_supervisor_ready(words: str) -> None:
    """One line on standard output: this role accepts work. Where nobody can hear it, it works all the same."""
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{READY_LINE} {words}\n")
        sys.stdout.flush()
