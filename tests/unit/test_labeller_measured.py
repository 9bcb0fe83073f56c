"""The labeller against other people's reports: the numbers of docs/labeller.md hold, and can be had with one command."""

from __future__ import annotations

import importlib.util
import json
from functools import cache

import pytest
from click.testing import CliRunner

from agent.commands.bench import bench
from agent.errors import Permanent
from agent.evaluation.corpus import Half, corpus, half_of
from agent.evaluation.labeller import Count, Measured, Row, macro, measure
from agent.evaluation.mapping import CHEXPERT, FINDINGS
from agent.evaluation.sides import check_sides, mirrored
from structured_report.vocabulary import vocabulary

needs_corpus = pytest.mark.skipif(
    importlib.util.find_spec("radlabels") is None, reason="radlabels is not installed; make test does it"
)


@cache
def _measured(half: Half) -> Measured:
    return measure(half)


@needs_corpus
@pytest.mark.parametrize("half", list(Half))
def test_the_labeller_is_as_good_as_published(half: Half) -> None:
    measured = _measured(half)
    named, present, absent = measured.micro.named, measured.micro.present, measured.micro.absent
    assert _all(named.precision, 0.90, named.precision_where_said, 0.99, named.recall, 0.955)
    assert _all(present.precision, 0.885, present.precision_where_said, 0.98, present.recall, 0.815)
    assert _all(absent.precision_where_said, 0.96, absent.recall, 0.97)


@needs_corpus
def test_a_pneumothorax_is_not_missed() -> None:
    """What is missed was looked at: docs/labeller.md says what each one is."""
    rows = [next(r for r in _measured(half).rows if r.finding == "pneumothorax") for half in Half]
    found = rows[0].named + rows[1].named
    assert found.recall is not None
    assert found.recall >= 0.97
    denied = rows[0].absent + rows[1].absent
    assert denied.precision_where_said is not None
    assert denied.precision_where_said >= 0.985


@needs_corpus
@pytest.mark.parametrize("half", list(Half))
def test_no_side_of_a_real_report_is_swapped(half: Half) -> None:
    assert _measured(half).sides.stated > 700
    assert _measured(half).sides.swapped == 0


@needs_corpus
def test_the_halves_are_halves_and_stay_the_same() -> None:
    reports = corpus()
    assert len(reports) == 1000
    assert [sum(r.half is half for r in reports) for half in (Half.SEEN, Half.HELD_OUT)] == [492, 508]
    assert half_of("synth_0001") is half_of("synth_0001")
    assert not any("INDICATION:" in r.text for r in reports)


@needs_corpus
def test_the_command_prints_the_table_and_speaks_json() -> None:
    table = CliRunner().invoke(bench, ["labels", "--half", "held-out"])
    assert table.exit_code == 0
    for words in ("pneumothorax", "micro", "macro", "Pleural Other", "No Finding", "sides stated"):
        assert words in table.output
    values = json.loads(CliRunner().invoke(bench, ["labels", "--half", "seen", "--half", "held-out", "--json"]).output)
    assert [v["half"] for v in values] == ["seen", "held-out"]
    assert set(values[0]["findings"]) == {*FINDINGS, "micro", "macro"}
    assert values[0]["findings"]["micro"]["present"]["recall"] == _measured(Half.SEEN).micro.present.recall


def test_without_the_corpus_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Permanent, match=r"pip install .*radlabels"):
        measure()


def test_every_finding_of_the_vocabulary_is_measured() -> None:
    assert {c for mapped in FINDINGS.values() for c in mapped.concepts} == set(vocabulary())
    assert len(CHEXPERT) == 13  # and No Finding


def test_precision_counts_the_silence_of_the_corpus_unless_told_otherwise() -> None:
    count = Count(right=8, wrong=1, silent=1, missed=2)
    assert (count.precision, count.precision_where_said, count.recall) == (0.8, 8 / 9, 0.8)
    assert Count().precision is None
    rows = [Row("x", count, count, count), Row("rare", Count(right=1), Count(), Count())]
    assert macro(rows, "named", "recall") == 0.8


def test_a_mirrored_text_is_the_text_seen_in_a_mirror() -> None:
    text = "Left base, RLL, R > L, bright light, LEFT."
    assert mirrored(text) == "Right base, LLL, L > R, bright light, RIGHT."
    assert mirrored(mirrored(text)) == text
    assert check_sides("Small left effusion.").swapped == 0


def _all(*pairs: float | None) -> bool:
    numbers = iter(pairs)
    return all(
        value is not None and floor is not None and value >= floor
        for value, floor in zip(numbers, numbers, strict=True)
    )
