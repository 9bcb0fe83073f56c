"""All guards, in order: is it a report at all, its words, its statements, then what was drawn."""

from __future__ import annotations

from dataclasses import replace

from agent.reading.guards.boxes import check_boxes
from agent.reading.guards.case import Case, Guard
from agent.reading.guards.codes import Code, Effect, verdict
from agent.reading.guards.contradiction import check_findings, check_impression
from agent.reading.guards.devices import check_devices
from agent.reading.guards.evidence import Draft, Evidence, Guarded
from agent.reading.guards.kept import check_kept
from agent.reading.guards.newness import check_newness
from agent.reading.guards.probes import check_probes
from agent.reading.guards.regions import check_presence, check_sides
from agent.reading.guards.trace import check_trace, check_trace_against_answer
from agent.reading.guards.unusable import unusable
from agent.reading.guards.words import Repaired, repair_words
from agent.reading.labels import label, settle
from agent.reading.statements import statements
from structured_report.content import Verdict

MOST_VERDICTS = 20  # of one code and effect; no findings section has so many sentences
LONGEST_TRACE = 20_000  # characters that are looked at; the trace is kept whole
_GUARDS: tuple[Guard, ...] = (
    check_findings,
    check_impression,
    check_newness,
    check_trace_against_answer,
    check_probes,
    check_boxes,
    check_sides,
    check_presence,
    check_devices,
    check_trace,
)


def guard(draft: Draft, evidence: Evidence) -> Guarded:
    """Check one reading. Total: whatever the texts and the boxes are, there is an answer, and it takes certainty back or
    leaves it, and never adds any."""
    if problem := unusable(draft.findings):
        return _withheld(draft, *problem)
    repaired = repair_words(draft, evidence)
    if repaired.unstable:
        return _withheld(draft, Code.UNSTABLE, "the draft could not be repaired", repaired.verdicts)
    if problem := unusable(repaired.draft.findings):
        words = f"after what the guards left out of the draft, {problem[1]}"
        return _withheld(draft, Code.NOTHING_LEFT, words, repaired.verdicts)
    case = check_kept(_case(repaired, evidence), label(repaired.original))
    for check in _GUARDS:
        case = check(case)
    return Guarded(repaired.draft, case.findings, case.regions, _fewer(case.verdicts))


def _case(repaired: Repaired, evidence: Evidence) -> Case:
    draft = repaired.draft
    said = statements(draft.findings)
    looked_at = replace(draft, reasoning=draft.reasoning[:LONGEST_TRACE])
    return Case(
        looked_at,
        evidence,
        settle(draft.findings, said),
        said,
        statements(draft.impression),
        statements(looked_at.reasoning),
        verdicts=repaired.verdicts,
    )


def _withheld(draft: Draft, code: Code, words: str, verdicts: tuple[Verdict, ...] = ()) -> Guarded:
    said = verdict(code, Effect.ABSTAINED, f"{words[:1].upper()}{words[1:]}; the reading is withheld.")
    return Guarded(draft, (), verdicts=_fewer((*verdicts, said)), abstained=(str(code), words))


def _fewer(verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """The first of each kind, and how many more there were."""
    kept: list[Verdict] = []
    seen: dict[tuple[str, str], int] = {}
    for one in dict.fromkeys(verdicts):
        kind = (one.code, one.effect)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= MOST_VERDICTS:
            kept.append(one)
    more = [
        Verdict(c, e, f"and {n - MOST_VERDICTS} more of this kind.") for (c, e), n in seen.items() if n > MOST_VERDICTS
    ]
    return (*kept, *more)
