"""Fitting what turns short answers into probabilities: a line through the log-odds (Platt 1999), for each finding, by
Newton's method with Platt's targets (Lin, Lin and Weng 2007)."""

from __future__ import annotations

import hashlib
import math

import numpy as np

from agent.evaluation.films.statistics import Flags, Numbers
from agent.reading.calibration import CLOSEST

LEAST = 10  # films with the finding, and without it
_STEPS = 100


def is_for_fitting(patient: str) -> bool:
    """Which half a patient is in: lines are fitted on one and looked at on the other. The same patient is always in the
    same half."""
    return hashlib.sha256(patient.encode()).digest()[0] % 2 == 0


def log_odds(shares: Numbers) -> Numbers:
    """Natural log-odds, as `agent.reading.calibration` takes them."""
    held = np.clip(shares, CLOSEST, 1 - CLOSEST)
    return np.asarray(np.log(held / (1 - held)))


def fit(shares: Numbers, truth: Flags) -> tuple[float, float]:
    """(slope, intercept) of the line.

    Raises:
        ValueError: there is nothing to fit; the message says why.
    """
    there, absent = int(truth.sum()), int((~truth).sum())
    if min(there, absent) < LEAST:
        raise ValueError(f"{there} films with and {absent} without the finding to fit on; it takes {LEAST} of each")
    x = log_odds(shares)
    if float(x.max()) == float(x.min()):
        raise ValueError("the answer is the same for every film")
    wanted = np.where(truth, (there + 1) / (there + 2), 1 / (absent + 2))
    slope, intercept = _newton(x, wanted, math.log((there + 1) / (absent + 1)))
    if slope <= 0:
        raise ValueError("the answers say nothing of the finding, or the opposite")
    return slope, intercept


def _newton(x: Numbers, wanted: Numbers, intercept: float) -> tuple[float, float]:
    point, loss = np.array([0.0, intercept]), math.inf
    design = np.stack([x, np.ones_like(x)])
    step = np.zeros(2)
    for _ in range(_STEPS):
        tried = _loss(x, wanted, point + step)
        while tried > loss and float(np.abs(step).max()) > 1e-12:
            step = step / 2
            tried = _loss(x, wanted, point + step)
        point, gained, loss = point + step, loss - tried, tried
        if gained < 1e-12:
            break
        p = 1 / (1 + np.exp(-np.clip(point[0] * x + point[1], -50, 50)))
        gradient = design @ (p - wanted)
        curvature = (design * (p * (1 - p))) @ design.T + 1e-12 * np.eye(2)
        step = -np.linalg.solve(curvature, gradient)
    return float(point[0]), float(point[1])


def _loss(x: Numbers, wanted: Numbers, point: Numbers) -> float:
    odds = point[0] * x + point[1]
    return float(np.sum(np.logaddexp(0, odds) - wanted * odds))
