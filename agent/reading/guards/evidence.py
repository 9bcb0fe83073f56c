"""What guards look at and what comes out of them. Frozen; a guard makes a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.model.parsing import SaidBox
from structured_report.content import Finding, Laterality, Probability, Verdict


@dataclass(frozen=True, slots=True)
class Draft:
    """The words of one reading, normalised, as the model gave them."""

    reasoning: str
    findings: str
    impression: str = ""
    comparison: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What else is known about the study.

    Attributes:
        has_prior: a prior image was shown to the model.
        indication: what was asked, as far as it is known.
        probabilities: the short answers of the flag, by finding.
        boxes: for each finding that was asked for, the boxes of the reply, in percent of the frontal picture.
        pixel_spacing_known: millimetres can be measured in this image.
    """

    has_prior: bool = False
    indication: str = ""
    probabilities: Mapping[str, Probability] = field(default_factory=dict)
    boxes: Mapping[str, tuple[SaidBox, ...]] = field(default_factory=dict)
    pixel_spacing_known: bool = False


@dataclass(frozen=True, slots=True)
class Located:
    """A box that was believed: fractions 0 to 1 of the frontal picture's width and height, ``x0 < x1``, ``y0 < y1``."""

    concept: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Guarded:
    """A reading after the guards.

    Attributes:
        findings: what the draft's words come to, with what the guards made of it.
        abstained: (code, words) when the reading is withheld; the draft's words are not reported then.
    """

    draft: Draft
    findings: tuple[Finding, ...]
    regions: tuple[Located, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    abstained: tuple[str, str] | None = None


def half_of(located: Located) -> Laterality | None:
    """The patient's side on which a box lies in an upright frontal picture, the patient's right on the left; None when it
    reaches far across the middle."""
    left, right = max(0.0, 0.5 - located.x0), max(0.0, located.x1 - 0.5)
    width = located.x1 - located.x0
    inside = min(left, width), min(right, width)
    if min(inside) > 0.25 * width:
        return None
    return Laterality.RIGHT if inside[0] > inside[1] else Laterality.LEFT
