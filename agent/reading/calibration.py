"""What turns the model's short answers into probabilities that mean something: a line through the log-odds for each
finding (Platt), made by `preread evaluate` on labelled films of the site or shipped with a checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import SettingsError
from agent.model.weights import card_of
from agent.settings import Settings
from structured_report.content import Probability
from structured_report.vocabulary import vocabulary

CLOSEST = 1e-6  # log-odds of 0 and 1 do not exist
# What a calibration may name of the build whose answers it was fitted on, and how a person calls it.
_NAMED = {"weights_digest": "weights", "quantization": "quantization", "prompt_id": "protocol"}
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Calibration:
    """An empty name calibrates nothing.

    Attributes:
        lines: finding -> (slope, intercept) on the natural log-odds.
        fitted_on: what it names of the build whose answers it was fitted on; it may name nothing.
    """

    name: str
    lines: Mapping[str, tuple[float, float]]
    fitted_on: Mapping[str, str] = field(default_factory=dict)

    def mismatch(self, build: Mapping[str, str]) -> str:
        """Why it does not hold for the answers of that build, in words; empty when it does, or names none.

        Args:
            build: ``weights_digest``, ``quantization`` and ``prompt_id``, those that are known.
        """
        odd = self.differences(build)
        if not odd:
            return ""
        which = " and ".join(f"{_NAMED[key]} {wanted}, not {found}" for key, wanted, found in odd)
        return f"{self.name} is not used, and probabilities are uncalibrated: it was fitted on {which}"

    def differences(self, build: Mapping[str, str]) -> list[tuple[str, str, str]]:
        """Where that build is another than the one it was fitted on: what, what it was, what it is."""
        odd = [(k, v) for k, v in self.fitted_on.items() if k in build and build[k] != v]
        return [(key, _short(wanted), _short(build[key])) for key, wanted in odd]

    def probability(self, concept: str, share: float) -> Probability:
        """The share of yes over no as a probability; unchanged, and uncalibrated, where there is no line."""
        if not self.name or concept not in self.lines:
            return Probability(concept, share)
        slope, intercept = self.lines[concept]
        held = min(max(share, CLOSEST), 1 - CLOSEST)
        odds = slope * math.log(held / (1 - held)) + intercept
        return Probability(concept, 1 / (1 + math.exp(-max(-50.0, min(50.0, odds)))), self.name)


UNCALIBRATED = Calibration("", {})


def calibration_of(settings: Settings) -> Calibration:
    """The site's own, else the one that came with the checkpoint, else none. Raises `SettingsError`."""
    folder = Path(settings.model.weights)
    if settings.triage.calibration is None and settings.model.backend == "local" and folder.is_dir():
        shipped = card_of(folder).calibration
        return UNCALIBRATED if shipped is None else parse_calibration(shipped)
    return load_calibration(settings.triage.calibration)


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
    of = value.get("fitted_on") or {}
    fitted_on = {k: str(of[k]) for k in _NAMED if of.get(k)}
    return Calibration(shortened(str(value["name"]), _LONGEST_NAME), lines, fitted_on)


def shortened(name: str, longest: int) -> str:
    """A name whose end tells it from others, cut in its middle."""
    if len(name) <= longest:
        return name
    end = longest // 2
    return f"{name[: longest - end - 3]}...{name[-end:]}"


def _short(named: str) -> str:
    """Enough of a digest to tell two apart."""
    return f"{named[:12]}..." if len(named) > 40 else named or "unknown"
