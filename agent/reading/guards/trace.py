"""The reasoning trace against the answer. The trace is evidence and is never changed; what is wrong with it is noted."""

from __future__ import annotations

from agent.reading.guards.case import Case, named, opposite
from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.comparison import comparison_in_trace
from agent.reading.guards.markup import trace_with_markup
from agent.reading.guards.passage import quote
from agent.reading.guards.repetition import repetition_in_trace
from agent.reading.guards.script import trace_in_foreign_script
from agent.reading.labels import settle
from structured_report.content import Finding, Laterality, Presence

_FIRM = {Presence.PRESENT, Presence.ABSENT}


def check_trace_against_answer(case: Case) -> Case:
    """Presence: noted, the answer counts. Side: the answer's side is not believed either."""
    for traced in settle(case.draft.reasoning, case.traced):
        stated = case.finding(traced.concept)
        if stated is not None:
            case = (
                _presence(case, traced, stated)
                if traced.presence is not stated.presence
                else _side(case, traced, stated)
            )
    return case


def check_trace(case: Case) -> Case:
    """What is wrong with the words of the trace."""
    for code, words in (
        (Code.FOREIGN_SCRIPT, trace_in_foreign_script(case.draft.reasoning)),
        (Code.MARKUP, trace_with_markup(case.draft.reasoning)),
        (Code.REPETITION, repetition_in_trace(case.draft.reasoning)),
        (Code.COMPARISON, "" if case.evidence.has_prior else comparison_in_trace(case.draft.reasoning)),
    ):
        if words:
            case = case.noting(code, Effect.NOTED, f"The reasoning trace {words}.")
    return case


def _presence(case: Case, traced: Finding, stated: Finding) -> Case:
    if {traced.presence, stated.presence} != _FIRM or _one_sided(traced) or _one_sided(stated):
        return case
    words = f"{_both(traced, stated)} They disagree on {named(stated.concept)}; the answer is reported."
    return case.noting(Code.TRACE_DISAGREES, Effect.NOTED, words)


def _side(case: Case, traced: Finding, stated: Finding) -> Case:
    if stated.presence is not Presence.PRESENT or traced.laterality is stated.laterality:
        return case
    if traced.laterality and traced.laterality is opposite(stated.laterality):
        words = f"{_both(traced, stated)} The side of {named(stated.concept)} is undetermined."
        return case.without_side(stated.concept).noting(Code.TRACE_DISAGREES, Effect.UNDETERMINED, words)
    if traced.laterality and stated.laterality:  # one says both sides
        words = f"{_both(traced, stated)} They differ on the sides of {named(stated.concept)}; the answer is reported."
        return case.noting(Code.TRACE_DISAGREES, Effect.NOTED, words)
    return case


def _one_sided(finding: Finding) -> bool:
    """Whether a denial is of one side or one place only; it contradicts no statement about the rest."""
    denied = finding.presence is Presence.ABSENT
    return denied and (finding.laterality in (Laterality.LEFT, Laterality.RIGHT) or bool(finding.place))


def _both(traced: Finding, stated: Finding) -> str:
    return f"The reasoning trace says {quote(traced.evidence)} and the answer says {quote(stated.evidence)}."
