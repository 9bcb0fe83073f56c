"""The numbers, each as it is defined in any textbook. Every function takes weights, one a film, so that a bootstrap over
patients is the same function with other weights.

Scores are float64, 0 to 1, one a film; `truth` is bool of the same length; `weights` are float64, not negative. A number
that has no value, because nothing is there to divide by, is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
BINS = 10


def auc(scores: Numbers, truth: Flags, weights: Numbers) -> float:
    """Area under the ROC curve: the chance that a film with the finding scores above one without it, ties counted half."""
    _, place = np.unique(scores, return_inverse=True)
    return auc_of_places(place, truth, weights)


def auc_of_places(place: NDArray[np.intp], truth: Flags, weights: Numbers) -> float:
    """The same, of scores that are given by their rank; equal scores have equal ranks."""
    ranks = int(place.max()) + 1 if len(place) else 0
    positive = np.bincount(place, weights * truth, ranks)
    negative = np.bincount(place, weights * ~truth, ranks)
    below = np.cumsum(negative) - negative
    return _share(float(np.sum(positive * (below + negative / 2))), float(positive.sum() * negative.sum()))


@dataclass(frozen=True, slots=True)
class Table:
    """A two by two table: weighted numbers of films."""

    hits: float  # called and there
    false_alarms: float  # called and not there
    misses: float  # not called and there
    rejections: float  # not called and not there

    @classmethod
    def of(cls, called: Flags, truth: Flags, weights: Numbers) -> Table:
        """Count."""
        return cls(
            *(float(weights[w].sum()) for w in (called & truth, called & ~truth, ~called & truth, ~called & ~truth))
        )

    @property
    def numbers(self) -> dict[str, float]:
        """Sensitivity, specificity, positive and negative predictive value, and the share of films that are called."""
        called, there = self.hits + self.false_alarms, self.hits + self.misses
        silent, absent = self.misses + self.rejections, self.false_alarms + self.rejections
        return {
            "sensitivity": _share(self.hits, there),
            "specificity": _share(self.rejections, absent),
            "ppv": _share(self.hits, called),
            "npv": _share(self.rejections, silent),
            "flag_rate": _share(called, called + silent),
        }


def brier(probabilities: Numbers, truth: Flags, weights: Numbers) -> float:
    """Mean squared difference of probability and truth; 0 is perfect, 0.25 is always saying one half."""
    return _share(float(np.sum(weights * (probabilities - truth) ** 2)), float(weights.sum()))


@dataclass(frozen=True, slots=True)
class Bin:
    """Films whose probability lies in [low, high), the last bin including 1: how many, what was said on average, and how
    many of them have the finding."""

    low: float
    high: float
    films: float
    said: float
    found: float


def reliability(probabilities: Numbers, truth: Flags, weights: Numbers) -> tuple[Bin, ...]:
    """The reliability table: `BINS` bins of equal width; empty ones are left out."""
    place = np.minimum((probabilities * BINS).astype(np.intp), BINS - 1)
    films = np.bincount(place, weights, BINS)
    said, found = (np.bincount(place, weights * v, BINS) for v in (probabilities, truth))
    return tuple(
        Bin(n / BINS, (n + 1) / BINS, float(films[n]), float(said[n] / films[n]), float(found[n] / films[n]))
        for n in range(BINS)
        if films[n] > 0
    )


def calibration_error(probabilities: Numbers, truth: Flags, weights: Numbers) -> float:
    """Expected calibration error: how far a bin's probability is from its truth, averaged over films."""
    bins = reliability(probabilities, truth, weights)
    return _share(sum(b.films * abs(b.said - b.found) for b in bins), sum(b.films for b in bins))


def roc(scores: Numbers, truth: Flags) -> tuple[Numbers, Numbers]:
    """The curve: (1 - specificity, sensitivity), both rising from 0 to 1, one point a threshold."""
    values, place = np.unique(scores, return_inverse=True)
    positive = np.bincount(place, truth.astype(float), len(values))[::-1]
    negative = np.bincount(place, (~truth).astype(float), len(values))[::-1]
    steps = (np.concatenate([[0.0], np.cumsum(side) / max(side.sum(), 1.0)]) for side in (negative, positive))
    false_rate, true_rate = steps
    return false_rate, true_rate


def wilson(successes: float, total: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion."""
    if total <= 0:
        return math.nan, math.nan
    z, share = 1.959963984540054, successes / total
    middle = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, (middle - half) / (1 + z * z / total)), min(1.0, (middle + half) / (1 + z * z / total))


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """NaN as None, which JSON has."""
    return {k: None if math.isnan(v) else v for k, v in values.items()}
