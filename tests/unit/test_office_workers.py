"""Destinations change while results are on their way: nothing is sent twice, nothing is cut off, and what stays as it is keeps
its connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from agent.office import LiveWorkers
from agent.settings import Settings
from agent.store import schema
from agent.work.worker import Running
from tests.support.scripted_ris import ScriptedRis, ack, answers, control_id_of, framed
from tests.support.sending import LANE, VALUE, Sending, later, of_another_study
from tests.support.site import PATIENCE_S, until


class Office:
    """A line with one RIS and the workers of the office."""

    def __init__(self, root: Path, port: int) -> None:
        self.line = Sending(root, port)
        running = Running()
        self.workers = LiveWorkers(self.line.ledger, self.line.files, self.line.queue, self.line.clock, running)

    def take_up(self, *ports: int) -> None:
        """These are the destinations from now on."""
        named = [
            {"name": LANE if number == 0 else f"{LANE}-{number}", "type": "hl7", "host": "127.0.0.1", "port": port}
            for number, port in enumerate(ports)
        ]
        values = self.line.settings.model_dump(exclude={"destinations"})
        self.workers.take_up(Settings(**values | {"destinations": named}))

    def is_claimed(self, jobs: int) -> bool:
        with self.line.ledger.read() as view:
            running = view.execute(select(schema.job.c.id).where(schema.job.c.state == "running")).all()
        return len(running) == jobs

    def close(self) -> None:
        self.workers.stop()
        self.workers.join(0.0)
        self.line.close()


@pytest.fixture
def held() -> Iterator[tuple[threading.Event, ScriptedRis]]:
    """A RIS that answers its first message when it is told to, and the next at once."""
    go = threading.Event()

    def holds(ris: ScriptedRis) -> None:
        own = control_id_of(ris.message())
        assert go.wait(PATIENCE_S)
        ris.say(framed(ack("AA", own)))

    with ScriptedRis(holds, *[answers("AA")] * 4) as ris:
        yield go, ris


def test_a_delivery_that_has_begun_ends_before_its_lane_is_worked_in_again(
    tmp_path: Path, held: tuple[threading.Event, ScriptedRis]
) -> None:
    go, ris = held
    other = of_another_study()
    with ScriptedRis(answers("AA")) as elsewhere:
        office = Office(tmp_path, ris.port)
        office.take_up(ris.port)
        office.line.plant()
        until(lambda: ris.received, what="the first message at the RIS")
        office.take_up(elsewhere.port)  # the same destination at another place
        office.line.plant(other)
        until(lambda: office.is_claimed(2), what="the second message with the new worker")
        assert elsewhere.received == []
        go.set()
        until(lambda: office.line.states(other) == ["delivered"], what="the second message delivered")
        assert office.line.states(VALUE) == ["delivered"]
        assert (len(ris.received), len(elsewhere.received)) == (1, 1)
        office.close()


def test_a_destination_that_stays_as_it_is_keeps_its_connection_and_one_that_changes_gives_it_up(
    tmp_path: Path,
) -> None:
    # The first is spoken to twice; after that nobody but this test listens on its connection.
    with ScriptedRis(*[answers("AA")] * 2) as ris, ScriptedRis(*[answers("AA")] * 4) as new:
        office = Office(tmp_path, ris.port)
        office.take_up(ris.port)
        office.line.plant()
        until(lambda: office.line.states() == ["delivered"], what="the first message")
        office.take_up(ris.port, new.port)
        second = later(2)
        office.line.plant(second)
        until(lambda: office.line.states(second) == ["delivered", "delivered"], what="the second message")
        assert (len(ris.received), ris.connections) == (2, 1)
        office.take_up(new.port)
        kept = ris.connection()
        kept.settimeout(PATIENCE_S)
        assert kept.recv(1) == b"", "the connection is given up"
        office.close()
