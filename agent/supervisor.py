"""`preread serve`: three children, none of which takes another down. Imports nothing heavy; it must outlive
everything else."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from agent.work.signals import when_asked_to_stop

RESTART_FIRST_S = 0.5
RESTART_LONGEST_S = 60.0
STEADY_AFTER_S = 60.0
STOP_GRACE_S = 30.0
_LAST_WORDS_S = 1.0
EXIT_REFUSED = 78  # EX_CONFIG: it cannot start until a person changes something; why stands in its last line
EXIT_NOT_NOW = 75  # EX_TEMPFAIL: it cannot start at the moment
# A predecessor that is about to end holds its role for no longer than its own grace time.
PATIENCE_S = 60.0


class Child(threading.Thread):
    """Keeps one role running: starts it, waits, starts it again with back-off.

    Args:
        essential: without this role there is no line. When it never becomes ready, `gave_up` holds its exit status and the
            line is stopped; any other role is started again for ever, and says what it lacks where people look.
    """

    def __init__(self, role: str, settings: Path, stop: threading.Event, *, essential: bool) -> None:
        super().__init__(name=role, daemon=True)
        self.role, self._settings, self._stop_event = role, settings, stop
        self._essential, self.ready = essential, threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self.gave_up = 0

    def run(self) -> None:
        failures, first = 0, time.monotonic()
        while not self._stop_event.is_set():
            started = time.monotonic()
            code = self._once()
            if self._stop_event.is_set():
                return
            hopeless = code == EXIT_REFUSED or (code == EXIT_NOT_NOW and time.monotonic() - first > PATIENCE_S)
            if self._essential and hopeless and not self.ready.is_set() and failures >= 1:
                # It never started and will not: say so and stop, instead of trying for ever in silence.
                self.gave_up = code
                self._stop_event.set()
                return
            failures = 1 if time.monotonic() - started > STEADY_AFTER_S else failures + 1
            ceiling = min(RESTART_LONGEST_S, RESTART_FIRST_S * 2 ** min(failures, 10))
            wait = ceiling / 2 + random.uniform(0, ceiling / 2)  # noqa: S311  jitter, not a secret
            log("child ended", role=self.role, exit_code=code, wait_s=round(wait, 1))
            self._stop_event.wait(wait)

    def terminate(self) -> None:
        """Ask the child to stop."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Do not ask."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _once(self) -> int:
        command = [
            sys.executable,
            "-m",
            "agent.cli",
            "--settings",
            str(self._settings),
            "serve",
            "--role",
            self.role,
            "--supervised",
        ]
        try:
            # Standard input is the child's view of us: it closes when we die, however we die.
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own program, in the roles that it has
        except OSError as error:  # no memory, no process to be had, or the program is just being replaced: that passes
            log("child not started", level="error", role=self.role, words=error.strerror or str(error))
            return EXIT_NOT_NOW
        self._process = process
        if self._stop_event.is_set():
            self.terminate()  # whoever asked the others to stop did not see this one yet
        hearing = threading.Thread(target=self._hear, args=(process,), name=f"{self.role}-says", daemon=True)
        hearing.start()
        # Not until its output ends: a process that it started, and that outlives it, holds that open.
        code = process.wait()
        assert process.stdin is not None
        process.stdin.close()
        hearing.join(_LAST_WORDS_S)
        return code

    def _hear(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                if line.startswith("ready"):
                    self.ready.set()
                    log("child ready", role=self.role, pid=process.pid, words=line.removeprefix("ready").strip())


def supervise(settings: Path, roles: Sequence[str], announce: str) -> int:
    """Run the roles until asked to stop; returns the exit status. The line is nothing without the first of them.

    Prints one line containing ``ready`` on standard output when the receiver accepts associations. The model may
    still be loading then: studies wait for it.
    """
    stop = threading.Event()
    when_asked_to_stop(stop.set)
    children = [Child(role, settings, stop, essential=role == roles[0]) for role in roles]
    for child in children:
        child.start()
    first = children[0]
    while not stop.is_set() and not first.ready.wait(0.05):
        pass
    if first.ready.is_set():
        with contextlib.suppress(OSError):  # nobody hears it: the line runs all the same
            sys.stdout.write(f"ready: {announce}\n")
            sys.stdout.flush()
    stop.wait()
    _stop_all(children)
    return first.gave_up


def _stop_all(children: Sequence[Child]) -> None:
    for child in children:
        child.terminate()
    deadline = time.monotonic() + STOP_GRACE_S
    for child in children:
        child.join(max(0.0, deadline - time.monotonic()))
    for child in children:
        if child.is_alive():
            log("child killed", role=child.role)
            child.kill()
            child.join(5.0)


def log(event: str, *, level: str = "info", **fields: object) -> None:
    """The same shape as every other log line, without importing the logging library. A log that cannot be written stops
    nothing."""
    line = {"role": "supervise", **fields, "event": event, "level": level, "timestamp": datetime.now(UTC).isoformat()}
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(json.dumps(line) + "\n")
