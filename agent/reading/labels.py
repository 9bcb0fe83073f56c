"""Coded findings from a draft: which findings of the vocabulary its sentences name, whether they deny them, and on
which side.

Rules over sentences, not a model: what a rule cannot decide is *undetermined*, and a draft that says two things about
a finding says neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from structured_report.content import Finding, Laterality, Presence
from structured_report.vocabulary import vocabulary

_SENTENCE = re.compile(r"[^.;\n!?]+(?:\.(?=\d)[^.;\n!?]+)*")
_CLAUSE = re.compile(
    r",?\s+(?:but|however|although|while|whereas|though|with)\s+"
    r"|,\s+(?=(?:there|the|no|a|an|bilateral|left|right|small|mild|moderate|large|severe)\b)"
)
_NEGATION = re.compile(
    r"\b(no|not|without|absent|absence of|free of|negative for|resolved|"
    r"resolution of|rather than|ruled out|excluded?|denies|clear of|neither|nor)\b"
)
_NEGATED_AFTER = re.compile(
    r"\b(is|are|was|were|has|have)\s+(not|no longer|absent|resolved|excluded|ruled out|unlikely)\b"
    r"|\bnot (seen|present|identified|visible)\b"
)
_DOUBT = re.compile(
    r"\b(possible|possibly|may|might|could|cannot be excluded|can not be excluded|not excluded|"
    r"questionable|suspicious|suspected|equivocal|versus|vs)\b"
)
_BOTH = re.compile(r"\b(bilateral|bilaterally|both|bibasilar|bibasal|left and right|right and left)\b")
_ONE_SIDE = re.compile(r"\b(left|right)\b")
_CONJUNCTION = re.compile(r"\b(?:and|or|plus)\b|,")
_PLACE = re.compile(r"\s*(is |are |seen |noted |present |again )*(on|in|at|within|of|along|involving) (the |both )?")
# These name an organ as normal; they deny its findings.
_NORMAL = {
    "cardiomegaly": re.compile(
        r"\b(heart|cardiac silhouette|cardiac size|heart size|cardiomediastinal silhouette)\b"
        r"[^,]*\b(normal|not enlarged|unremarkable)\b|\bnormal (heart|cardiac)\b"
    ),
}


def label(draft: str) -> tuple[Finding, ...]:
    """The findings a draft states, in the order of the vocabulary, each with the sentence that says so.

    Args:
        draft: the findings text in English.
    """
    said: dict[str, list[tuple[Presence, Laterality | None, str]]] = {}
    for sentence in _SENTENCE.findall(draft):
        words = " ".join(sentence.split())
        for clause in _CLAUSE.split(words):
            for key, presence, side in _stated(clause.lower()):
                said.setdefault(key, []).append((presence, side, words))
    return tuple(_settled(key, said[key]) for key in vocabulary() if key in said)


def draft_is_abnormal(findings: tuple[Finding, ...]) -> bool | None:
    """True when a finding that makes a film abnormal is present, False when at least one is denied and none is
    present or in doubt, else None."""
    relevant = [f for f in findings if vocabulary()[f.concept].abnormal]
    if any(f.presence is Presence.PRESENT for f in relevant):
        return True
    if not relevant or any(f.presence is Presence.UNDETERMINED for f in relevant):
        return None
    return False


def _stated(clause: str) -> Iterator[tuple[str, Presence, Laterality | None]]:
    mentions = _mentions(clause)
    for n, (start, end, key) in enumerate(mentions):
        presence = _presence(clause, start, end)
        before = _own_words(clause[mentions[n - 1][1] : start]) if n else clause[:start]
        after = clause[end : mentions[n + 1][0] if n + 1 < len(mentions) else len(clause)]
        sided = vocabulary()[key].sided and presence is not Presence.ABSENT
        yield key, presence, (_side(before) or _side_after(after)) if sided else None
    for key, normal in _NORMAL.items():
        if normal.search(clause) and all(k != key for _, _, k in mentions):
            yield key, Presence.ABSENT, None


def _mentions(clause: str) -> list[tuple[int, int, str]]:
    """(start, end, finding) of each finding the clause names, in order; a longer name covers a shorter one inside
    it."""
    found: list[tuple[int, int, str]] = []
    for key, pattern in _patterns():
        for match in pattern.finditer(clause):
            if not any(start < match.end() and match.start() < end for start, end, _ in found):
                found.append((*match.span(), key))
    return sorted(found)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """One pattern for each name, the longest names first."""
    names = [(key, word) for key, concept in vocabulary().items() for word in concept.words]
    names.sort(key=lambda pair: -len(pair[1]))
    return tuple((key, re.compile(rf"\b{re.escape(word)}\b")) for key, word in names)


def _presence(clause: str, start: int, end: int) -> Presence:
    if _DOUBT.search(clause):
        return Presence.UNDETERMINED
    if _NEGATION.search(clause[:start]) or _NEGATED_AFTER.search(clause[end:]):
        return Presence.ABSENT
    return Presence.PRESENT


def _own_words(between: str) -> str:
    """What stands between two findings belongs to the second from the first conjunction on; "effusion on the right
    and atelectasis"."""
    return _CONJUNCTION.split(between, maxsplit=1)[-1] if _CONJUNCTION.search(between) else ""


def _side(words: str) -> Laterality | None:
    """The one side the words name. Words that name both without saying that they mean both name none: a side is never
    guessed."""
    if _BOTH.search(words):
        return Laterality.BILATERAL
    named = set(_ONE_SIDE.findall(words))
    return Laterality(named.pop()) if len(named) == 1 else None


def _side_after(words: str) -> Laterality | None:
    """As in "effusion on the left": only where the words after the finding say where it is."""
    place = _PLACE.match(words)
    return _side(words[place.start() :]) if place else None


def _settled(key: str, said: list[tuple[Presence, Laterality | None, str]]) -> Finding:
    """What all sentences about one finding come to."""
    evidence = " / ".join(dict.fromkeys(sentence for _, _, sentence in said))[:500]
    kinds = {presence for presence, _, _ in said}
    if len(kinds) > 1:
        return Finding(key, Presence.UNDETERMINED, evidence=evidence)
    sides = {side for _, side, _ in said if side is not None}
    side = None
    if len(sides) == 1:
        side = next(iter(sides))
    elif sides:  # two sentences, two sides: both
        side = Laterality.BILATERAL
    return Finding(key, kinds.pop(), side, evidence=evidence)
