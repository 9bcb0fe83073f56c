"""Devices that are named and cannot be found: models of this family invent tubes."""

from __future__ import annotations

from agent.reading.guards.case import Case, named
from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.passage import quote
from agent.reading.guards.probes import how_likely
from structured_report.content import Finding, Presence
from structured_report.vocabulary import vocabulary

PROBABLY_NO = 0.20  # with no box either, so little is enough to doubt a device


def check_devices(case: Case) -> Case:
    """A device that was asked for and not located is noted; one that the short question denies too is undetermined."""
    for finding in case.findings:
        is_device = not vocabulary()[finding.concept].abnormal
        if is_device and finding.presence is Presence.PRESENT and finding.concept in case.evidence.boxes:
            case = _device(case, finding)
    return case


def _device(case: Case, finding: Finding) -> Case:
    concept = finding.concept
    if any(r.concept == concept for r in case.regions):
        return case
    words = f"The draft says {quote(finding.evidence)}, and the model could not show where the {named(concept)} is"
    probability = case.evidence.probabilities.get(concept)
    if probability is not None and probability.value < PROBABLY_NO:
        words = f"{words}; the short question was answered no ({how_likely(probability)}); it is undetermined."
        return case.undetermined(concept).noting(Code.DEVICE_NOT_LOCATED, Effect.UNDETERMINED, words)
    return case.noting(Code.DEVICE_NOT_LOCATED, Effect.NOTED, f"{words}.")
