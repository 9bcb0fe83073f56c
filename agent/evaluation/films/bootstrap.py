"""95 % intervals by drawing patients again, with replacement: films of one patient are not independent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.evaluation.films.statistics import Numbers, wilson

DRAWS = 1000
SEED = 20260103


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and its interval; NaN where there is none."""

    value: float
    low: float
    high: float


def intervals(
    patients: Sequence[str], measure: Callable[[Numbers], Mapping[str, float]], *, draws: int = DRAWS
) -> dict[str, Interval]:
    """What `measure` says, and how far that moves when other patients are drawn.

    Args:
        patients: of each film.
        measure: from weights, one a film, to named numbers.
    """
    value = measure(np.ones(len(patients)))
    drawn = [measure(weights) for weights in _drawn(patients, draws)]
    return {name: _interval(v, [d[name] for d in drawn]) for name, v in value.items()}


def _drawn(patients: Sequence[str], draws: int) -> Iterator[Numbers]:
    """The number of times each film is in a draw, one array a draw; the same films give the same draws."""
    names, of = np.unique(np.asarray(patients), return_inverse=True)
    rng = np.random.default_rng(SEED)
    for _ in range(draws):
        yield np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[of].astype(np.float64)


def _interval(value: float, drawn: Sequence[float]) -> Interval:
    """Percentiles; a draw without a value, for want of films of one kind, says nothing."""
    known = [d for d in drawn if not math.isnan(d)]
    if math.isnan(value) or not known:
        return Interval(value, math.nan, math.nan)
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def widened(interval: Interval, patients: int) -> Interval:
    """A proportion that never moved, because it is 0 or 1, is not known any better than its patients allow: Wilson's
    interval over so many."""
    if math.isnan(interval.value) or interval.low < interval.high:
        return interval
    return Interval(interval.value, *wilson(interval.value * patients, patients))
