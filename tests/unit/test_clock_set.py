"""A clock that is set back by an hour, by hand or by a time server, delays no study by an hour."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
import time_machine
from sqlalchemy import select

from agent.clock import SystemClock
from agent.intake.assembly import Assembly
from agent.reading.build import Build
from agent.settings import Gate, Intake
from agent.settings import Report as ReportSettings
from agent.store import studies
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.schema import job
from agent.work.clock_set import ClockWatch
from agent.work.queue import Queue, enqueue
from agent.work.schedule import Schedule
from tests.support.site import PATIENCE_S


class Machine:
    """A clock that can be set, and one that cannot."""

    def __init__(self) -> None:
        self.wall, self.steady = datetime(2026, 1, 3, 10, tzinfo=UTC), 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def passes(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.steady += seconds

    def is_set(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    made.create()
    yield made
    made.close()


def watch(ledger: Ledger, machine: Machine, told: list[str]) -> ClockWatch:
    stop = threading.Event()
    return ClockWatch(ledger, machine, stop, set_back=lambda: told.append("set back"), monotonic=machine.monotonic)


def waits(ledger: Ledger, machine: Machine, key: str) -> float:
    with ledger.read() as view:
        run_at = view.execute(select(job.c.run_at).where(job.c.key == key)).scalar_one()
    return float((run_at - machine.now()).total_seconds())


def test_what_waits_a_minute_waits_no_hour_because_the_clock_was_set_back(ledger: Ledger, machine: Machine) -> None:
    told: list[str] = []
    watching = watch(ledger, machine, told)
    with ledger.begin() as tx:
        enqueue(tx, "deliver", "soon", now=machine.now(), run_at=machine.now() + timedelta(seconds=60))
        enqueue(tx, "deliver", "now", now=machine.now())
    machine.passes(10)
    machine.is_set(-3600)
    assert waits(ledger, machine, "soon") == 3650
    watching.look()
    assert waits(ledger, machine, "soon") == 50
    assert waits(ledger, machine, "now") == 0
    assert told == ["set back"]
    assert Queue(ledger, machine, "office").claim("deliver") is not None


@pytest.mark.parametrize("step", [0.0, -1.0, 1.0, 3600.0])
def test_a_clock_that_goes_as_it_should_or_forward_moves_nothing(ledger: Ledger, machine: Machine, step: float) -> None:
    told: list[str] = []
    watching = watch(ledger, machine, told)
    with ledger.begin() as tx:
        enqueue(tx, "deliver", "later", now=machine.now(), run_at=machine.now() + timedelta(hours=2))
    machine.passes(300)
    machine.is_set(step)
    before = waits(ledger, machine, "later")
    watching.look()
    assert waits(ledger, machine, "later") == before
    assert told == []


def test_a_step_that_could_not_be_made_good_is_made_good_later(
    ledger: Ledger, machine: Machine, tmp_path: Path
) -> None:
    told: list[str] = []
    watching = watch(ledger, machine, told)
    with ledger.begin() as tx:
        enqueue(tx, "deliver", "soon", now=machine.now(), run_at=machine.now() + timedelta(seconds=60))
    machine.is_set(-3600)
    (tmp_path / "ledger.db").rename(tmp_path / "away.db")
    with structlog.testing.capture_logs() as said:
        watching.look()
    assert said[-1]["reason"] == "database-gone"
    assert told == []
    (tmp_path / "away.db").rename(tmp_path / "ledger.db")
    watching.look()
    assert waits(ledger, machine, "soon") == 60


def test_a_study_that_came_before_the_clock_was_set_back_is_assembled_all_the_same(
    ledger: Ledger, machine: Machine
) -> None:
    assembly = Assembly(
        ledger, Queue(ledger, machine, "office"), machine, Intake(quiet_time_s=5.0), Gate(), Build.of(ReportSettings())
    )
    arrived = studies.Arrivals(machine.now(), False, "receiving")
    machine.passes(3)
    assert assembly._still_arriving(arrived) == timedelta(seconds=2)
    machine.is_set(-3600)
    assert assembly._still_arriving(arrived) == timedelta()
    held_open = studies.Arrivals(machine.now() + timedelta(hours=1), True, "receiving")
    assert assembly._still_arriving(held_open) > timedelta(), "an association that brings more is still waited for"


def test_the_offices_own_ticks_do_not_stop_for_an_hour(ledger: Ledger, tmp_path: Path) -> None:
    ticked = threading.Event()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1), tick=True):
        schedule = Schedule(ledger, FileStore(tmp_path, 0), SystemClock(), watch=ticked.set, watch_every_s=0.2)
        schedule.__enter__()
    try:  # an hour earlier than a moment ago
        ticked.clear()
        schedule.clock_was_set()
        assert ticked.wait(PATIENCE_S)
    finally:
        schedule.__exit__(None, None, None)
