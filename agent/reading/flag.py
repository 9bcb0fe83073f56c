"""The first, fast look: short yes or no questions about every finding on the site's list, together over the pictures
that the reading will use too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.model.protocol import Choice
from agent.reading.calibration import Calibration
from agent.reading.study_session import OpenStudy
from agent.reading.triage import ROUTINE, Ranked, Rule, rank_findings, rank_probabilities
from structured_report.content import Finding, Presence, Probability


@dataclass(frozen=True, slots=True)
class Flag:
    """How soon a person should look, why, and the probabilities behind it."""

    ranked: Ranked
    probabilities: tuple[Probability, ...]


NO_FLAG = Flag(ROUTINE, ())


def flag_study(study: OpenStudy, findings: Sequence[str], rules: Sequence[Rule], calibration: Calibration) -> Flag:
    """Ask and rank.

    Args:
        findings: names in the vocabulary, the site's triage list.

    Raises:
        Transient: as the model seam does.
    """
    return flag_of_answers(findings, study.probe(findings), rules, calibration)


def flag_of_answers(
    findings: Sequence[str], answers: Sequence[Choice], rules: Sequence[Rule], calibration: Calibration
) -> Flag:
    """Rank what was answered to the question about each finding."""
    probabilities, bare = [], []
    for concept, answer in zip(findings, answers, strict=True):
        if answer.shares is not None:
            probabilities.append(calibration.probability(concept, answer.shares[0]))
        elif answer.chosen == 0:  # an engine that gives words and no probabilities: a yes is as good as a statement
            bare.append(Finding(concept, Presence.PRESENT))
    ranked = rank_probabilities(rules, probabilities).raised_to(rank_findings(rules, bare))
    return Flag(ranked, tuple(probabilities))
