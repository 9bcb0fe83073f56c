"""The boxes of a pre-read with the words that stand beside them: the same on the summary picture and in the presentation state."""

from __future__ import annotations

from dataclasses import dataclass

from structured_report.content import Finding, Laterality, PreRead, Presence, Region
from structured_report.groups import regions_by_finding
from structured_report.vocabulary import vocabulary, whole_vocabulary

_SIDES = {Laterality.LEFT: "left", Laterality.RIGHT: "right", Laterality.BILATERAL: "both sides"}


@dataclass(frozen=True, slots=True)
class Mark:
    """One box: its number, counted from 1 over the whole study, and the finding that it belongs to."""

    number: int
    region: Region
    finding: Finding

    @property
    def label(self) -> str:
        """Number, finding and side in one short line. The side is that of the box where it has one."""
        side = self.region.laterality or self.finding.laterality
        words = [vocabulary()[self.finding.concept].code.meaning, *([] if side is None else [_SIDES[side]])]
        return f"{self.number} {', '.join(words)}"


def marks(preread: PreRead) -> list[Mark]:
    """The boxes in the order of the findings. A box that belongs to no finding that is present has no mark, as it has no
    group in the report."""
    owned = regions_by_finding(preread)
    pairs = [(finding, box) for finding in preread.findings for box in owned.get(finding, ())]
    return [Mark(number, box, finding) for number, (finding, box) in enumerate(pairs, start=1)]


def phrase(finding: Finding) -> str:
    """A finding in words: what, which side, how much of it, where."""
    words = [vocabulary()[finding.concept].code.meaning]
    if finding.laterality is not None:
        words.append(_SIDES[finding.laterality])
    if finding.severity is not None:
        words.append(str(finding.severity))
    if finding.place:
        words.append(whole_vocabulary().places[finding.place].code.meaning.lower())
    return ", ".join(words)


def stated(preread: PreRead, presence: Presence) -> list[Finding]:
    """What the draft, and after it the short questions, say with that presence."""
    return [f for f in (*preread.findings, *preread.checked) if f.presence is presence]
