"""Where a finding is said to be against where it was drawn. No finding leaves with a side that its own boxes deny."""

from __future__ import annotations

from dataclasses import replace

from agent.reading.guards.case import Case, named, opposite
from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.evidence import half_of
from agent.reading.guards.passage import quote
from structured_report.content import Finding, Laterality, Presence
from structured_report.vocabulary import vocabulary

# A line that enters on one side ends near the middle, and its box may well lie on the other side.
_CROSSES = frozenset({"central_line"})
_ONE_SIDE = (Laterality.LEFT, Laterality.RIGHT)


def check_sides(case: Case) -> Case:
    """Stated side against the half of the picture in which the boxes lie."""
    for finding in case.findings:
        if (
            not vocabulary()[finding.concept].sided
            or finding.concept in _CROSSES
            or finding.presence is Presence.ABSENT
        ):
            continue
        if finding.laterality in _ONE_SIDE:
            case = _one_side(case, finding)
        elif finding.laterality is Laterality.BILATERAL:
            case = _both_sides(case, finding)
    return _without_boxes_of_sideless(case)


def check_presence(case: Case) -> Case:
    """Boxes for what is not there, and nothing drawn for what is."""
    for concept in case.evidence.boxes:
        finding = case.finding(concept)
        drawn = any(r.concept == concept for r in case.regions)
        if drawn and (finding is None or finding.presence is Presence.ABSENT):
            case = _absent_with_region(case, concept, finding)
        elif not drawn and finding and finding.presence is Presence.PRESENT and vocabulary()[concept].abnormal:
            words = f"The draft says {quote(finding.evidence)}, and no usable box was drawn for {named(concept)}."
            case = case.noting(Code.PRESENT_WITHOUT_REGION, Effect.NOTED, words)
    return case


def _one_side(case: Case, finding: Finding) -> Case:
    boxes = [r for r in case.regions if r.concept == finding.concept]
    wrong = [r for r in boxes if half_of(r) is opposite(finding.laterality)]
    if not wrong:
        return case
    case = replace(case, regions=tuple(r for r in case.regions if r not in wrong))
    says = f"The draft says {quote(finding.evidence)}, and"
    if len(wrong) == len(boxes):
        words = (
            f"{says} every box for {named(finding.concept)} lies on the other side; "
            "its side is undetermined and the boxes were left out."
        )
        return case.without_side(finding.concept).noting(Code.SIDE_AGAINST_REGION, Effect.UNDETERMINED, words)
    words = f"{says} some boxes for {named(finding.concept)} lie on the other side ({len(wrong)} of {len(boxes)}); they were left out."
    return case.noting(Code.SIDE_AGAINST_REGION, Effect.DROPPED, words)


def _without_boxes_of_sideless(case: Case) -> Case:
    """A side that is in doubt must not come back with a box."""
    for concept in sorted({r.concept for r in case.regions} & case.sideless):
        case = replace(case, regions=tuple(r for r in case.regions if r.concept != concept))
        words = f"The side of {named(concept)} is undetermined, and its boxes were left out."
        case = case.noting(Code.SIDE_AGAINST_REGION, Effect.DROPPED, words)
    return case


def _both_sides(case: Case, finding: Finding) -> Case:
    halves = {half_of(r) for r in case.regions if r.concept == finding.concept}
    if len(halves) != 1 or None in halves:
        return case
    side = next(iter(halves))
    words = f"The draft says {quote(finding.evidence)}, and {named(finding.concept)} was located on the {side} only."
    return case.noting(Code.SIDE_AGAINST_REGION, Effect.NOTED, words)


def _absent_with_region(case: Case, concept: str, finding: Finding | None) -> Case:
    """A box of what is not stated must not be drawn over the image."""
    says = f"the draft says {quote(finding.evidence)}" if finding else "the draft does not mention it"
    words = f"A box was drawn for {named(concept)}, and {says}; the box was left out."
    case = replace(case, regions=tuple(r for r in case.regions if r.concept != concept))
    return case.noting(Code.ABSENT_WITH_REGION, Effect.NOTED, words)
