"""A labelled folder in, numbers out, with a model that looks at the pictures: what is measured is what is there."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from agent.cli import preread
from agent.commissioning.phantom import draw
from agent.errors import ModelBroken, Permanent, Transient
from agent.evaluation.films.journal import FILE
from agent.evaluation.qc.films import CATALOGUE, drawn
from agent.model.protocol import Choice, Picture
from agent.reading.calibration import load_calibration
from tests.support.films import save, small_image
from tests.support.looking import LookingModel, LookingSession

pytestmark = [pytest.mark.xdist_group("evaluate")]

AIR = ("right-pneumothorax", "left-pneumothorax", "stored-monochrome1", "stored-upside-down")
SIDES = {"left-pneumothorax": "left"}
NORMAL = ("normal", "normal-two-views")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Folder:
    """A folder of films with its labels."""

    films: Path
    labels: Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Four films with a pneumothorax, two without, each also as the PNG of the same scene; and what cannot be read."""
    top = tmp_path_factory.mktemp("labelled")
    films = top / "films"
    (films / "pictures").mkdir(parents=True)
    rows = [["file", "patient", "pneumothorax", "side_pneumothorax", "cardiomegaly"]]
    for number, name in enumerate((*AIR, *NORMAL)):
        film = CATALOGUE[name]
        there, side = ("1", SIDES.get(name, "right")) if name in AIR else ("0", "")
        save(drawn(film, run_id="0", number=number)[0], films / f"{name}.dcm")
        grey = (draw(film.scene, film.style.rows, film.style.columns).density * 255).astype(np.uint8)
        Image.fromarray(grey).save(films / "pictures" / f"{name}.png")
        rows += [
            [f"{name}.dcm", f"P{number}", there, side, "0"],
            [f"pictures/{name}.png", f"P{number}", there, side, ""],
        ]
    (films / "notes.txt").write_text("no film", encoding="utf-8")
    (films / "cut.png").write_bytes((films / "pictures" / "normal.png").read_bytes()[:2000])
    save(small_image(BodyPartExamined="KNEE"), films / "knee.dcm")
    rows += [["notes.txt", "P90", "1", "", ""], ["cut.png", "P91", "0", "", ""], ["knee.dcm", "P92", "0", "", ""]]
    rows += [["gone.dcm", "P93", "1", "left", ""]]
    with (top / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return Folder(films, top / "labels.csv")


@pytest.fixture(scope="module")
def few(folder: Folder) -> Path:
    """Labels of two films that differ, where it does not matter how many there are."""
    lines = folder.labels.read_text(encoding="utf-8").splitlines()
    kept = [lines[0], *(line for line in lines if line.startswith((f"{AIR[0]}.dcm", f"{NORMAL[0]}.dcm")))]
    file = folder.labels.with_name("short.csv")
    file.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return file


class Runs:
    """Runs of the command over the whole folder, each made once: what some tests look at, and others begin with."""

    def __init__(self, folder: Folder, top: Path) -> None:
        self._folder, self._top, self._made = folder, top, dict[str, Result]()

    def one(self, kind: str, into: Path) -> Result:
        """What the run printed; what it wrote is copied into ``into/out``."""
        out = self._top / kind
        if kind not in self._made:
            model, more = {
                "full": (LookingModel(), ()),
                "short": (LookingModel(), ("--flags-only",)),
                "slow": (Failing(Transient("slow", code="model-timeout")), ("--flags-only",)),
                "faulty": (Failing(ValueError("ours")), ("--flags-only",)),
            }[kind]
            out.mkdir()
            arguments = [str(self._folder.films), "--labels", str(self._folder.labels), "--test-set", "x", *more]
            self._made[kind] = evaluated(out, model, *arguments)
        shutil.copytree(out / "out", into / "out", dirs_exist_ok=True)
        return self._made[kind]


@pytest.fixture(scope="module")
def runs(folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(folder, tmp_path_factory.mktemp("runs"))


def evaluated(where: Path, model: Any, *arguments: str) -> Result:
    """The command, with that model and the settings that lie there, into ``where/out``."""
    settings = where / "settings.toml"
    if not settings.exists():
        settings.write_text("[log]\nlevel = 'error'\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "1")
        patch.setattr("agent.commands.evaluate.load_model", lambda _: model)
        words = ["--settings", str(settings), "evaluate", *arguments, "--out", str(where / "out")]
        return CliRunner().invoke(preread, words)


@pytest.fixture
def evaluate(tmp_path: Path, folder: Folder) -> Callable[..., Result]:
    """The command, into `tmp_path/out`."""

    def run(*more: str, model: Any = None, labels: Path = folder.labels, films: Path = folder.films) -> Result:
        return evaluated(tmp_path, model or LookingModel(), str(films), "--labels", str(labels), *more)

    return run


def numbers(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8")))


def test_what_is_drawn_is_measured_and_what_cannot_be_read_is_listed(runs: Runs, tmp_path: Path) -> None:
    done = runs.one("full", tmp_path)
    assert done.exit_code == 0, done.output
    assert "4 of 16 films were not read" in done.output
    value = numbers(tmp_path)
    air = value["findings"]["pneumothorax"]
    assert air["auc"]["value"] == 1.0
    assert air["answer"]["table"] == {"hits": 8, "false_alarms": 0, "misses": 0, "rejections": 4}
    assert air["draft"]["table"] == {"hits": 8, "false_alarms": 0, "misses": 0, "rejections": 4}
    assert air["answer"]["sensitivity_of_all"] == pytest.approx(8 / 10)
    assert (air["sides"]["films"], air["sides"]["right"]["value"], air["sides"]["swapped"]) == (8, 1.0, 0)
    assert (air["unread_present"], air["unread_absent"]) == (2, 2)
    assert value["findings"]["cardiomegaly"]["unlabelled"] == 6
    assert {(r["file"], r["code"]) for r in value["not_read"]} == {
        ("notes.txt", "not-dicom"), ("cut.png", "undecodable"), ("knee.dcm", "not-chest"), ("gone.dcm", "file-unreadable"),
    }  # fmt: skip
    assert any("taken on trust" in note for note in value["notes"])
    assert value["made"]["test_set"] == "x"
    assert value["made"]["build"]["for_commissioning"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "knee.dcm" in page
    results = [json.loads(line) for line in (tmp_path / "out" / FILE).read_text().splitlines()[1:]]
    assert {r["test_set"] for r in results} == {"x"}


class Backwards(LookingModel):
    """Is shown every picture mirrored."""

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> LookingSession:
        return super().open_study([p[:, ::-1].copy() for p in pictures], system=system)


def test_a_mirrored_model_has_every_side_wrong(evaluate: Callable[..., Result], tmp_path: Path) -> None:
    evaluate("--test-set", "x", model=Backwards())
    sides = numbers(tmp_path)["findings"]["pneumothorax"]["sides"]
    assert (sides["right"]["value"], sides["swapped"]) == (0.0, 8)


def test_short_answers_alone_are_asked_where_that_is_enough(
    evaluate: Callable[..., Result], runs: Runs, tmp_path: Path
) -> None:
    assert runs.one("short", tmp_path).exit_code == 0
    value = numbers(tmp_path)
    assert value["outcomes"] == {"flagged": 12, "failed": 4}
    assert value["findings"]["pneumothorax"]["draft"] is None
    assert value["findings"]["pneumothorax"]["auc"]["value"] == 1.0
    other = evaluate("--test-set", "x")
    assert other.exit_code == 1
    assert "differ in: flags_only" in str(other.exception)


def test_a_model_for_commissioning_reads_no_films_without_the_name_of_their_set(
    evaluate: Callable[..., Result], tmp_path: Path
) -> None:
    done = evaluate()
    assert done.exit_code == 1
    assert isinstance(done.exception, Permanent)
    assert "--test-set NAME" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_for_patients_needs_no_name(evaluate: Callable[..., Result], few: Path, tmp_path: Path) -> None:
    model = LookingModel()
    model.identity = replace(LookingModel.identity, for_commissioning=False)
    assert evaluate("--flags-only", model=model, labels=few).exit_code == 0
    assert numbers(tmp_path)["made"]["test_set"] == ""


def test_a_second_run_reads_nothing_again_and_takes_corrected_labels(
    evaluate: Callable[..., Result], runs: Runs, tmp_path: Path, folder: Folder
) -> None:
    runs.one("short", tmp_path)
    before = (tmp_path / "out" / FILE).read_bytes()
    corrected = tmp_path / "corrected.csv"
    corrected.write_text(folder.labels.read_text().replace("normal.dcm,P4,0,,", "normal.dcm,P4,1,left,"))
    done = evaluate("--test-set", "x", "--flags-only", labels=corrected)
    assert "15 of 16 films have been read before" in done.output, "a file that was gone may have come back"
    assert (tmp_path / "out" / FILE).read_bytes().startswith(before)
    assert len((tmp_path / "out" / FILE).read_bytes().splitlines()) == len(before.splitlines()) + 1
    assert numbers(tmp_path)["findings"]["pneumothorax"]["answer"]["table"]["misses"] == 1
    assert evaluate("--test-set", "x", "--flags-only", "--restart").exit_code == 0
    assert (tmp_path / "out" / FILE).read_bytes() != before


class Failing(LookingModel):
    """Fails on every study after the second in the way it is told to."""

    def __init__(self, error: Exception) -> None:
        self.error, self.opened = error, 0

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> LookingSession:
        self.opened += 1
        if self.opened > 2:
            raise self.error
        return super().open_study(pictures, system=system)


def test_a_model_that_is_gone_ends_the_run_and_costs_no_film(evaluate: Callable[..., Result], tmp_path: Path) -> None:
    done = evaluate("--test-set", "x", "--flags-only", model=Failing(ModelBroken("gone", code="model-lost")))
    assert done.exit_code == 1
    assert isinstance(done.exception, ModelBroken)
    again = evaluate("--test-set", "x", "--flags-only")
    assert "2 of 16 films have been read before" in again.output
    assert numbers(tmp_path)["outcomes"] == {"flagged": 12, "failed": 4}


def copied(folder: Folder, tmp_path: Path, name: str) -> Path:
    return Path(shutil.copytree(folder.films, tmp_path / name))


def test_results_of_one_folder_are_not_passed_off_as_those_of_another(
    evaluate: Callable[..., Result], runs: Runs, tmp_path: Path, folder: Folder
) -> None:
    runs.one("short", tmp_path)
    done = evaluate("--test-set", "x", "--flags-only", films=copied(folder, tmp_path, "other"))
    assert done.exit_code == 1
    assert "differ in: folder" in str(done.exception)
    assert evaluate("--test-set", "x", "--flags-only", films=folder.films / "pictures" / "..").exit_code == 0


def test_a_film_that_was_replaced_is_not_judged_by_the_answer_to_the_old_one(
    evaluate: Callable[..., Result], tmp_path: Path, folder: Folder
) -> None:
    films = copied(folder, tmp_path, "films")
    evaluate("--test-set", "x", "--flags-only", films=films)
    shutil.copyfile(films / "normal.dcm", films / "right-pneumothorax.dcm")
    shutil.copyfile(films / "normal.dcm", films / "knee.dcm")
    (films / "normal-two-views.dcm").unlink()
    done = evaluate("--test-set", "x", "--flags-only", films=films)
    assert "3 files are not what they were when they were read" in done.output
    assert "12 of 16 films have been read before" in done.output
    value = numbers(tmp_path)
    table = value["findings"]["pneumothorax"]["answer"]["table"]
    assert table == {"hits": 7, "false_alarms": 0, "misses": 1, "rejections": 4}
    assert {r["file"] for r in value["not_read"]} == {"notes.txt", "cut.png", "gone.dcm", "normal-two-views.dcm"}


def test_a_film_that_came_back_is_read_and_one_that_was_refused_is_not_asked_of_again(
    evaluate: Callable[..., Result], tmp_path: Path, folder: Folder
) -> None:
    films = copied(folder, tmp_path, "films")
    evaluate("--test-set", "x", "--flags-only", films=films)
    before = (tmp_path / "out" / FILE).read_bytes()
    shutil.copyfile(films / "left-pneumothorax.dcm", films / "gone.dcm")
    done = evaluate("--test-set", "x", "--flags-only", films=films)
    assert "1 films failed in a way that may pass" in done.output
    assert numbers(tmp_path)["outcomes"] == {"flagged": 13, "failed": 3}
    added = (tmp_path / "out" / FILE).read_bytes().removeprefix(before).splitlines()
    assert [json.loads(line)["file"] for line in added] == ["gone.dcm"]


@pytest.mark.parametrize("moment", ["slow", "faulty"])
def test_films_that_a_slow_or_faulty_moment_cost_are_read_when_it_is_over(
    evaluate: Callable[..., Result], runs: Runs, tmp_path: Path, moment: str
) -> None:
    runs.one(moment, tmp_path)
    assert numbers(tmp_path)["outcomes"] == {"flagged": 2, "failed": 14}
    evaluate("--test-set", "x", "--flags-only")
    assert numbers(tmp_path)["outcomes"] == {"flagged": 12, "failed": 4}


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ("[model]\nmax_new_tokens = 99\n", "max_new_tokens"),
        ("[model]\ndeadline_s = 3.0\n", "deadline_s"),
        ("[triage]\nrules = 'rules.toml'\n", "rules"),
        ("[triage]\ncalibration = 'lines.json'\n", "calibration, calibration_lines"),
    ],
)
def test_what_changes_a_draft_is_not_mixed_with_drafts_from_before(
    evaluate: Callable[..., Result], runs: Runs, tmp_path: Path, changed: str, differs: str
) -> None:
    runs.one("short", tmp_path)
    rules = (ROOT / "agent" / "reading" / "triage.toml").read_text(encoding="utf-8")
    (tmp_path / "rules.toml").write_text(re.sub(r"probability = \S+", "probability = 0.99", rules, count=1))
    (tmp_path / "lines.json").write_text('{"name": "x", "findings": {"nodule": [1, 0]}}', encoding="utf-8")
    (tmp_path / "settings.toml").write_text(f"[log]\nlevel = 'error'\n{changed}", encoding="utf-8")
    done = evaluate("--test-set", "x", "--flags-only")
    assert done.exit_code == 1
    assert f"differ in: {differs})" in str(done.exception)


class Certain(LookingModel):
    """Is so sure that six digits would call it certain."""

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> LookingSession:
        return CertainSession(pictures)


class CertainSession(LookingSession):
    def choose(self, *args: Any, **options: Any) -> tuple[Choice, ...]:
        sure = [c.shares is not None and c.shares[0] > 0.5 for c in super().choose(*args, **options)]
        return tuple(Choice((1 - 1e-9, 1e-9) if yes else (2e-9, 1 - 2e-9), 0 if yes else 1) for yes in sure)


def test_a_very_sure_answer_is_kept_as_sure_as_it_was(
    evaluate: Callable[..., Result], few: Path, tmp_path: Path
) -> None:
    evaluate("--test-set", "x", "--flags-only", model=Certain(), labels=few)
    results = [json.loads(line) for line in (tmp_path / "out" / FILE).read_text().splitlines()[1:]]
    assert {r["shares"]["pneumothorax"] for r in results if r["shares"]} == {1 - 1e-9, 2e-9}


@pytest.mark.parametrize(("moment", "code"), [("slow", "model-timeout"), ("faulty", "internal")])
def test_a_film_the_model_fails_on_is_listed_with_why(runs: Runs, tmp_path: Path, moment: str, code: str) -> None:
    assert runs.one(moment, tmp_path).exit_code == 0
    value = numbers(tmp_path)
    assert value["outcomes"] == {"flagged": 2, "failed": 14}
    assert sum(r["code"] == code for r in value["not_read"]) == 10


def test_a_folder_of_which_nothing_can_be_read_ends_with_1(evaluate: Callable[..., Result], tmp_path: Path) -> None:
    labels = tmp_path / "few.csv"
    labels.write_text("file,pneumothorax\nnotes.txt,1\ngone.dcm,0\n", encoding="utf-8")
    assert evaluate("--test-set", "x", labels=labels).exit_code == 1
    assert numbers(tmp_path)["outcomes"] == {"failed": 2}


def test_mistakes_in_the_labels_are_said_before_anything_is_loaded(
    evaluate: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / "wrong.csv"
    labels.write_text("file,pneumothorax\na,yes\n", encoding="utf-8")
    done = evaluate(labels=labels)
    assert done.exit_code == 1
    assert "line 2, column 2 ('pneumothorax'): 'yes'" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_the_site_can_use_the_calibration_that_was_written(
    evaluate: Callable[..., Result], runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five with and five without in each half are enough here; what is written names the set and fits the settings."""
    runs.one("short", tmp_path)
    assert not (tmp_path / "out" / "calibration.json").exists(), "of so few it is not fitted otherwise"
    monkeypatch.setattr("agent.evaluation.films.platt.LEAST", 1)
    monkeypatch.setattr(
        "agent.evaluation.films.calibrate.is_for_fitting", lambda patient: patient in ("P0", "P4", "P5")
    )
    assert evaluate("--test-set", "x", "--flags-only").exit_code == 0
    calibration = load_calibration(tmp_path / "out" / "calibration.json")
    assert calibration.name.startswith("evaluate x ")
    assert set(calibration.lines) == {"pneumothorax"}


def start(
    folder: Folder, tmp_path: Path, out: str, seconds: float, *more: str, labels: Path | None = None
) -> subprocess.Popen[bytes]:
    """The command as a process of its own, where each film takes the model at least so long."""
    settings = tmp_path / "settings.toml"
    settings.write_text("[log]\nlevel = 'error'\n", encoding="utf-8")
    words = ["--settings", str(settings), "evaluate", str(folder.films), "--labels", str(labels or folder.labels)]
    words += more
    command = [sys.executable, "-m", "tests.support.evaluating", str(seconds), *words, "--test-set", "x"]
    return subprocess.Popen(
        [*command, "--out", str(tmp_path / out)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE if "--json" in more else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_scripts_get_the_numbers_and_nothing_else(folder: Folder, few: Path, tmp_path: Path) -> None:
    process = start(folder, tmp_path, "out", 0.0, "--json", "--flags-only", labels=few)
    printed, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    assert json.loads(printed) == numbers(tmp_path)


def comparable(value: dict[str, Any]) -> dict[str, Any]:
    made = {k: v for k, v in value["made"].items() if k != "at"}
    return {k: v for k, v in value.items() if k != "seconds"} | {"made": made}


def test_a_run_that_is_killed_goes_on_and_gives_the_same_report(folder: Folder, runs: Runs, tmp_path: Path) -> None:
    runs.one("full", tmp_path / "whole")
    results, kills = tmp_path / "cut" / FILE, 0
    for wanted in (3, 7):
        cut = start(folder, tmp_path, "cut", 0.3)
        while cut.poll() is None and (not results.exists() or results.read_bytes().count(b"\n") <= wanted):
            time.sleep(0.02)
        kills += cut.poll() is None
        cut.kill()
        cut.wait()
    assert kills == 2, "it was to be killed in the middle"
    assert not (tmp_path / "cut" / "report.json").exists()
    kept = results.read_bytes()
    assert start(folder, tmp_path, "cut", 0.0).wait(200) == 0
    assert results.read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
    one, other = (json.loads((tmp_path / out / "report.json").read_text()) for out in ("whole/out", "cut"))
    assert comparable(one) == comparable(other)
