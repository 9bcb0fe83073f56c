"""The draft against the short yes/no questions about the same pictures."""

from __future__ import annotations

from agent.reading.guards.case import Case, named
from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.passage import quote
from structured_report.content import Finding, Laterality, Presence, Probability

# A share of yes over no is no probability: models of this family are overconfident, and a bare 0.10 may be a one in
# three. Without a calibration only the extremes are taken for a clear answer; a calibrated value means what it says, and
# the band that decides nothing is tighter.
CLEARLY_NO, CLEARLY_YES = 0.05, 0.95
CALIBRATED_NO, CALIBRATED_YES = 0.10, 0.90
LIKELY = 0.80  # so likely and never mentioned: the reader must know


def clearly_no(probability: Probability) -> bool:
    """Whether a short answer denies the finding."""
    return probability.value < (CALIBRATED_NO if probability.calibration else CLEARLY_NO)


def clearly_yes(probability: Probability) -> bool:
    """Whether a short answer affirms the finding."""
    return probability.value > (CALIBRATED_YES if probability.calibration else CLEARLY_YES)


def how_likely(probability: Probability) -> str:
    """A probability for the reader."""
    return f"{probability.value:.2f}, {f'calibrated by {probability.calibration}' if probability.calibration else 'uncalibrated'}"


def check_probes(case: Case) -> Case:
    """A plain contradiction leaves the finding undetermined; a likely finding that the draft passes over is noted."""
    for probability in case.evidence.probabilities.values():
        stated = case.finding(probability.concept)
        if stated is None or _denied_elsewhere(stated):
            case = _not_mentioned(case, probability, stated)
        elif _contradicts(probability, stated):
            words = (
                f"The draft says {quote(stated.evidence)}, and the short question about {named(stated.concept)} was "
                f"answered {'no' if clearly_no(probability) else 'yes'} ({how_likely(probability)}); it is undetermined."
            )
            case = case.undetermined(stated.concept).noting(Code.CONTRADICTION_WITH_PROBES, Effect.UNDETERMINED, words)
    return case


def _contradicts(probability: Probability, stated: Finding) -> bool:
    if stated.presence is Presence.PRESENT:
        return clearly_no(probability)
    return stated.presence is Presence.ABSENT and clearly_yes(probability)


def _denied_elsewhere(stated: Finding) -> bool:
    """ "No left effusion" says nothing of the right."""
    return stated.presence is Presence.ABSENT and stated.laterality in (Laterality.LEFT, Laterality.RIGHT)


def _not_mentioned(case: Case, probability: Probability, stated: Finding | None) -> Case:
    if probability.value < LIKELY or any(s.concept == probability.concept for s in case.concluded):
        return case
    how = "the draft does not mention it"
    if stated is not None:
        how = f"the draft only denies it on one side ({quote(stated.evidence)})"
    words = f"{named(probability.concept).capitalize()} is likely by the short question ({how_likely(probability)}), and {how}."
    return case.noting(Code.PROBED_NOT_MENTIONED, Effect.NOTED, words)
