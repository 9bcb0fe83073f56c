"""What was asked of what, and when: it stands on top of every report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.reading.calibration import shortened

_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Made:
    """How the numbers came about.

    Attributes:
        build: JSON form of the provenance of the build that answered: weights digest, quantization, protocol.
        engine: and its versions; `device` it ran on.
        test_set: name of the test set, or empty.
        folder, labels: as they were named; `labels_sha256` of the file.
        calibration: name of the one in force, or empty.
        flags_only: no drafts were asked for.
    """

    at: datetime
    build: Mapping[str, Any]
    engine: str
    device: str
    test_set: str
    folder: str
    labels: str
    labels_sha256: str
    calibration: str
    flags_only: bool

    @property
    def calibration_name(self) -> str:
        """What results that use the lines fitted here will say they are calibrated by."""
        end = f"{self.at:%Y-%m-%d} {self.build['weights_digest'].removeprefix('served:')[:8]}"
        room = _LONGEST - len(f"evaluate  {end}")  # the date and the digest tell two of them apart, so they stay whole
        return " ".join(("evaluate", shortened(self.test_set, room), end) if self.test_set else ("evaluate", end))
