"""What is counted, and that nothing is dropped: results that are kept, numbers by hand, the page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Permanent
from agent.evaluation.films import report
from agent.evaluation.films.journal import FILE, Journal
from agent.evaluation.films.measure import Evaluation, Measured, evaluate
from agent.evaluation.films.page import as_page
from agent.evaluation.films.provenance import Made
from agent.evaluation.films.result import ABSTAINED, FAILED, FLAGGED, READ, Result, Said
from agent.evaluation.films.truth import LabelledFilm, Truth
from agent.reading.calibration import UNCALIBRATED, Calibration, load_calibration, shortened
from agent.reading.triage import Rule
from structured_report.content import Laterality, Presence, Priority

RULE = Rule("nodule", 0.7, True, Priority.URGENT, "because")
HEAD = {"build": {"weights_digest": "0" * 64}, "flags_only": True}


def film(name: str, there: bool | None, *, patient: str = "", side: Laterality | None = None) -> LabelledFilm:
    present = {} if there is None else {"nodule": there}
    return LabelledFilm(name, patient or name, present, {"nodule": side} if side else {})


def answered(name: str, share: float | None, outcome: str = FLAGGED, draft: Said | None = None) -> Result:
    answers = {} if share is None else {"nodule": share >= 0.5}
    said = {} if draft is None else {"nodule": draft}
    return Result(name, outcome, shares={"nodule": share} if share is not None else {}, answers=answers, draft=said)


def measured(films: list[LabelledFilm], results: list[Result], in_force: Calibration = UNCALIBRATED) -> Evaluation:
    by_name = {r.file: r for r in results}
    return evaluate(Truth(tuple(films), ("nodule",)), by_name, [RULE], in_force, draws=50)


def scored(with_it: list[float], without: list[float]) -> Measured:
    """A film of a patient of its own for each score."""
    films = [film(f"p{n}", True) for n in range(len(with_it))] + [film(f"n{n}", False) for n in range(len(without))]
    results = [answered(f.file, s) for f, s in zip(films, [*with_it, *without], strict=True)]
    (one,) = measured(films, results).findings
    return one


def point(one: Measured, what: str) -> Mapping[str, float]:
    return next(p.numbers | {"threshold": p.threshold} for p in one.points if p.what.startswith(what))


def test_a_perfect_model_is_perfect_and_no_more_certain_than_its_films() -> None:
    one = scored([0.9, 0.8, 0.95] * 10, [0.1, 0.2, 0.05] * 10)
    assert (one.auc.value, one.auc.low, one.auc.high) == (1, 1, 1)
    assert one.answer is not None
    sensitivity = one.answer.numbers["sensitivity"]
    assert sensitivity.value == 1
    assert 0.85 < sensitivity.low < 0.9
    assert point(one, "largest sum")["threshold"] == 0.8


def test_chance_is_a_half_and_its_interval_says_so() -> None:
    rng = np.random.default_rng(1)
    one = scored(rng.random(150).tolist(), rng.random(150).tolist())
    assert one.auc.low < 0.5 < one.auc.high
    assert one.auc.high - one.auc.low < 0.2


def test_an_inverted_model_is_not_calibrated_into_a_good_one() -> None:
    one = scored([0.1, 0.2] * 30, [0.8, 0.9] * 30)
    assert one.auc.value == 0
    assert one.calibration is not None
    assert one.calibration.line is None
    assert "or the opposite" in one.calibration.why_not


def test_the_numbers_of_a_threshold_by_hand() -> None:
    # At the rule's 0.7: of the four with it .9 and .7 are called, of the six without it .75.
    one = scored([0.9, 0.7, 0.6, 0.2], [0.75, 0.5, 0.4, 0.3, 0.2, 0.1])
    assert point(one, "triage rule: urgent") == pytest.approx(
        {"threshold": 0.7, "sensitivity": 0.5, "specificity": 5 / 6, "ppv": 2 / 3, "npv": 5 / 7, "flag_rate": 0.3}
    )
    # Three of four must be called for 0.75; four of four for 0.9: at 0.2, which calls five of the six without it.
    assert point(one, "sensitivity of at least 0.90") == pytest.approx(
        {"threshold": 0.2, "sensitivity": 1, "specificity": 1 / 6, "ppv": 4 / 9, "npv": 1, "flag_rate": 0.9}
    )
    # Called minus falsely called: .9 1/4, .75 1/4-1/6, .7 2/4-1/6, .6 3/4-1/6 = .583, .5 3/4-2/6, ...
    assert point(one, "largest sum")["threshold"] == 0.6


def test_a_rule_is_applied_to_what_the_line_applies_it_to() -> None:
    films, results = [film("a", True), film("b", False)], [answered("a", 0.6), answered("b", 0.4)]
    (one,) = measured(films, results, Calibration("x", {"nodule": (1.0, 1.0)})).findings
    # 0.6 becomes 0.80, 0.4 becomes 0.64.
    assert point(one, "triage rule") == pytest.approx(
        {"threshold": 0.7, "sensitivity": 1, "specificity": 1, "ppv": 1, "npv": 1, "flag_rate": 0.5}
    )
    assert one.calibration is not None
    assert one.calibration.in_force is not None


def test_films_without_a_label_or_an_answer_are_counted_and_not_guessed() -> None:
    films = [film(str(n), there) for n, there in enumerate([True, True, False, None, True, False])]
    results = [
        answered("0", 0.9), answered("1", None), answered("2", 0.2), answered("3", 0.9),
        Result("4", FAILED, "undecodable", "words"), Result("5", FAILED, "undecodable", "words"),
    ]  # fmt: skip
    evaluation = measured(films, results)
    (one,) = evaluation.findings
    assert (one.present, one.absent, one.unlabelled, one.unanswered) == (3, 2, 1, 1)
    assert (one.unread_present, one.unread_absent) == (1, 1)
    assert one.answer is not None
    assert one.answer.films == 2
    assert one.answer.numbers["sensitivity"].value == 1
    assert one.answer.sensitivity_of_all == pytest.approx(1 / 3)
    assert [r.file for r in evaluation.not_read] == ["4", "5"]
    assert evaluation.outcomes == {FLAGGED: 4, FAILED: 2}


def test_drafts_and_their_sides_are_counted_by_what_they_say() -> None:
    left, right = Laterality.LEFT, Laterality.RIGHT
    cases = [
        ("right side", True, left, Said(Presence.PRESENT, left)),
        ("swapped", True, left, Said(Presence.PRESENT, right)),
        ("no side", True, right, Said(Presence.PRESENT)),
        ("both", True, right, Said(Presence.PRESENT, Laterality.BILATERAL)),
        ("open", True, right, Said(Presence.UNDETERMINED, right)),
        ("not named", True, right, None),
        ("false", False, None, Said(Presence.PRESENT, right)),
        ("denied", False, None, Said(Presence.ABSENT)),
    ]
    films = [film(name, there, side=side) for name, there, side, _ in cases]
    results = [answered(name, 0.5, READ, said) for name, _, _, said in cases]
    films.append(film("abstained", True))
    results.append(answered("abstained", 0.9, ABSTAINED))
    evaluation = measured(films, results)
    (one,) = evaluation.findings
    assert one.draft is not None
    assert one.draft.films == 8
    assert one.draft.numbers["sensitivity"].value == pytest.approx(4 / 6)
    assert one.draft.numbers["specificity"].value == pytest.approx(1 / 2)
    assert one.draft.sensitivity_of_all == pytest.approx(4 / 7)
    assert one.undetermined == 1
    assert one.sides is not None
    assert (one.sides.films, one.sides.swapped, one.sides.none) == (4, 1, 1)
    assert one.sides.right.value == pytest.approx(1 / 4)
    assert [r.file for r in evaluation.abstained] == ["abstained"]


def test_an_engine_without_probabilities_is_measured_by_its_words() -> None:
    films = [film("a", True), film("b", False)]
    results = [
        Result(n, FLAGGED, shares={"nodule": None}, answers={"nodule": yes}) for n, yes in (("a", True), ("b", False))
    ]
    (one,) = measured(films, results).findings
    assert one.auc.value == 1
    assert one.calibration is None


def calibrated() -> Evaluation:
    """A model that is too sure of itself, on 2000 patients."""
    rng = np.random.default_rng(5)
    odds = rng.normal(0, 2, 2000)
    there = rng.random(2000) < 1 / (1 + np.exp(-odds))
    films = [film(f"{n}", bool(t)) for n, t in enumerate(there)]
    return measured(films, [answered(f"{n}", float(1 / (1 + np.exp(-3 * o)))) for n, o in enumerate(odds)])


MADE = Made(
    at=datetime(2026, 1, 3, 12, tzinfo=UTC),
    build={
        "model_name": "x<script>", "weights_digest": "ab" * 32, "quantization": "nf4", "prompt_id": "p@1",
        "algorithm_name": "cxr-preread", "algorithm_version": "1", "for_commissioning": True,
    },
    engine="e", device="cpu", test_set="held-out", folder="films & more", labels="l.csv", labels_sha256="0",
    calibration="", flags_only=False,
)  # fmt: skip


def test_a_line_fitted_on_one_half_helps_the_other_and_the_reading_can_use_it(tmp_path: Path) -> None:
    evaluation = calibrated()
    (one,) = evaluation.findings
    assert one.calibration is not None
    before, after = one.calibration.before, one.calibration.after
    assert before is not None
    assert after is not None
    assert before.films == after.films
    assert 900 < after.films < 1100
    assert after.brier < before.brier
    assert after.ece < before.ece / 2
    assert one.calibration.line is not None
    assert one.calibration.line[0] == pytest.approx(1 / 3, abs=0.1)
    written = report.write(
        tmp_path, report.as_json(evaluation, MADE), as_page(evaluation, MADE), report.calibration_json(evaluation, MADE)
    )
    used = load_calibration(tmp_path / "calibration.json")
    assert used.lines == {"nodule": pytest.approx(one.calibration.line)}
    assert used.name == "evaluate held-out 2026-01-03 abababab"
    assert used.fitted_on == {"weights_digest": "ab" * 32, "quantization": "nf4", "prompt_id": "p@1"}
    assert {p.name for p in written} == {"report.html", "report.json", "calibration.json"}
    report.write(tmp_path, {}, "", None)
    assert not (tmp_path / "calibration.json").exists(), "lines of an earlier run are not those of this one"


def test_calibrations_of_a_test_set_with_a_long_name_can_be_told_apart() -> None:
    long = replace(MADE, test_set="films of the hospital at the far end of the valley, spring 2026")
    assert long.calibration_name == "evaluate films of the ho...lley, spring 2026 2026-01-03 abababab"
    assert len(long.calibration_name) <= 64
    assert shortened("a" * 60 + " 2026-01-03 abababab", 64).endswith(" 2026-01-03 abababab")


def test_everything_is_in_the_json_file_and_what_has_no_value_is_null() -> None:
    one = measured([film("a", True)], [answered("a", 0.9)])
    value = json.loads(json.dumps(report.as_json(one, MADE), allow_nan=False))
    finding = value["findings"]["nodule"]
    assert finding["answer"]["numbers"]["specificity"] == {"value": None, "low": None, "high": None}
    assert finding["answer"]["table"] == {"hits": 1, "false_alarms": 0, "misses": 0, "rejections": 0}
    assert value["made"]["build"]["weights_digest"] == "ab" * 32
    assert value["made"]["bootstrap"]["by"] == "patient"


class Balanced(HTMLParser):
    """Every tag that is opened is closed, in order."""

    VOID = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def no_films() -> Evaluation:
    return measured([film("a", True)], [Result("a", FAILED, "undecodable", "<b>")])


@pytest.mark.parametrize("made", [calibrated, no_films], ids=["many", "none"])
def test_the_page_is_well_formed_and_asks_nothing_of_the_network(made: object) -> None:
    text = as_page(made(), MADE)  # type: ignore[operator]
    page = Balanced()
    page.feed(text)
    page.close()
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "b"} & set(page.seen)
    assert not any(k in ("src", "onload", "style") for k, _ in page.attributes)
    assert all(v is not None and v.startswith("#") for k, v in page.attributes if k == "href")
    for word in ("http", "url(", "@import", "nan", "<script"):
        assert word not in text.lower().replace("finan", ""), word
    for words in (
        "Not a medical device",
        "for commissioning, not for patients",
        "held-out",
        "films &amp; more",
        "ab" * 32,
    ):
        assert words in text


def test_the_page_names_every_film_that_was_not_read() -> None:
    text = as_page(no_films(), MADE)
    assert "Not read: 1" in text
    assert "undecodable" in text
    assert "&lt;b&gt;" in text


def test_results_are_continued_after_a_line_that_was_cut_off(tmp_path: Path) -> None:
    first = Result(
        "a", READ, shares={"nodule": 0.25}, draft={"nodule": Said(Presence.PRESENT, Laterality.LEFT)}, notes=("x",)
    )
    with Journal(tmp_path, HEAD) as journal:
        journal.add(first)
        journal.add(answered("b", 0.5))
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:-5])
    with Journal(tmp_path, HEAD) as journal:
        assert journal.results == {"a": first}
        journal.add(answered("c", 0.5))
    with Journal(tmp_path, HEAD) as journal:
        assert set(journal.results) == {"a", "c"}


def test_a_film_that_was_read_again_counts_once_and_by_its_last_result(tmp_path: Path) -> None:
    with Journal(tmp_path, HEAD) as journal:
        journal.add(answered("a", 0.5))
        journal.add(answered("b", 0.5))
        journal.let_go(["a"])
        assert set(journal.results) == {"b"}
        journal.add(answered("a", 0.75))
    with Journal(tmp_path, HEAD) as journal:
        assert {k: r.shares["nodule"] for k, r in journal.results.items()} == {"a": 0.75, "b": 0.5}


def test_the_threshold_of_a_model_that_is_very_sure_is_shown() -> None:
    films = [film(str(n), n < 2) for n in range(4)]
    evaluation = measured(films, [answered(str(n), 1.25e-5 if n < 2 else 1e-7) for n in range(4)])
    assert "1.25e-05" in as_page(evaluation, MADE)


def test_results_of_another_model_are_not_mixed_with_these(tmp_path: Path) -> None:
    with Journal(tmp_path, HEAD) as journal:
        journal.add(answered("a", 0.5))
    with pytest.raises(Permanent, match=r"differ in: build.*--restart"):
        Journal(tmp_path, HEAD | {"build": {"weights_digest": "1" * 64}})
    with Journal(tmp_path, HEAD | {"build": {}}, restart=True) as journal:
        assert journal.results == {}


def test_two_runs_do_not_write_into_one_another(tmp_path: Path) -> None:
    with Journal(tmp_path, HEAD), pytest.raises(Permanent, match="another run"):
        Journal(tmp_path, HEAD, restart=True)


def test_damage_in_the_middle_is_said(tmp_path: Path) -> None:
    with Journal(tmp_path, HEAD) as journal:
        journal.add(answered("a", 0.5))
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(Permanent, match="damaged"):
        Journal(tmp_path, HEAD)


@given(
    st.lists(
        st.tuples(st.sampled_from([True, False, None]), st.sampled_from([None, 0.0, 0.3, 0.5, 1.0]), st.integers(0, 3)),
        max_size=12,
    )
)
def test_whatever_is_there_or_missing_every_film_is_in_the_report(
    cases: list[tuple[bool | None, float | None, int]],
) -> None:
    films = [film(str(n), there, patient=str(patient)) for n, (there, _, patient) in enumerate(cases)]
    results = [
        answered(str(n), s) if s != 0.3 else Result(str(n), FAILED, "x", "y") for n, (_, s, _) in enumerate(cases)
    ]
    evaluation = measured(films, results)
    (one,) = evaluation.findings
    assert sum(evaluation.outcomes.values()) == len(cases)
    said = 0 if one.answer is None else one.answer.films
    assert said + one.unanswered + one.unlabelled + len(evaluation.not_read) == len(cases)
    assert json.dumps(report.as_json(evaluation, MADE), allow_nan=False)
    assert not math.isnan(len(as_page(evaluation, MADE)))
