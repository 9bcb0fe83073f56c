"""The urgent study is known within seconds: flags go before readings, only ever raise, and never hold a reading up."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hl7
import pytest
from pydicom import Dataset
from sqlalchemy import Connection

from agent.clock import SystemClock
from agent.commissioning.films import make_study
from agent.demo.ris import DemoRis
from agent.model.protocol import Answer, Model, Picture, StudySession
from agent.reading.triage import load_rules
from agent.store import flags, results, studies
from agent.work.schedule import Schedule
from agent.work.worker import Running
from structured_report.content import Priority
from tests.support.node import Node
from tests.support.peers import text_of
from tests.support.site import PATIENCE_S
from tests.support.stages import Line

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("flag")]

ALWAYS_CRITICAL = """
[[rule]]
finding = "pneumothorax"
probability = 0.0
stated = true
priority = "critical"
reason = "it is asked for"
"""


@pytest.fixture
def alarmed(tmp_path: Path, model: Model, ris: DemoRis) -> Iterator[Line]:
    """A site whose rules call everything critical, and whose RIS wants to know at once."""
    rules = tmp_path / "rules.toml"
    rules.write_text(ALWAYS_CRITICAL, encoding="utf-8")
    made = Line(Node(tmp_path / "node", quiet_time_s=0.0), model, ris.port, send_flag=True, rules=rules)
    yield made
    made.node.stop()


def film(seed: int) -> Dataset:
    return make_study("left-effusion", seed=seed, patient_id=f"P{seed}", accession=f"ACC{seed}", views=("PA",))[0]


def messages(folder: Path) -> list[hl7.Message]:
    paths = sorted((folder / "ris").glob("*.hl7"), key=lambda p: p.stat().st_mtime_ns)
    return [hl7.parse(p.read_bytes().decode()) for p in paths]


class Held:
    """The model, whose answers are waited for until something has happened. It sees to its flags as ever."""

    def __init__(self, model: Model, happened: threading.Event) -> None:
        self._model, self._happened, self.identity = model, happened, model.identity

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> HeldSession:
        return HeldSession(self._model.open_study(pictures, system=system), self._happened)

    def close(self) -> None:
        """It is closed by whoever loaded it."""


class HeldSession:
    def __init__(self, session: StudySession, happened: threading.Event) -> None:
        self._session, self._happened = session, happened
        self.choose, self.close = session.choose, session.close

    def ask(self, *asked: Any, **options: Any) -> Answer:
        assert self._happened.wait(PATIENCE_S)
        return self._session.ask(*asked, **options)


def test_a_study_that_arrives_during_a_reading_is_flagged_before_that_reading_ends(line: Line) -> None:
    arrived = threading.Event()
    line.model = Held(line.model, arrived)
    desk, stop = line.desk()
    worker = desk.worker(Running())
    first, second = film(1), film(2)
    line.send(first)
    line.do("assemble")
    assert worker.work_once(), "the first is flagged"
    reading = threading.Thread(target=worker.work_once)
    reading.start()
    line.send(second)
    line.do("assemble")
    arrived.set()
    reading.join()
    stop.set()
    with line.node.ledger.read() as view:
        read_at = results.reading_of(view, _revision(view, first)).completed_at  # type: ignore[union-attr]
        flagged_at = flags.flag_of(view, _revision(view, second)).flagged_at  # type: ignore[union-attr]
    assert flagged_at < read_at


def _revision(view: Connection, image: Dataset) -> int:
    newest = studies.newest_revision(view, str(image.StudyInstanceUID))
    assert newest is not None
    return newest.id


def test_a_critical_study_is_announced_before_it_is_read_and_reported_after(alarmed: Line, tmp_path: Path) -> None:
    alarmed.send(film(1))
    alarmed.do("assemble", "flag", "announce", "deliver")
    (early,) = messages(tmp_path)
    assert str(early.segment("TQ1")[9]) == "S^STAT^HL70485"
    assert str(early.segment("OBR")[25]) == "R"
    assert any(text.startswith("Triage: critical: it is asked for") for text in text_of(early, "121106"))
    assert any(text.startswith("Flag before the reading") for text in text_of(early, "121106"))
    assert not text_of(early, "59776-5"), "nothing is said that has not been read"
    assert alarmed.study().priority == "critical"
    alarmed.do("read", "report", "deliver")
    _, late = messages(tmp_path)
    assert str(late.segment("OBR")[3]) == str(early.segment("OBR")[3])
    assert str(late.segment("OBR")[22]) >= str(early.segment("OBR")[22])
    assert str(late.segment("TQ1")[9]) == "S^STAT^HL70485"
    assert text_of(late, "59776-5")


def test_a_flag_that_was_not_sent_in_time_is_overtaken_by_the_report(alarmed: Line, tmp_path: Path) -> None:
    alarmed.send(film(1))
    alarmed.do("assemble", "flag", "announce", "read", "report", "deliver", "deliver")
    assert alarmed.study().deliveries == {"superseded": 1, "delivered": 1}
    (only,) = messages(tmp_path)
    assert text_of(only, "59776-5")


def test_a_flag_that_is_late_is_not_announced_after_the_reading(alarmed: Line) -> None:
    alarmed.send(film(1))
    alarmed.do("assemble", "flag", "read", "announce", "report")
    assert alarmed.study().deliveries == {"waiting": 1}


def test_an_uncalibrated_probability_is_in_no_numeric_field(alarmed: Line, tmp_path: Path) -> None:
    alarmed.send(film(1))
    alarmed.do("assemble", "flag", "announce", "deliver", "read", "report", "deliver")
    for message in messages(tmp_path):
        assert "uncalibrated" in str(message)
        assert not any(str(o[9]) for o in message.segments("OBX"))


def test_urgency_is_only_ever_raised(line: Line) -> None:
    image, now = film(1), SystemClock().now()
    line.send(image)
    uid = str(image.StudyInstanceUID)
    with line.node.ledger.begin() as tx:
        assert flags.raise_urgency(tx, uid, Priority.URGENT, ["a"], now=now)
        assert not flags.raise_urgency(tx, uid, Priority.ROUTINE, ["b"], now=now)
        assert not flags.raise_urgency(tx, uid, Priority.URGENT, ["c"], now=now)
        assert flags.raise_urgency(tx, uid, Priority.CRITICAL, ["d"], now=now)
    assert (line.study().priority, line.study().reasons) == ("critical", ("d",))


class Later:
    """A clock that is ahead."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by


def test_what_waits_too_long_is_raised_once_and_says_why(line: Line) -> None:
    line.send(film(1))
    for minutes, raised in ((30, 0), (61, 1), (90, 0)):
        clock = Later(timedelta(minutes=minutes))
        schedule = Schedule(line.node.ledger, line.node.files, clock, longest_wait_min=60.0)
        assert schedule.raise_what_waits() == raised
    assert line.study().priority == "urgent"
    assert "60 minutes ago" in line.study().reasons[0]


def test_a_film_that_cannot_be_flagged_is_read_all_the_same(line: Line) -> None:
    image = film(1)
    image.PixelData = bytes(len(image.PixelData))
    line.send(image)
    line.do("assemble", "flag", "read", "report")
    assert (line.study().state, line.study().reason) == ("not-analysed", "constant-image")
    with line.node.ledger.read() as view:
        flag = flags.flag_of(view, _revision(view, image))
    assert flag is not None
    assert "all pixels have the same value" in flag.trouble
    assert line.study().priority == ""


def test_the_rules_that_come_with_the_program_can_be_used() -> None:
    assert {r.priority for r in load_rules(None)} == {Priority.URGENT, Priority.CRITICAL}


def test_everything_the_model_wrote_is_kept(line: Line) -> None:
    image = film(1)
    line.send(image)
    line.do("assemble", "flag", "read")
    with line.node.ledger.read() as view:
        replies = flags.replies_of(view, _revision(view, image))
    assert [r.task for r in replies][:2] == ["findings", "impression"]
    assert "\\boxed{" in replies[0].text
