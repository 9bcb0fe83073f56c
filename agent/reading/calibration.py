"""What turns the model's short answers into probabilities that mean something: a line through the log-odds for each
finding (Platt), made by `preread evaluate` on labelled films of the site or shipped with a checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import SettingsError
from structured_report.content import Probability
from structured_report.vocabulary import vocabulary

CLOSEST = 1e-6  # log-odds of 0 and 1 do not exist


@dataclass(frozen=True, slots=True)
class Calibration:
    """`lines`: finding -> (slope, intercept) on the natural log-odds. An empty name calibrates nothing."""

    name: str
    lines: Mapping[str, tuple[float, float]]

    def probability(self, concept: str, share: float) -> Probability:
        """The share of yes over no as a probability; unchanged, and uncalibrated, where there is no line."""
        if not self.name or concept not in self.lines:
            return Probability(concept, share)
        slope, intercept = self.lines[concept]
        held = min(max(share, CLOSEST), 1 - CLOSEST)
        odds = slope * math.log(held / (1 - held)) + intercept
        return Probability(concept, 1 / (1 + math.exp(-max(-50.0, min(50.0, odds)))), self.name)


UNCALIBRATED = Calibration("", {})


def load_calibration(file: Path | None) -> Calibration:
    """The calibration in a JSON file ``{"name": ..., "findings": {finding: [slope, intercept]}}``; none without a file.

    Raises:
        SettingsError: the file cannot be read or used.
    """
    if file is None:
        return UNCALIBRATED
    try:
        return parse_calibration(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(f"triage.calibration: {file}: {words}", code="calibration-invalid") from error


def parse_calibration(value: Any) -> Calibration:
    """The calibration that a JSON value describes. Raises `ValueError`, `TypeError` or `KeyError` for anything else."""
    lines = {str(k): (float(slope), float(intercept)) for k, (slope, intercept) in value["findings"].items()}
    if unknown := sorted(set(lines) - set(vocabulary())):
        raise ValueError(f"{', '.join(unknown)} is not in the vocabulary")
    if not str(value["name"]).strip() or not all(math.isfinite(n) for line in lines.values() for n in line):
        raise ValueError("a calibration has a name and finite numbers")
    return Calibration(str(value["name"])[:64], lines)
