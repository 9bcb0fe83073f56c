"""What follows a finding and is said of it: "has resolved", "cannot be excluded", "is not seen"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.reading.grammar.cues import ASSESSED, DOUBTED, GONE, MODALS, PARTLY, WELL, is_adverb
from agent.reading.grammar.line import FARTHEST, Line
from agent.reading.grammar.said import Said
from agent.reading.grammar.words import CURRENT, DETERMINERS, EXISTING, FINITE, MARKS, PLACING, TO_BE, TURNS

_MAY = frozenset({"may", "might", "could"})
_WILL = frozenset({"should", "can", "will", "would"})
_NOT = frozenset({"not", "never", "longer"})
_STOPS = TURNS | {"and", "or", "nor", "with", "without", "/", "no"}
_AFTER_COMMA = (
    FINITE | PLACING | frozenset(["previously", "seen", "noted", "which", "not", "now", "likely", "probably", "also"])
)
_NOUNS_OF_DOUBT = frozenset({"possibility", "consideration", "question", "concern"})
_NONE = frozenset({"no", "none", "absent", "negative", "not", "nil"})


@dataclass(frozen=True, slots=True)
class Content:
    """The word of a predicate that carries its sense, where it stands, and the light words passed over before it."""

    word: str
    at: int
    passed: frozenset[str]


def content_of(line: Line, at: int) -> Content:
    """The content of the predicate that begins at `at`; an empty word when there is none."""
    passed: set[str] = set()
    for word in line.until_mention(at):
        light = word in FINITE or word in TO_BE or is_adverb(word) or word in _NOT or word == "no"
        if not light:
            return Content(word, at, frozenset(passed))
        if word in TURNS:
            break
        passed.add(word)
        at += 1
    return Content("", at, frozenset(passed))


def predicates(line: Line, before: Sequence[Said | None]) -> list[Said | None]:
    """For each mention what its predicate says of it, or None.

    Args:
        before: what the cues before each mention make of it.
    """
    found: list[Said | None] = [None] * len(line.mentions)
    for n in range(len(line.mentions) - 1, -1, -1):
        found[n] = _predicate(line, n, before[n])
        if found[n] is None and line.joined(n):
            found[n] = _shared(line, n, found[n + 1])
    return found


def _shared(line: Line, n: int, following: Said | None) -> Said | None:
    """What the predicate of a whole list says of one of its earlier members."""
    if following is None or not _is_subject(line, n):
        return None
    mention, next_one = line.mentions[n], line.mentions[n + 1]
    between = line.words[mention.end : next_one.start]
    if not {"or", "nor", "/"}.isdisjoint(between):
        return following
    if {"and", ","} <= set(between):
        return None
    return Said.DOUBTED if line.word(next_one.end) in ("is", "was", "has") else following


def _is_subject(line: Line, n: int) -> bool:
    """Whether no verb stands before the n-th mention in its clause."""
    start = line.mentions[n].start
    for word in reversed(line.words[max(0, start - FARTHEST) : start]):
        if word in TURNS:
            return True
        if word in FINITE or word == "there":
            return False
    return True


def _predicate(line: Line, n: int, before: Said | None) -> Said | None:
    at = line.mentions[n].end
    if line.word(at) in ("removal", "resolution"):
        return Said.DENIED
    for word in line.until_mention(at):
        following = line.word(at + 1)
        if word in (":", "="):
            return _heading(line, at + 1)
        if word in FINITE or word in GONE or word in ("not", "excluded") or (word, following) == ("no", "longer"):
            return _says(line, at, before)
        if word == "?":
            return Said.DOUBTED
        if word in DOUBTED:
            return _says(line, at, before) if _ends(line, at + 1) or word == "unlikely" else None
        if word in _STOPS or (word == "," and not _goes_on(line, at + 1)):
            return None
        at += 1
    return None


def _goes_on(line: Line, at: int) -> bool:
    """Whether what follows a comma is still said of the finding before it."""
    return line.word(at) in _AFTER_COMMA or (line.word(at) in DOUBTED and _ends(line, at + 1))


def _ends(line: Line, at: int) -> bool:
    return line.word(at) in MARKS or line.word(at) in (".", "and", "but", "in", "on", "at")


def _heading(line: Line, at: int) -> Said | None:
    """ "Pneumothorax: none"."""
    if any(at + i in line.starts for i in range(5)):
        return None
    if line.word(at) in _NONE:
        return Said.DENIED
    return Said.DOUBTED if line.word(at) in DOUBTED else None


def _says(line: Line, at: int, before: Said | None) -> Said | None:
    content = content_of(line, at)
    negated = not _NOT.isdisjoint(content.passed)
    rest = set(line.words[content.at + 1 : content.at + 5])
    if content.word == "excluded" or (content.word == "ruled" and "out" in rest):
        return Said.DOUBTED if negated or content.passed & MODALS else Said.DENIED
    if content.word in GONE:
        return None if negated else _gone(line, content)
    if content.word in EXISTING and negated:
        return Said.DOUBTED if content.passed & WELL else Said.DENIED
    if content.word in EXISTING:
        return Said.DOUBTED if content.passed & _MAY and before is not Said.DENIED else None
    if _is_doubt(line, content, rest, negated) or "if-any" in line.words[at : content.at + 4]:
        return Said.DOUBTED
    return Said.DENIED if not content.word and "longer" in content.passed else None


def _is_doubt(line: Line, content: Content, rest: set[str], negated: bool) -> bool:
    word = content.word
    return (
        word in DOUBTED
        or (word in ASSESSED and negated)
        or (word == "likely" and negated)
        or (word == "less" and "likely" in rest)
        or (word in DETERMINERS and bool(rest & _NOUNS_OF_DOUBT))
        or (word in ("in", "within") and "differential" in rest)
        or (word == "missed" and bool(content.passed & MODALS))
        or (word in ("difficult", "hard", "impossible") and bool(rest & (ASSESSED | {"exclude", "assess", "evaluate"})))
        or (word == "in" and line.word(content.at + 1) == "question")
    )


def _gone(line: Line, content: Content) -> Said | None:
    """What "resolved" or "removed" says."""
    if (
        content.passed & PARTLY
        or content.passed & _WILL
        or line.words[content.at + 1 : content.at + 3] == ["and", "replaced"]
    ):
        return None
    return Said.DOUBTED if content.passed & _MAY or _also_stays(line, content.at + 1) else Said.DENIED


def _also_stays(line: Line, at: int) -> bool:
    """ "Have resolved on the right and persist on the left"."""
    joined = False
    for word in line.until_mention(at):
        joined = joined or word in ("and", "but", "while", ",")
        if joined and word in CURRENT:
            return True
    return False
