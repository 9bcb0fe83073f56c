"""The guards of words, over each part of the draft, until nothing changes any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.comparison import check_comparison
from agent.reading.guards.empty_nouns import check_empty_nouns
from agent.reading.guards.evidence import Draft, Evidence
from agent.reading.guards.markup import check_markup, without_markup
from agent.reading.guards.measurements import check_measurements
from agent.reading.guards.passage import Passage, quote
from agent.reading.guards.repetition import check_repetition
from agent.reading.guards.script import check_script
from agent.reading.guards.unusable import MOST_CHARACTERS
from structured_report.content import Verdict
from structured_report.text import normalise_text

_ROUNDS = 5  # what one guard leaves may be for another; a text that is not still by then is not repaired but withheld
_GUARDS: tuple[Callable[[Passage, Evidence], Passage], ...] = (
    lambda passage, _: check_markup(passage),
    lambda passage, _: check_script(passage),
    lambda passage, _: check_repetition(passage),
    lambda passage, _: check_empty_nouns(passage),
    check_measurements,
    check_comparison,
)


@dataclass(frozen=True, slots=True)
class Repaired:
    """A draft whose words have passed.

    Attributes:
        original: the findings as the model gave them, without markup: what the repaired ones are held against.
        unstable: the repair of the findings came to no end.
    """

    draft: Draft
    original: str
    verdicts: tuple[Verdict, ...]
    unstable: bool = False


def repair_words(draft: Draft, evidence: Evidence) -> Repaired:
    """Every part of the draft but the trace, which is evidence."""
    findings, stable = _repaired(Passage("Findings", draft.findings), evidence)
    impression = _part(Passage("Impression", draft.impression), evidence)
    comparison = _comparison(Passage("Comparison", draft.comparison), evidence)
    return Repaired(
        replace(draft, findings=findings.text, impression=impression.text, comparison=comparison.text),
        without_markup(draft.findings)[0],
        (*findings.verdicts, *impression.verdicts, *comparison.verdicts),
        not stable,
    )


def _repaired(passage: Passage, evidence: Evidence) -> tuple[Passage, bool]:
    """The passage when no guard changes it any more, and whether that came about."""
    for _ in range(_ROUNDS):
        before = passage.text
        for check in _GUARDS:
            passage = check(passage, evidence)
        if passage.text == before:
            return passage, True
        passage = replace(passage, text=normalise_text(passage.text))
    return passage, False


def _part(passage: Passage, evidence: Evidence) -> Passage:
    """A part without which the reading still stands: what cannot be repaired is left out."""
    if len(passage.text) > MOST_CHARACTERS:
        words = f"{quote(passage.text)} has {len(passage.text)} characters; it was left out."
        return passage.rewritten("", Code.TOO_LONG, Effect.DROPPED, words)
    repaired, stable = _repaired(passage, evidence)
    if stable:
        return repaired
    return passage.rewritten(
        "", Code.UNSTABLE, Effect.DROPPED, f"{quote(passage.text)} could not be repaired; it was left out."
    )


def _comparison(passage: Passage, evidence: Evidence) -> Passage:
    if passage.text and not evidence.has_prior:
        words = f"{quote(passage.text)} compares with a prior image, and none was shown; it was left out."
        return passage.rewritten("", Code.COMPARISON, Effect.DROPPED, words)
    return _part(passage, evidence)
