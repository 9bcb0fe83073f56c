"""What a model said about one film, as it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from structured_report.content import Laterality, Presence

FLAGGED, READ, ABSTAINED, FAILED = "flagged", "read", "abstained", "failed"


@dataclass(frozen=True, slots=True)
class Said:
    """What the draft says of a finding."""

    presence: Presence
    side: Laterality | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One film.

    Attributes:
        file: as in the labels.
        outcome: ``flagged`` (short questions only), ``read``, ``abstained`` (short answers, and no usable draft) or
            ``failed`` (nothing).
        reason: stable code of what went wrong, `words` the same for a person.
        test_set: the named test set it is of, or empty.
        sha256: of the file; empty when it could not be read.
        shares: finding -> share of yes over no, uncalibrated; None when the engine gives no probabilities.
        answers: finding -> yes or no; what was answered with neither is left out.
        draft: finding -> what the draft says; what it does not name is left out.
        seconds: wall time.
        may_pass: it failed in a way that another try may not.
    """

    file: str
    outcome: str
    reason: str = ""
    words: str = ""
    test_set: str = ""
    sha256: str = ""
    shares: Mapping[str, float | None] = field(default_factory=dict)
    answers: Mapping[str, bool] = field(default_factory=dict)
    draft: Mapping[str, Said] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    may_pass: bool = False

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Result:
        """The result that :meth:`to_json` wrote. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        draft = {
            finding: Said(Presence(said["presence"]), Laterality(said["side"]) if said["side"] else None)
            for finding, said in value["draft"].items()
        }
        return cls(**(value | {"draft": draft, "notes": tuple(value["notes"])}))

    def score(self, finding: str) -> float | None:
        """How sure the short answer is of the finding, 0 to 1; a bare yes or no counts as 1 or 0. None when there is no
        answer."""
        share = self.shares.get(finding)
        if share is not None:
            return share
        return None if finding not in self.answers else float(self.answers[finding])
