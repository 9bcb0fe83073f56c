""" "No new consolidation" without a prior: it denies what is new and leaves open what is not. So does "no residual
pneumothorax"."""

from __future__ import annotations

from agent.reading.guards.case import Case, named
from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.comparison import denied_only_as_new
from agent.reading.guards.passage import quote
from structured_report.content import Presence


def check_newness(case: Case) -> Case:
    """The words stay, because without "new" they would say more; the finding is undetermined."""
    if case.evidence.has_prior:
        return case
    doubtful: dict[str, list[str]] = {}
    for concept, sentence in denied_only_as_new(case.draft.findings, case.said).items():
        stated = case.finding(concept)
        if stated is not None and stated.presence is Presence.ABSENT:
            doubtful.setdefault(sentence, []).append(concept)
            case = case.undetermined(concept)
    for sentence, concepts in doubtful.items():
        names = " or ".join(named(c) for c in concepts)
        words = (
            f"Findings: {quote(sentence)} denies only what is new or left over, and no prior image was shown; whether there is {names} "
            "is undetermined."
        )
        case = case.noting(Code.COMPARISON, Effect.UNDETERMINED, words)
    return case
