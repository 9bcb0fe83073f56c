"""A role that has ended must be noticed, and one that is just being started must be asked to stop like the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.store.engine import Ledger
from agent.supervisor import Child
from agent.work.queue import Job, Queue, enqueue
from agent.work.worker import Running, Worker
from tests.support.site import until


def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, stop: threading.Event) -> Child:
    """A role whose program is that script."""
    program = tmp_path / "role"
    program.write_text(f"#!/bin/sh\n{script}\n", "ascii")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return Child("office", tmp_path / "settings.toml", stop, essential=False)


def test_a_role_that_died_is_started_again_though_something_that_it_started_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder in the middle of a film, say: it holds the output of the process that started it."""
    starts, survivors = tmp_path / "starts", tmp_path / "survivors"
    stop = threading.Event()
    role = child(tmp_path, monkeypatch, f"sleep 60 & echo $! >> {survivors}; echo x >> {starts}; exit 3", stop)
    role.start()
    try:
        until(lambda: starts.exists() and starts.read_text().count("x") >= 2, what="it was started again")
    finally:
        stop.set()
        role.join(20)
        for survivor in survivors.read_text().split():
            os.kill(int(survivor), signal.SIGKILL)
    assert not role.is_alive()


def test_a_role_that_is_being_started_while_the_line_stops_is_asked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be killed after half a minute, in the middle of whatever it had begun by then."""
    stop, started = threading.Event(), subprocess.Popen

    def stopped_meanwhile(*arguments: object, **how: object) -> object:
        made = started(*arguments, **how)  # type: ignore[call-overload]
        stop.set()
        role.terminate()  # as whoever stops the line does: it does not see this process yet
        return made

    role = child(tmp_path, monkeypatch, "exec sleep 60", stop)
    monkeypatch.setattr(subprocess, "Popen", stopped_meanwhile)
    role.start()
    role.join(20)
    assert not role.is_alive()


def test_a_worker_outlives_what_nobody_thought_of(ledger: Ledger) -> None:
    """A thread that ends without a word leaves a role that says it is ready and does nothing."""

    class Stumbling(Queue):
        stumbled = False

        def claim(self, kind: str, lane: str = "") -> Job | None:
            if not self.stumbled:
                self.stumbled = True
                raise RuntimeError("a driver, say")
            return super().claim(kind, lane)

    clock, stop, done = SystemClock(), threading.Event(), threading.Event()
    queue = Stumbling(ledger, clock, "office")

    def stage(job: Job) -> None:
        with ledger.begin() as tx:
            queue.complete(tx, job)
        done.set()

    with ledger.begin() as tx:
        enqueue(tx, "report", "1", now=clock.now())
    worker = Worker(
        ledger=ledger, queue=queue, clock=clock, kind="report", stage=stage, running=Running(), stop=stop
    )  # fmt: skip
    worker.start()
    try:
        assert done.wait(20)
    finally:
        stop.set()
        worker.join(20)
    assert queue.stumbled
