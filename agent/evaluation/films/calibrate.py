"""How far the short answers are from probabilities, and the lines that would bring them nearer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.evaluation.films.platt import fit, is_for_fitting
from agent.evaluation.films.statistics import Bin, Flags, Numbers, brier, calibration_error, reliability
from agent.reading.calibration import Calibration


@dataclass(frozen=True, slots=True)
class Reliability:
    """Probabilities against truth on some films: Brier score, expected calibration error, and the table behind it."""

    films: int
    brier: float
    ece: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Fitted:
    """One finding.

    Attributes:
        raw: the shares of yes over no as they are, all films.
        in_force: by the calibration of the settings, all films; None without one for the finding.
        line: (slope, intercept) on the log-odds, fitted on one half of the patients; None where `why_not` says why.
        before, after: the other half, without and with the line.
    """

    raw: Reliability
    in_force: Reliability | None
    line: tuple[float, float] | None
    why_not: str
    before: Reliability | None
    after: Reliability | None


def calibrate(finding: str, shares: Numbers, there: Flags, patients: Sequence[str], in_force: Calibration) -> Fitted:
    """Look, fit on one half, look at the other."""
    raw = _reliability(shares, there)
    used = _reliability(_by(in_force, finding, shares), there) if finding in in_force.lines else None
    fitting = np.asarray([is_for_fitting(p) for p in patients], np.bool_)
    try:
        line = fit(shares[fitting], there[fitting])
    except ValueError as error:
        return Fitted(raw, used, None, str(error), None, None)
    rest, known = shares[~fitting], there[~fitting]
    new = Calibration("fitted", {finding: line})
    return Fitted(raw, used, line, "", _reliability(rest, known), _reliability(_by(new, finding, rest), known))


def _by(calibration: Calibration, finding: str, shares: Numbers) -> Numbers:
    """As the line would do it."""
    return np.asarray([calibration.probability(finding, float(s)).value for s in shares], np.float64)


def _reliability(probabilities: Numbers, there: Flags) -> Reliability:
    ones = np.ones(len(there))
    return Reliability(
        len(there),
        brier(probabilities, there, ones),
        calibration_error(probabilities, there, ones),
        reliability(probabilities, there, ones),
    )
