"""Statements of one draft that cannot all be true: within the findings, and between findings and impression."""

from __future__ import annotations

import re

from agent.reading.guards.case import Case, named, opposite
from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.passage import pieces, quote
from agent.reading.labels import contradict, settle
from agent.reading.statements import Statement
from structured_report.content import Finding, Presence
from structured_report.vocabulary import vocabulary

_NOTHING_ACUTE = re.compile(
    r"\bno\s+(?:\w+\s+){0,2}(?:acute|active)\s+(?:\w+\s+){0,2}(?:process|disease|abnormalit(?:y|ies)|findings?|patholog(?:y|ies))\b"
    r"|^\s*normal\s+(?:chest|study|exam|radiograph)",
    re.IGNORECASE,
)
_ACUTE = (
    "pneumothorax",
    "pneumomediastinum",
    "pulmonary_edema",
    "pneumonia",
    "consolidation",
    "pleural_effusion",
    "fracture",
)


def check_findings(case: Case) -> Case:
    """Two sentences of the findings against each other: neither is believed."""
    for concept in dict.fromkeys(s.concept for s in case.said):
        pair = _pair([s for s in case.said if s.concept == concept], [s for s in case.said if s.concept == concept])
        if pair:
            one, other = (_sentence(case.draft.findings, s) for s in pair)
            words = f"The findings say of {named(concept)} both {one} and {other}; it is undetermined."
            if one == other:
                words = f"One sentence says of {named(concept)} that it is there and that it is not: {one}; it is undetermined."
            case = case.undetermined(concept).noting(Code.CONTRADICTION_IN_TEXT, Effect.UNDETERMINED, words)
    return case


def check_impression(case: Case) -> Case:
    """The impression against the findings: presence, side, and what only the impression says."""
    for concluded in settle(case.draft.impression, case.concluded):
        stated = case.finding(concluded.concept)
        case = _only_concluded(case, concluded) if stated is None else _held_against(case, stated, concluded)
    return _nothing_acute(case)


def _held_against(case: Case, stated: Finding, concluded: Finding) -> Case:
    concept = stated.concept
    said = [s for s in case.said if s.concept == concept]
    of_impression = [s for s in case.concluded if s.concept == concept]
    if stated.presence is not Presence.UNDETERMINED and (pair := _pair(said, of_impression)):
        words = f"{_both(case, *pair)} {named(concept)} is undetermined."
        return case.undetermined(concept).noting(Code.CONTRADICTION_IN_TEXT, Effect.UNDETERMINED, words)
    present = stated.presence is concluded.presence is Presence.PRESENT
    if present and stated.laterality and concluded.laterality is opposite(stated.laterality):
        words = f"{_both(case, said[0], of_impression[0])} The side of {named(concept)} is undetermined."
        return case.without_side(concept).noting(Code.CONTRADICTION_IN_TEXT, Effect.UNDETERMINED, words)
    return case


def _both(case: Case, stated: Statement, concluded: Statement) -> str:
    one, other = _sentence(case.draft.findings, stated), _sentence(case.draft.impression, concluded)
    return f"The findings say {one} and the impression says {other}."


def _only_concluded(case: Case, concluded: Finding) -> Case:
    if concluded.presence is not Presence.PRESENT or not vocabulary()[concluded.concept].abnormal:
        return case
    words = (
        f"Only the impression says {quote(concluded.evidence)}; the findings do not mention {named(concluded.concept)}."
    )
    return case.noting(Code.IMPRESSION_ONLY, Effect.NOTED, words)


def _nothing_acute(case: Case) -> Case:
    normal = next((p.words for p in pieces(case.draft.impression) if _NOTHING_ACUTE.search(p.words)), "")
    acute = [f.concept for f in case.findings if f.concept in _ACUTE and f.presence is Presence.PRESENT]
    if not normal or not acute:
        return case
    names = ", ".join(named(c) for c in acute)
    words = f"The impression says {quote(normal)}, and the findings state {names}."
    return case.noting(Code.CONTRADICTION_IN_TEXT, Effect.NOTED, words)


def _pair(some: list[Statement], others: list[Statement]) -> tuple[Statement, Statement] | None:
    """The first two that cannot both be true, the one of `some` first."""
    return next(((s, o) for s in some for o in others if contradict(s, o)), None)


def _sentence(text: str, statement: Statement) -> str:
    return quote(pieces(text)[statement.sentence].words)
