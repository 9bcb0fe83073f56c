"""Coded findings from a draft: which findings of the vocabulary its sentences name, whether they deny them, on which side,
where and how much.

Rules over sentences (`agent.reading.statements`), not a model: what a rule cannot decide is *undetermined*, and a draft
that says two things about a finding says neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.reading.grammar.tokens import sentences
from agent.reading.statements import Statement, statements
from structured_report.content import Finding, Laterality, Presence, Severity
from structured_report.vocabulary import vocabulary

__all__ = ["Statement", "contradict", "draft_is_abnormal", "label", "settle", "statements"]

_ORDER = tuple(Severity)
_LONGEST_EVIDENCE = 500


def label(draft: str) -> tuple[Finding, ...]:
    """The findings a draft states, in the order of the vocabulary, each with the sentences that say so.

    Args:
        draft: the findings text in English.
    """
    return settle(draft, statements(draft))


def settle(draft: str, said: Sequence[Statement]) -> tuple[Finding, ...]:
    """One finding for each concept the statements are about, in the order of the vocabulary."""
    texts = [" ".join(sentence.text.split()) for sentence in sentences(draft)]
    by_concept: dict[str, list[Statement]] = {}
    for statement in said:
        by_concept.setdefault(statement.concept, []).append(statement)
    return tuple(_settled(key, by_concept[key], texts) for key in vocabulary() if key in by_concept)


def draft_is_abnormal(findings: tuple[Finding, ...]) -> bool | None:
    """True when a finding that makes a film abnormal is present, False when at least one is denied and none is
    present or in doubt, else None."""
    relevant = [f for f in findings if vocabulary()[f.concept].abnormal]
    if any(f.presence is Presence.PRESENT for f in relevant):
        return True
    if not relevant or any(f.presence is Presence.UNDETERMINED for f in relevant):
        return None
    return False


def contradict(one: Statement, other: Statement) -> bool:
    """Whether two statements about one concept cannot both be true."""
    if one.concept != other.concept or {one.presence, other.presence} != {Presence.PRESENT, Presence.ABSENT}:
        return False
    present, absent = (one, other) if one.presence is Presence.PRESENT else (other, one)
    if absent.partial:
        return False
    return absent.laterality is None or present.laterality in (absent.laterality, Laterality.BILATERAL)


def _settled(key: str, said: Sequence[Statement], texts: Sequence[str]) -> Finding:
    """What all sentences about one finding come to: contradiction beats everything, a firm statement beats a doubtful
    one, a doubt beats a denial."""
    evidence = " / ".join(dict.fromkeys(texts[s.sentence] for s in said))[:_LONGEST_EVIDENCE]
    present = [s for s in said if s.presence is Presence.PRESENT]
    absent = [s for s in said if s.presence is Presence.ABSENT]
    doubted = [s for s in said if s.presence is Presence.UNDETERMINED]
    if any(contradict(p, a) for p in present for a in absent):
        return Finding(key, Presence.UNDETERMINED, evidence=evidence)
    if present or doubted:
        presence = Presence.PRESENT if present else Presence.UNDETERMINED
        return _described(Finding(key, presence, evidence=evidence), present or doubted)
    sides, places = {s.laterality for s in absent}, {s.place for s in absent}
    return Finding(
        key,
        Presence.ABSENT,
        sides.pop() if len(sides) == 1 else None,
        evidence=evidence,
        place=places.pop() if len(places) == 1 else "",
    )


def _described(finding: Finding, said: Sequence[Statement]) -> Finding:
    severities = {s.severity for s in said if s.severity is not None}
    places = {s.place for s in said if s.place}
    return Finding(
        finding.concept,
        finding.presence,
        _side({s.laterality for s in said}),
        evidence=finding.evidence,
        severity=max(severities, key=_ORDER.index, default=None),
        place=places.pop() if len(places) == 1 else "",
    )


def _side(sides: Iterable[Laterality | None]) -> Laterality | None:
    """Two sentences, two sides: both."""
    named = {side for side in sides if side is not None}
    if len(named) > 1:
        return Laterality.BILATERAL
    return named.pop() if named else None
