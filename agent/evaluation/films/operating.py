"""What a threshold on the short answer would mean: how much is found, how much is flagged for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.evaluation.films.statistics import Flags, Numbers, Table
from agent.reading.calibration import Calibration
from agent.reading.triage import Rule

GRID = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
WANTED = (0.9, 0.95)  # sensitivities for which a threshold is looked up


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold.

    Attributes:
        what: why it is in the table; empty for one of the grid.
        threshold: called from there on, on the share of yes over no; of a rule, on what the rule is applied to.
        chosen_here: it was looked up on the very films it is shown for, and will do worse on others.
        numbers: as of `Table`.
    """

    what: str
    threshold: float
    chosen_here: bool
    numbers: dict[str, float]


def operating_points(
    scores: Numbers, there: Flags, patients: Sequence[str], rules: Sequence[Rule], in_force: Calibration
) -> tuple[Point, ...]:
    """The grid, the site's own triage rules, and thresholds looked up on these films."""
    ones = np.ones(len(patients))

    def at(what: str, threshold: float, of: Numbers, *, chosen_here: bool = False) -> Point:
        return Point(what, threshold, chosen_here, Table.of(of >= threshold, there, ones).numbers)

    points = [at("", t, scores) for t in GRID]
    for rule in rules:
        used = np.asarray([in_force.probability(rule.finding, float(s)).value for s in scores])
        points.append(at(f"triage rule: {rule.priority}", rule.probability, used))
    if there.any() and not there.all():
        points += [
            at(f"sensitivity of at least {wanted:.2f}", _reaching(scores, there, wanted), scores, chosen_here=True)
            for wanted in WANTED
        ]
        points.append(at("largest sum of both (Youden)", _youden(scores, there), scores, chosen_here=True))
    return tuple(points)


def _reaching(scores: Numbers, there: Flags, sensitivity: float) -> float:
    """The highest threshold at which at least that share of the films with the finding is called."""
    falling = np.sort(scores[there])[::-1]
    return float(falling[int(np.ceil(sensitivity * len(falling) - 1e-9)) - 1])


def _youden(scores: Numbers, there: Flags) -> float:
    """The threshold at which sensitivity and specificity together are largest; the highest of equals."""
    thresholds = np.unique(scores)[::-1]
    with_it, without = np.sort(scores[there]), np.sort(scores[~there])
    called = 1 - np.searchsorted(with_it, thresholds, "left") / len(with_it)
    silent = np.searchsorted(without, thresholds, "left") / len(without)
    return float(thresholds[int(np.argmax(called + silent))])
