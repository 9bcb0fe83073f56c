"""Numbers that a site decides by: each against one worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evaluation.films.bootstrap import Interval, intervals, widened
from agent.evaluation.films.platt import fit, is_for_fitting
from agent.evaluation.films.statistics import (
    Table,
    auc,
    brier,
    calibration_error,
    reliability,
    roc,
    wilson,
)
from agent.reading.calibration import Calibration


def numbers(*values: float) -> np.ndarray:
    return np.asarray(values, float)


def flags(text: str) -> np.ndarray:
    return np.asarray([c == "1" for c in text])


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ((0.1, 0.2, 0.8, 0.9), "0011", 1.0),
        ((0.9, 0.8, 0.2, 0.1), "0011", 0.0),
        ((0.5, 0.5, 0.5, 0.5), "0101", 0.5),
        # Pairs (with, without): (.35, .1) and (.35, .4), (.8, .1) and (.8, .4): three of four in order.
        ((0.1, 0.4, 0.35, 0.8), "0011", 0.75),
        # One tie of four pairs.
        ((0.1, 0.4, 0.4, 0.8), "0011", 0.875),
    ],
)
def test_auc_is_the_share_of_pairs_in_order(scores: tuple[float, ...], truth: str, expected: float) -> None:
    assert auc(numbers(*scores), flags(truth), np.ones(len(scores))) == pytest.approx(expected)


def test_auc_of_one_kind_of_film_has_no_value() -> None:
    assert math.isnan(auc(numbers(0.1, 0.9), flags("11"), np.ones(2)))


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.booleans(), st.integers(0, 3)), min_size=2))
def test_a_weight_counts_like_so_many_copies(films: list[tuple[float, bool, int]]) -> None:
    scores, truth = numbers(*(f[0] for f in films)), np.asarray([f[1] for f in films])
    copies = np.asarray([f[2] for f in films])
    one = auc(scores, truth, copies.astype(float))
    other = auc(np.repeat(scores, copies), np.repeat(truth, copies), np.ones(int(copies.sum())))
    assert one == pytest.approx(other, nan_ok=True)


def test_a_two_by_two_table() -> None:
    # 4 with the finding, 3 of them called; 6 without it, 1 of them called.
    called, truth = flags("1110100000"), flags("1111000000")
    found = Table.of(called, truth, np.ones(10))
    assert (found.hits, found.false_alarms, found.misses, found.rejections) == (3, 1, 1, 5)
    assert found.numbers == pytest.approx(
        {"sensitivity": 3 / 4, "specificity": 5 / 6, "ppv": 3 / 4, "npv": 5 / 6, "flag_rate": 4 / 10}
    )


def test_a_share_of_nothing_has_no_value() -> None:
    values = Table.of(flags("00"), flags("00"), np.ones(2)).numbers
    assert math.isnan(values["sensitivity"])
    assert math.isnan(values["ppv"])
    assert values["specificity"] == 1.0


def test_brier_and_calibration_error_by_hand() -> None:
    probabilities, truth, ones = numbers(0.1, 0.1, 0.9, 0.9), flags("0111"), np.ones(4)
    assert brier(probabilities, truth, ones) == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    # [0.1, 0.2): said 0.1, found 0.5; [0.9, 1]: said 0.9, found 1.0.
    assert calibration_error(probabilities, truth, ones) == pytest.approx((2 * 0.4 + 2 * 0.1) / 4)
    low, high = reliability(probabilities, truth, ones)
    assert (low.low, low.films, low.said, low.found) == pytest.approx((0.1, 2, 0.1, 0.5))
    assert (high.high, high.films, high.said, high.found) == pytest.approx((1.0, 2, 0.9, 1.0))


def test_certainty_belongs_to_the_last_bin() -> None:
    (only,) = reliability(numbers(1.0), flags("1"), np.ones(1))
    assert (only.low, only.high) == (0.9, 1.0)


def test_the_roc_curve_by_hand() -> None:
    across, up = roc(numbers(0.1, 0.4, 0.35, 0.8), flags("0011"))
    assert across.tolist() == [0, 0, 0.5, 0.5, 1]
    assert up.tolist() == [0, 0.5, 0.5, 1, 1]
    assert float(np.sum(np.diff(across) * (up[1:] + up[:-1]) / 2)) == pytest.approx(0.75)


def test_wilson_by_hand() -> None:
    # 10 of 10: (1 + z2/20 +- z sqrt(z2/400)) / (1 + z2/10) = 1 / (1 + z2/10) and 1.
    z2 = 1.959963984540054**2
    assert wilson(10, 10) == pytest.approx((1 / (1 + z2 / 10), 1.0))
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_a_bootstrap_is_over_patients_and_repeats() -> None:
    """Four films of one patient are one patient: with two patients, a draw is one, the other or both."""
    patients = ["a"] * 4 + ["b"] * 4
    values = np.asarray([1.0] * 4 + [0.0] * 4)

    def mean(weights: np.ndarray) -> dict[str, float]:
        return {"mean": float((weights * values).sum() / weights.sum())}

    found = intervals(patients, mean)
    assert found == intervals(patients, mean)
    assert found["mean"] == Interval(0.5, 0.0, 1.0)
    apart = intervals([str(n) for n in range(8)], mean)["mean"]
    assert 0.0 < apart.low < 0.5 < apart.high < 1.0


def test_a_proportion_without_a_miss_is_not_certain() -> None:
    assert widened(Interval(1.0, 1.0, 1.0), 10).low == pytest.approx(wilson(10, 10)[0])
    assert widened(Interval(0.9, 0.8, 1.0), 10) == Interval(0.9, 0.8, 1.0)


def test_platt_finds_the_line_that_made_the_truth() -> None:
    rng = np.random.default_rng(3)
    odds = rng.normal(0, 3, 40_000)
    truth = rng.random(40_000) < 1 / (1 + np.exp(-(0.6 * odds - 1.2)))
    slope, intercept = fit(1 / (1 + np.exp(-odds)), truth)
    assert (slope, intercept) == pytest.approx((0.6, -1.2), abs=0.05)
    # The line means the same to the reading as to the fit.
    used = Calibration("x", {"nodule": (slope, intercept)}).probability("nodule", 0.5)
    assert used.value == pytest.approx(1 / (1 + math.exp(-intercept)))


def test_platt_by_hand_on_two_answers() -> None:
    """20 films say 0.2, of which 5 have it; 20 say 0.8, of which 15 do. A line through two points is exact: it maps the
    answers to the mean of Platt's targets, 21/22 for those with and 1/22 for those without."""
    shares = np.asarray([0.2] * 20 + [0.8] * 20)
    truth = np.asarray([True] * 5 + [False] * 15 + [True] * 15 + [False] * 5)
    slope, intercept = fit(shares, truth)
    low = (5 * 21 / 22 + 15 / 22) / 20
    for share, wanted in ((0.2, low), (0.8, 1 - low)):
        odds = slope * math.log(share / (1 - share)) + intercept
        assert 1 / (1 + math.exp(-odds)) == pytest.approx(wanted, abs=1e-6)


def test_perfectly_parted_films_give_a_steep_and_finite_line() -> None:
    slope, intercept = fit(np.asarray([0.01] * 20 + [0.99] * 20), np.asarray([False] * 20 + [True] * 20))
    assert 0 < slope < 10
    assert abs(intercept) < 1


@pytest.mark.parametrize(
    ("shares", "truth", "words"),
    [
        ([0.2] * 9 + [0.8] * 20, [True] * 9 + [False] * 20, "it takes 10 of each"),
        ([0.5] * 40, [True, False] * 20, "the same for every film"),
        ([0.9] * 20 + [0.1] * 20, [False] * 20 + [True] * 20, "or the opposite"),
    ],
)
def test_what_cannot_be_calibrated_is_said(shares: list[float], truth: list[bool], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit(np.asarray(shares), np.asarray(truth))


def test_a_patient_is_in_one_half_and_the_halves_are_about_equal() -> None:
    halves = [is_for_fitting(f"patient {n}") for n in range(1000)]
    assert halves == [is_for_fitting(f"patient {n}") for n in range(1000)]
    assert 430 < sum(halves) < 570
