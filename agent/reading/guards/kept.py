"""The last line of defence for the guards of words: what the repaired text says is held against what the text said.

A repair may take nothing away unseen and may add nothing. Where a finding is lost, it stays as undetermined; where its
presence or its side came out differently, neither is believed.
"""

from __future__ import annotations

from dataclasses import replace

from agent.reading.guards.case import Case, named
from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.passage import quote
from structured_report.content import Finding, Presence
from structured_report.vocabulary import vocabulary


def check_kept(case: Case, before: tuple[Finding, ...]) -> Case:
    """Hold the findings against those of the text before its repair."""
    original = {f.concept: f for f in before}
    told: list[Finding] = []
    for finding in case.findings:
        was = original.pop(finding.concept, None)
        if was is None:
            case = replace(case, findings=tuple(f for f in case.findings if f.concept != finding.concept))
        elif was.presence is not finding.presence:
            case, told = case.undetermined(finding.concept).without_side(finding.concept), [*told, was]
        elif was.laterality is not finding.laterality and finding.laterality is not None:
            case, told = case.without_side(finding.concept), [*told, was]
    lost = [Finding(f.concept, Presence.UNDETERMINED, evidence=f.evidence) for f in original.values()]
    return _told(replace(case, findings=_in_order((*case.findings, *lost))), [*told, *original.values()])


def _told(case: Case, doubtful: list[Finding]) -> Case:
    for evidence in dict.fromkeys(f.evidence for f in doubtful):
        names = ", ".join(named(f.concept) for f in doubtful if f.evidence == evidence)
        words = f"With what was left out of the draft, what {quote(evidence)} says of {names} is undetermined."
        case = case.noting(Code.LOST_IN_REPAIR, Effect.UNDETERMINED, words)
    return case


def _in_order(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    order = list(vocabulary())
    return tuple(sorted(findings, key=lambda f: order.index(f.concept)))
