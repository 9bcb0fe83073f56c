"""What is gathered about one finding while its sentence is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from structured_report.content import Laterality, Severity


@dataclass(slots=True)
class Gathered:
    """Sides, degrees and places found so far; `doubt` when the sides do not fit together."""

    sides: set[Laterality] = field(default_factory=set)
    doubt: bool = False
    severities: set[Severity] = field(default_factory=set)
    places: set[str] = field(default_factory=set)

    @property
    def laterality(self) -> Laterality | None:
        """The one side, both, or none when nothing is said or it is doubtful."""
        if self.doubt:
            return None
        if len(self.sides) == 1:
            return next(iter(self.sides))
        return Laterality.BILATERAL if self.sides else None


def differ(sides: set[Laterality]) -> bool:
    """Whether the sides are left and right, without a word that says both."""
    return len(sides) > 1 and Laterality.BILATERAL not in sides
