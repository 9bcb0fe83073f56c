"""A line that has begun to read films wrongly is found out by films of which everything is known. The stages are the real
ones, the model one that looks at the picture."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import time_machine
from click.testing import CliRunner
from PIL import Image
from pydicom import Dataset
from sqlalchemy import select
from structlog.testing import capture_logs

from agent.cli import preread
from agent.clock import SystemClock
from agent.demo.ris import DemoRis
from agent.errors import Transient
from agent.evaluation.qc.door import find_door
from agent.evaluation.qc.films import CATALOGUE, drawn
from agent.evaluation.qc.run import AnotherRun, ConstancyTest
from agent.evaluation.qc.seen import Seen, look
from agent.evaluation.qc.stage import ConstancyStage
from agent.evaluation.qc.state import standing
from agent.imaging import geometry, render
from agent.imaging.geometry import Transform, Turn
from agent.model.protocol import Model, Picture, StudySession
from agent.model.weights import weights_digest
from agent.reading.triage import ROUTINE
from agent.store import flags, overview, processes, qc, studies, trouble
from agent.store.qc import QcRun
from agent.store.schema import instance, qc_picture, qc_run
from agent.store.schema import job as job_table
from agent.work.schedule import Schedule
from agent.work.worker import DEFECTS_TOLERATED, Running, Worker
from structured_report.content import Priority
from tests.support.films import small_image
from tests.support.looking import LookingModel
from tests.support.node import Node
from tests.support.site import PATIENCE_S, ROLES, Site, until
from tests.support.stages import Line

pytestmark = [pytest.mark.xdist_group("constancy")]

AIR, WATER, NORMAL = "right-pneumothorax", "left-effusion", "normal"
GENEROUS = {"longest_flag_s": 600.0}


@pytest.fixture
def sound(tmp_path: Path, ris: DemoRis) -> Iterator[Line]:
    with a_line(tmp_path, ris, GENEROUS) as made:
        yield made


@contextmanager
def a_line(folder: Path, ris: DemoRis, settings: dict[str, Any], model: Model | None = None) -> Iterator[Line]:
    """A line whose stages work by themselves."""
    line = Line(Node(folder / "node", quiet_time_s=0.0), model or LookingModel(), ris.port, qc=settings)
    desk, stop = line.desk()
    running = Running()
    with line.node.ledger.begin() as tx:
        for role in ROLES:  # alive for the next hour
            processes.announce(tx, role, 1, "ready", "", now=SystemClock().now() + timedelta(hours=1))
    common = {"ledger": line.node.ledger, "queue": line.queue, "clock": SystemClock(), "running": running, "stop": stop}
    workers = [Worker(kind=kind, stage=line.stages[kind], **common) for kind in ("assemble", "report")]
    workers.append(Worker(kind="deliver", lane="to-ris", stage=line.stages["deliver"], **common))
    workers.append(desk.worker(running))
    for worker in workers:
        worker.start()
    try:
        yield line
    finally:
        stop.set()
        for worker in workers:
            worker.join(PATIENCE_S)
        desk.close()
        line.node.stop()


def constancy(line: Line, **options: Any) -> ConstancyTest:
    settings = line.settings
    return ConstancyTest(line.node.ledger, SystemClock(), settings, lambda: find_door(settings), **options)


def run(line: Line, *films: str, **options: Any) -> QcRun:
    test = constancy(line, **{"patience_s": PATIENCE_S} | options)
    state = [test.begin(films)]

    def over() -> bool:
        state[0] = test.advance(state[0])
        return state[0].finished_at is not None

    until(over, what="the constancy test is over")
    return state[0]


def failed(done: QcRun) -> set[tuple[str, str]]:
    return {(c["film"], c["what"]) for c in done.failed_checks}


def passed(done: QcRun) -> set[tuple[str, str]]:
    return {(c["film"], c["what"]) for c in done.checks if c["passed"]}


def test_a_sound_line_passes_and_its_results_stay_here(sound: Line, ris: DemoRis, tmp_path: Path) -> None:
    done = run(sound, NORMAL, AIR, WATER, "cardiomegaly", "stored-monochrome1", "stored-quarter-turn")
    assert done.passed, done.failed_checks
    assert {(AIR, "side"), (AIR, "box"), (AIR, "priority"), (NORMAL, "priority"), (WATER, "side")} <= passed(done)
    assert {("stored-monochrome1", "polarity"), ("stored-quarter-turn", "storage")} <= passed(done)
    assert {c["film"] for c in done.checks if c["what"] == "picture"} == {f["name"] for f in done.films}
    assert done.build["model_name"] == "looking"
    assert not list((tmp_path / "ris").glob("*.hl7")), "nobody gets the report of a phantom"
    with sound.node.ledger.read() as view:
        lines = overview.studies(view)
        assert all(line.deliveries == {} for line in lines)
        uid = lines[0].study_instance_uid
        assert {d["kind"] for d in overview.documents(view, uid)} == {"sr", "oru"}, (
            "what would be sent is made all the same"
        )
        assert "qc-not-sent" in [e["code"] for e in overview.history(view, uid)]


def test_a_site_that_wants_the_results_gets_them(tmp_path: Path, ris: DemoRis) -> None:
    with a_line(tmp_path, ris, GENEROUS | {"send": True}) as line:
        assert run(line, NORMAL).passed
        until(lambda: list((tmp_path / "ris").glob("*.hl7")), what="the RIS has the message")


def test_a_patient_whose_numbers_begin_like_those_of_the_test_is_reported(sound: Line, tmp_path: Path) -> None:
    sound.send(small_image(PatientID="QC4711", AccessionNumber="QC4711"))
    until(lambda: list((tmp_path / "ris").glob("*.hl7")), what="the RIS has the message")


def mirrored(pixels: Any, turn: Turn) -> Any:
    return geometry.apply_turn(pixels, turn)[:, ::-1].copy()


def not_turned(pixels: Any, _turn: Turn) -> Any:
    return pixels


def window_swapped(header: Dataset, notes: list[str]) -> Any:
    header.WindowCenter, header.WindowWidth = header.WindowWidth, header.WindowCenter
    return _WINDOW(header, notes)


_WINDOW = render._window
_TRANSFORM = render.transform_of


def cut_to_a_square(header: Dataset, picture: Any) -> Any:
    """Resize and centre crop, as many a model's preprocessing does."""
    rows, columns = picture.shape
    side = int(min(rows, columns) * 0.75)
    top, left = (rows - side) // 2, (columns - side) // 2
    return np.asarray(Image.fromarray(picture[top : top + side, left : left + side]).resize((columns, rows)))


def rows_for_columns(_header: Dataset, picture: Any) -> Any:
    """PIL wants (columns, rows)."""
    return np.asarray(Image.fromarray(picture).resize(picture.shape))


def boxes_half_as_large(turn: Turn, **sizes: tuple[int, int]) -> Transform:
    made = _TRANSFORM(turn, **sizes)
    return replace(made, matrix=tuple(tuple(v / 2 for v in row) for row in made.matrix))  # type: ignore[arg-type]


def polarity_ignored(header: Dataset, keyword: str) -> str:
    return "MONOCHROME2" if keyword == "PhotometricInterpretation" else _FIRST_TEXT(header, keyword)


_FIRST_TEXT = render.first_text


@pytest.mark.parametrize(
    ("name", "wrong", "films", "found"),
    [
        ("apply_turn", mirrored, (AIR,), (AIR, "side")),
        ("apply_turn", mirrored, (NORMAL,), (NORMAL, "picture")),
        ("apply_turn", mirrored, (WATER,), (WATER, "side")),
        ("_window", window_swapped, (AIR,), (AIR, "priority")),
        ("_window", window_swapped, (AIR,), (AIR, "picture")),
        ("square", cut_to_a_square, (WATER,), (WATER, "read")),
        ("square", rows_for_columns, (AIR,), (AIR, "priority")),
        ("transform_of", boxes_half_as_large, (AIR,), (AIR, "box")),
        ("apply_turn", not_turned, (AIR, "stored-mirrored"), ("stored-mirrored", "storage")),
        ("apply_turn", not_turned, ("stored-upside-down",), ("stored-upside-down", "priority")),
        ("first_text", polarity_ignored, (AIR, "stored-monochrome1"), ("stored-monochrome1", "polarity")),
    ],
    ids=[
        "mirrored",
        "mirrored-2",
        "mirrored-picture",
        "window",
        "window-picture",
        "cut",
        "squeezed",
        "boxes",
        "not-mirrored-back",
        "upside-down",
        "polarity",
    ],
)
def test_a_line_that_shows_the_model_another_picture_is_found_out(
    sound: Line,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    wrong: Callable[..., Any],
    films: tuple[str, ...],
    found: tuple[str, str],
) -> None:
    monkeypatch.setattr(render, name, wrong)
    with capture_logs() as log:
        done = run(sound, *films)
    assert not done.passed
    assert found in failed(done), done.failed_checks
    (alarm,) = [entry for entry in log if entry["event"] == "constancy test failed"]
    assert alarm["log_level"] == "error"
    assert found[0] in alarm["words"]


def test_a_flag_that_comes_late_is_a_failure(tmp_path: Path, ris: DemoRis) -> None:
    with a_line(tmp_path, ris, {"longest_flag_s": 0.001}) as line:
        assert failed(run(line, NORMAL)) == {(NORMAL, "flag")}


def test_rules_that_call_a_pneumothorax_routine_are_found_out(sound: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.reading.flag.rank_probabilities", lambda _rules, _all: ROUTINE)
    assert failed(run(sound, AIR)) == {(AIR, "priority")}


def test_a_line_that_never_reads_is_given_up_and_says_how_the_model_is(tmp_path: Path, ris: DemoRis) -> None:
    line = Line(Node(tmp_path / "node", quiet_time_s=0.0), LookingModel(), ris.port, qc={"longest_flag_s": 0.01})
    try:
        done = run(line, NORMAL, AIR, patience_s=0.0)
    finally:
        line.node.stop()
    assert {(NORMAL, "flag"), (NORMAL, "read"), (NORMAL, "documents"), (AIR, "read")} <= failed(done)
    assert "no read process has ever run here" in done.failed_checks[0]["words"]


def settings_file(line: Line, folder: Path, more: str = "") -> Path:
    file = folder / "settings.toml"
    own = line.settings
    file.write_text(
        f"[node]\nhost = '127.0.0.1'\nport = {own.node.port}\n[storage]\nroot = '{own.storage.root}'\nreserve_gb = 0.0\n"
        f"[[peers]]\nname = 's'\nae_title = 'SENDER'\nhost = '127.0.0.1'\nmay = ['send']\n[qc]\nlongest_flag_s = 600.0\n{more}",
        encoding="utf-8",
    )
    return file


def command(file: Path, *words: str) -> Any:
    return CliRunner().invoke(preread, ["--settings", str(file), *words])


def test_the_command_shows_every_check_and_ends_with_1_when_one_failed(
    sound: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings_file(sound, tmp_path)
    good = command(file, "qc", "--film", NORMAL, "--film", AIR)
    assert good.exit_code == 0, good.output
    assert "passed" in good.output
    assert "constancy test: has never run here over all films" in command(file, "studies").output
    monkeypatch.setattr(render, "apply_turn", mirrored)
    bad = command(file, "qc", "--film", AIR, "--as", "SENDER")
    assert bad.exit_code == 1
    assert "left instead of right" in bad.output
    last = command(file, "qc", "--last")
    assert last.exit_code == 1
    assert "left instead of right" in last.output
    assert "!! constancy test: FAILED" in command(file, "studies").output
    assert "bad   constancy test: FAILED" in command(file, "doctor", "--no-network").output
    assert command(file, "qc", "--last", "--json").exit_code == 1


def test_nobody_who_may_send_is_said_with_what_to_add(sound: Line, tmp_path: Path) -> None:
    done = command(settings_file(sound, tmp_path), "qc", "--as", "NOBODY")
    assert done.exit_code == 1
    assert 'no peer "NOBODY" may send from this host' in str(done.exception)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((), "the read process has never run here"),
        (("ready", 4000.0), "the read process has given no sign of life for 4"),
        (("stopped", 0.0), "the read process: stopped"),
        (("failed", 0.0), "the read process: failed"),
    ],
)
def test_a_line_without_its_readers_is_said_at_once_and_nothing_is_sent(
    tmp_path: Path, ris: DemoRis, said: tuple[Any, ...], words: str
) -> None:
    line = Line(Node(tmp_path / "node", quiet_time_s=0.0), LookingModel(), ris.port)
    try:
        with line.node.ledger.begin() as tx:
            for role in ("receive", "office", *(["read"] if said else [])):
                state, silent = said if said and role == "read" else ("ready", 0.0)
                processes.announce(tx, role, 1, state, "", now=SystemClock().now() - timedelta(seconds=silent))
        started = time.monotonic()
        done = command(settings_file(line, tmp_path), "qc")
        assert time.monotonic() - started < 25, "and not when those that are away should be back"
        with line.node.ledger.read() as view:
            assert qc.newest(view) is None
            assert overview.studies(view) == ()
    finally:
        line.node.stop()
    assert done.exit_code == 1
    assert words in str(done.exception)


def _alive(line: Line, *, ago: timedelta = timedelta()) -> None:
    """That was the last sign of life of every process."""
    with line.node.ledger.begin() as tx:
        for role in ROLES:
            processes.announce(tx, role, 1, "ready", "", now=SystemClock().now() - ago)


def _die_during_the_test(line: Line) -> None:
    def is_begun() -> bool:
        with line.node.ledger.read() as view:
            return qc.newest(view) is not None

    until(is_begun, what="the constancy test has begun")
    _alive(line, ago=timedelta(minutes=1))


def test_a_line_whose_processes_die_during_the_test_does_not_keep_a_person_waiting(
    tmp_path: Path, ris: DemoRis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.commands.qc.AWAY", timedelta(seconds=1))
    line = Line(Node(tmp_path / "node", quiet_time_s=0.0), LookingModel(), ris.port)
    try:
        _alive(line)
        dying = threading.Thread(target=_die_during_the_test, args=(line,))
        dying.start()
        done = command(settings_file(line, tmp_path), "qc", "--film", NORMAL)
        dying.join()
    finally:
        line.node.stop()
    assert done.exit_code == 1
    assert "the line is not running: the receive process has given no sign of life" in done.output


def test_nobody_is_hurried_to_a_film_of_the_test(sound: Line, tmp_path: Path) -> None:
    done = run(sound, NORMAL)
    assert done.passed
    sound.send(small_image(AccessionNumber="REAL"))
    until(lambda: len(list((tmp_path / "ris").glob("*.hl7"))) > 0, what="the patient's report is out")
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2)):
        schedule = Schedule(sound.node.ledger, sound.node.files, SystemClock(), longest_wait_min=60.0)
        assert schedule.raise_what_waits() == 1
        assert schedule.reconcile() == 0
    with sound.node.ledger.read() as view:
        for line in overview.studies(view):
            rank = flags.urgency_of(view, line.study_instance_uid)
            is_drawn = line.study_instance_uid == done.films[0]["study_instance_uid"]
            assert (rank is not None and rank.priority is Priority.URGENT) is not is_drawn
            assert line.error == ""
    shown = command(settings_file(sound, tmp_path), "studies").output
    assert shown.count("a drawn film of the constancy test") == 1
    assert "trouble" not in shown


def test_a_film_that_failed_the_test_is_no_study_that_a_person_has_to_see_to(
    sound: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "square", cut_to_a_square)
    assert (WATER, "read") in failed(run(sound, WATER))
    file = settings_file(sound, tmp_path)
    assert "FAILED" in command(file, "studies").output
    assert "no study is in trouble" in command(file, "studies", "--trouble").output


def test_a_patient_who_came_into_a_study_of_the_test_is_seen_to(sound: Line, tmp_path: Path) -> None:
    done = run(sound, NORMAL)
    uid = done.films[0]["study_instance_uid"]

    def in_trouble() -> tuple[str, ...]:
        with sound.node.ledger.read() as view:
            return trouble.newest_in_trouble(view, 10)

    with sound.node.ledger.begin() as tx:
        studies.set_state(tx, uid, "abstained", reason="x", explanation="y")
    assert in_trouble() == ()
    with sound.node.ledger.begin() as tx:
        facts = tx.execute(select(instance.c.facts).where(instance.c.study_instance_uid == uid)).scalar_one()
        of_patient = json.loads(facts) | {"patient_id": "4711", "manufacturer": "ACME"}
        tx.execute(instance.update().where(instance.c.study_instance_uid == uid).values(facts=json.dumps(of_patient)))
    assert in_trouble() == (uid,), "an event of the past does not make an image one of the test"


def test_the_schedule_runs_the_test_whatever_is_killed_between_two_steps(sound: Line) -> None:
    line = sound
    line.settings = line.settings.model_copy(
        update={"qc": line.settings.qc.model_copy(update={"films": (NORMAL, AIR), "daily_at": "03:30"})}
    )
    schedule = Schedule(line.node.ledger, line.node.files, SystemClock(), qc_daily_at="03:30")
    assert schedule.test_constancy()

    def step() -> bool:
        job = line.queue.claim("qc")
        if job is not None:  # another process each time
            ConstancyStage(line.node.ledger, line.queue, SystemClock(), constancy(line))(job)
        with line.node.ledger.read() as view:
            return next(qc.finished(view), None) is not None

    until(step, what="the scheduled run is over")
    with line.node.ledger.read() as view:
        done = qc.newest(view)
    assert done is not None
    assert (done.started_by, done.passed, len(done.films)) == ("schedule", True, 2)
    assert line.queue.claim("qc") is None


class Scheduled:
    """A line without stages, with the job of the schedule: what becomes of that job is under test."""

    def __init__(self, folder: Path, ris: DemoRis, **changes: Any) -> None:
        self.line = Line(Node(folder / "node", quiet_time_s=0.0), LookingModel(), ris.port)
        self.settings = self.line.settings.model_copy(update=changes)
        self.line.settings = self.settings
        self.stage = ConstancyStage(self.line.node.ledger, self.line.queue, SystemClock(), constancy(self.line))
        assert Schedule(self.line.node.ledger, self.line.node.files, SystemClock()).test_constancy()

    def announce(self, *roles: str, silent_s: float = 0.0) -> None:
        with self.line.node.ledger.begin() as tx:
            for role in roles:
                moment = SystemClock().now() + timedelta(hours=1) - timedelta(seconds=silent_s)
                processes.announce(tx, role, 1, "ready", "", now=moment)

    def worker(self) -> Worker:
        return Worker(
            ledger=self.line.node.ledger, queue=self.line.queue, clock=SystemClock(), running=Running(),
            stop=threading.Event(), kind="qc", stage=self.stage,
        )  # fmt: skip

    def standing(self) -> tuple[str, str]:
        with self.line.node.ledger.read() as view:
            return standing(view, self.settings.qc, SystemClock().now())

    def hurry(self) -> None:
        """Whatever waits is due."""
        with self.line.node.ledger.begin() as tx:
            tx.execute(job_table.update().values(run_at=SystemClock().now()))

    def jobs(self) -> list[str]:
        with self.line.node.ledger.read() as view:
            return list(view.execute(select(job_table.c.state).where(job_table.c.kind == "qc")).scalars())


@pytest.fixture
def scheduled(tmp_path: Path, ris: DemoRis) -> Iterator[Callable[..., Scheduled]]:
    made: list[Scheduled] = []

    def make(**changes: Any) -> Scheduled:
        made.append(Scheduled(tmp_path, ris, **changes))
        return made[-1]

    yield make
    for one in made:
        one.line.node.stop()


def test_a_line_that_takes_no_film_has_failed_and_is_not_silently_parked(
    scheduled: Callable[..., Scheduled],
) -> None:
    nobody = scheduled(peers=())
    nobody.announce(*ROLES)
    nobody.worker().work_once()
    assert nobody.jobs() == []
    state, words = nobody.standing()
    assert state == "bad"
    assert "no peer may send from this host" in words


def test_a_scheduled_test_of_a_line_that_is_down_says_so_and_does_not_wait_for_an_hour(
    scheduled: Callable[..., Scheduled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.evaluation.qc.stage.AWAY", timedelta(seconds=2))
    here = scheduled()
    here.announce("receive", "office")
    worker, started = here.worker(), time.monotonic()
    with capture_logs() as log:
        until(lambda: worker.work_once() and not here.jobs(), what="the run is over")
    assert time.monotonic() - started >= 2, "a process that is started again is waited for"
    state, words = here.standing()
    assert state == "bad"
    assert "the line is not running: the read process has never run here" in words
    assert [e["log_level"] for e in log if e["event"] == "constancy test failed"] == ["error"]
    with here.line.node.ledger.read() as view:
        assert overview.studies(view) == (), "no film was sent to a line that is not there"
    assert Schedule(here.line.node.ledger, here.line.node.files, SystemClock()).test_constancy()
    assert worker.work_once()
    assert here.jobs() == ["waiting"], "the next day's run has a grace of its own"


def test_a_process_that_is_started_again_does_not_fail_the_scheduled_test(
    scheduled: Callable[..., Scheduled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.evaluation.qc.stage.AWAY", timedelta(seconds=60))
    here = scheduled()
    here.announce("receive", "office")
    worker = here.worker()
    worker.work_once()
    here.announce("read")
    until(worker.work_once, what="it looks again")
    with here.line.node.ledger.read() as view:
        run = qc.newest(view)
        assert run is not None
        assert run.finished_at is None
        assert len(overview.studies(view)) == 1


@pytest.mark.parametrize("error", [ValueError("ours"), Transient("the disk is full", code="disk-full")])
def test_a_scheduled_test_that_our_own_defect_ends_is_an_alarm_and_no_parked_job(
    scheduled: Callable[..., Scheduled], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Any) -> Any:
        raise error

    here = scheduled()
    here.announce(*ROLES)
    monkeypatch.setattr("agent.evaluation.qc.run._store", broken)
    worker = here.worker()
    for _ in range(DEFECTS_TOLERATED):
        assert here.standing()[0] == "note"
        here.hurry()
        assert worker.work_once()
    assert here.jobs() == []
    state, words = here.standing()
    assert state == "bad"
    assert ("the disk is full" if isinstance(error, Transient) else "internal error (ValueError)") in words


@pytest.mark.parametrize("sent", [False, True])
def test_a_film_that_this_version_does_not_know_ends_the_run_as_failed(
    scheduled: Callable[..., Scheduled], sent: bool
) -> None:
    here = scheduled()
    here.announce(*ROLES)
    key, now = _key(here), SystemClock().now()
    film: dict[str, Any] = {"name": "of-old"}
    if sent:
        film |= {
            "sent_at": now.isoformat(),
            "study_instance_uid": "1.2",
            "frontal": "1.2.3",
            "boxes": [],
            "trouble": "no",
        }
    with here.line.node.ledger.begin() as tx:
        qc.keep(tx, QcRun(key, "schedule", now, None, None, {}, [film], []))
    here.worker().work_once()
    assert here.jobs() == []
    state, words = here.standing()
    assert state == "bad"
    assert 'another version of this program, which knew a film "of-old"' in words


def _key(here: Scheduled) -> str:
    with here.line.node.ledger.read() as view:
        return str(view.execute(select(job_table.c.key).where(job_table.c.kind == "qc")).scalar_one())


def test_two_runs_of_one_second_do_not_send_the_same_films(scheduled: Callable[..., Scheduled]) -> None:
    with time_machine.travel(datetime(2026, 11, 25, 3, 30, tzinfo=UTC), tick=False):
        here = scheduled()
        test = constancy(here.line)
        ids = [_key(here)]
        for _ in range(3):
            ids.append(test.begin((NORMAL,)).id)
            test.give_up(ids[-1])
    assert len(set(ids)) == 4
    assert all(len(f"QC{run_id}01") <= 16 for run_id in ids), "an accession number has 16 characters"


def test_a_run_waits_for_the_one_before_and_not_for_one_that_was_killed(
    scheduled: Callable[..., Scheduled], tmp_path: Path
) -> None:
    here = scheduled()
    here.announce(*ROLES)
    first = constancy(here.line).begin((NORMAL,))
    refused = command(settings_file(here.line, tmp_path), "qc", "--film", NORMAL)
    assert refused.exit_code == 1
    assert f"constancy test {first.id} is under way (by hand" in str(refused.exception)
    here.worker().work_once()
    assert here.jobs() == ["waiting"], "the scheduled one comes later"
    assert here.standing()[0] == "note"
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1.1)):
        assert constancy(here.line).scheduled(_key(here)).started_by == "schedule"
        with pytest.raises(AnotherRun):
            constancy(here.line).begin((NORMAL,))


def test_a_run_that_a_person_breaks_off_keeps_nobody_waiting_and_is_no_verdict(
    scheduled: Callable[..., Scheduled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = ConstancyTest.advance

    def broken_off(test: ConstancyTest, run: QcRun) -> QcRun:
        advance(test, run)
        raise KeyboardInterrupt

    here = scheduled()
    here.announce(*ROLES)
    monkeypatch.setattr(ConstancyTest, "advance", broken_off)
    command(settings_file(here.line, tmp_path), "qc", "--film", NORMAL)
    with here.line.node.ledger.read() as view:
        run = qc.newest(view)
        assert run is not None
        assert run.passed is None
        assert "study_instance_uid" in run.films[0], "its film is still known as one of the test"
    assert here.standing()[0] == "note"
    assert constancy(here.line).begin((NORMAL,)).id != run.id


def test_the_documents_of_an_earlier_part_of_a_study_are_not_taken_for_those_of_all_of_it(
    scheduled: Callable[..., Scheduled],
) -> None:
    line = scheduled().line
    first, second = drawn(CATALOGUE["normal-two-views"], run_id="261125033000", number=1)
    uid = str(first.StudyInstanceUID)

    def seen() -> Seen:
        with line.node.ledger.read() as view:
            return look(view, uid)

    line.send(first)
    line.do("assemble", "flag", "read")
    assert not seen().reported
    line.do("report")
    assert seen().reported
    assert seen().documents
    line.send(second)
    line.do("assemble")
    assert not seen().reported
    assert seen().documents == ()
    line.do("flag", "read", "report")
    assert seen().reported
    assert seen().documents


def test_a_daily_test_that_has_not_run_for_two_days_is_bad(tmp_path: Path, ris: DemoRis) -> None:
    line = Line(Node(tmp_path / "node", quiet_time_s=0.0), LookingModel(), ris.port, qc={"daily_at": "03:30"})
    now = datetime.now(UTC)
    done = QcRun("1", "schedule", now, now, True, {}, [{"name": n} for n in line.settings.qc.films], [])
    try:
        with line.node.ledger.begin() as tx:
            qc.keep(tx, done)
        with line.node.ledger.read() as view:
            assert standing(view, line.settings.qc, now + timedelta(hours=47))[0] == "ok"
            assert standing(view, line.settings.qc, now + timedelta(hours=49))[0] == "bad"
            switched_off = line.settings.qc.model_copy(update={"daily_at": ""})
            assert standing(view, switched_off, now + timedelta(hours=49))[0] == "ok"
    finally:
        line.node.stop()


def test_a_look_at_one_film_does_not_silence_an_alarm_nor_stand_for_the_daily_test(
    tmp_path: Path, ris: DemoRis
) -> None:
    line = Line(Node(tmp_path / "node", quiet_time_s=0.0), LookingModel(), ris.port, qc={"daily_at": "03:30"})
    now, own = datetime.now(UTC), line.settings.qc
    wrong = {"film": AIR, "what": "side", "passed": False, "words": "left instead of right", "value": None}

    def after(*finished: tuple[int, tuple[str, ...], bool]) -> str:
        with line.node.ledger.begin() as tx:
            tx.execute(qc_run.delete())
            for hour, names, good in finished:
                films, moment = [{"name": n} for n in names], now + timedelta(hours=hour)
                checks = [] if good else [wrong]
                qc.keep(tx, QcRun(f"{hour}", "hand", moment, moment, good, {}, films, checks))
        with line.node.ledger.read() as view:
            return standing(view, own, now + timedelta(hours=60))[0]

    try:
        assert after((20, own.films, True)) == "ok"
        assert after((20, own.films, False), (40, (AIR,), True)) == "bad"
        assert after((20, own.films, False), (40, own.films, True)) == "ok"
        assert after((20, own.films, True), (40, (AIR,), False)) == "bad"
        assert after((2, own.films, True), (40, own.films[1:], True)) == "bad", (
            "the daily test has not run for two days"
        )
        assert after((59, (AIR,), True)) == "note", "never over all films"
    finally:
        line.node.stop()


def test_the_hour_of_the_schedule_is_that_of_the_people_who_set_it(tmp_path: Path, ris: DemoRis) -> None:
    line = Line(Node(tmp_path / "node", quiet_time_s=0.0), LookingModel(), ris.port)
    try:
        schedule = Schedule(line.node.ledger, line.node.files, SystemClock(), qc_daily_at="03:30")
        (job,) = [j for j in schedule._scheduler.get_jobs() if j.func == schedule.test_constancy]
        due = job.trigger.get_next_fire_time(None, datetime.now(UTC)).astimezone()
        assert (due.hour, due.minute) == (3, 30)
    finally:
        line.node.stop()


@pytest.mark.model
@pytest.mark.timeout(900)
def test_the_model_that_is_shipped_passes_every_film_in_the_processes_of_a_site(
    site: Site, shipped: Path, tmp_path: Path
) -> None:
    site.set("model", weights=str(shipped), quantization="none").set("qc", longest_flag_s=600.0)
    site.destination(name="copies", type="folder", path=str(tmp_path / "copies"))
    site.serve()
    done = site.run("qc", "--json", timeout=800)
    result = json.loads(done.stdout)
    assert result["passed"], [c for c in result["checks"] if not c["passed"]]
    assert done.returncode == 0
    assert {film["name"] for film in result["films"]} == set(CATALOGUE)
    assert result["build"]["weights_digest"] == weights_digest(shipped)
    assert site.json("studies")["constancy_test"]["state"] == "ok"
    assert not list((tmp_path / "copies").glob("*"))


class Lent:
    """The shipped model, which outlives a line that uses it."""

    def __init__(self, model: Model) -> None:
        self._model, self.identity = model, model.identity

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> StudySession:
        return self._model.open_study(pictures, system=system)

    def close(self) -> None:
        """It is closed by whoever loaded it."""


@pytest.fixture(scope="module")
def shipped(checkpoint: Path) -> Path:
    """Without its weights the program cannot show that it works: no reason to skip."""
    assert (checkpoint / "model.safetensors").is_file(), f"the weights that are shipped are not in {checkpoint}"
    return checkpoint


@pytest.fixture(scope="module")
def lent(shipped: Path) -> Iterator[Lent]:
    from agent.model.local import load_local

    model = load_local(str(shipped), quantization="none", device="cpu")
    yield Lent(model)
    model.close()


@pytest.mark.model
@pytest.mark.parametrize(
    ("name", "wrong", "film", "found"),
    [
        ("apply_turn", mirrored, AIR, {"picture"}),
        ("_window", window_swapped, AIR, {"picture"}),
        ("square", rows_for_columns, AIR, {"picture"}),
        ("first_text", polarity_ignored, "stored-monochrome1", {"read"}),  # the gate sees that
        ("transform_of", boxes_half_as_large, AIR, {"box"}),
    ],
    ids=["mirrored", "window", "squeezed", "polarity", "boxes"],
)
def test_a_robust_model_does_not_hide_that_it_was_shown_another_picture(
    tmp_path: Path,
    ris: DemoRis,
    lent: Lent,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    wrong: Callable[..., Any],
    film: str,
    found: set[str],
) -> None:
    monkeypatch.setattr(render, name, wrong)
    with a_line(tmp_path, ris, GENEROUS, lent) as line:
        done = run(line, film)
    assert {(film, what) for what in found} <= failed(done), done.failed_checks


def test_nothing_is_kept_of_what_a_model_was_shown_of_a_patient(sound: Line, tmp_path: Path) -> None:
    done = run(sound, NORMAL)
    sound.send(small_image(AccessionNumber="REAL"))
    until(lambda: list((tmp_path / "ris").glob("*.hl7")), what="the patient's report is out")
    with sound.node.ledger.read() as view:
        kept = view.execute(select(qc_picture.c.revision_id)).scalars().all()
        newest = studies.newest_revision(view, done.films[0]["study_instance_uid"])
    assert newest is not None
    assert kept == [newest.id]
