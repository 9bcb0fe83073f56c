"""The words of one sentence, the findings it names, and what the rules ask of a stretch of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from agent.reading.grammar.names import Mention
from agent.reading.grammar.tokens import Token, singular, wordset
from agent.reading.grammar.words import (
    CHANGING,
    COMPARING,
    CONJUNCTIONS,
    DETERMINERS,
    FINITE,
    MARKS,
    MEASURES,
    PLACING,
    PREPOSITIONS,
    SIDE_BY_ANATOMY,
    SIDES,
    TURNS,
    TYING,
)
from structured_report.content import Laterality, Severity
from structured_report.vocabulary import whole_vocabulary

# How far any rule looks. It bounds the time, and what stands farther away is another thought.
FARTHEST = 14
# What ends a run of adjectives.
STOPS = (
    FINITE | PREPOSITIONS | DETERMINERS | CONJUNCTIONS | MARKS | TURNS | TYING | {"no", "not", "there", "which", "that"}
)
LEVELS = wordset("upper lower middle mid")
_PARTS_LISTS = FINITE | TURNS | PREPOSITIONS - PLACING - {"of"} | {"no"}
_COMPARED = CHANGING | {"less", "more", "most", "least", "previously", "formerly"}


class Line:
    """One sentence as its rules see it.

    Attributes:
        words: its tokens, in lower case.
        mentions: the findings it names, in order.
        starts: for each word with which a mention begins, which one it is.
        first: for each mention, where the words begin that stand before it and belong to it.
    """

    def __init__(self, tokens: Sequence[Token], mentions: Sequence[Mention]) -> None:
        self.words = [t.text for t in tokens]
        self.mentions = mentions
        self.starts = {mention.start: n for n, mention in enumerate(mentions)}
        self.first = [self._first_word(n) for n in range(len(mentions))]

    def word(self, at: int) -> str:
        """The word at a place; a full stop beyond the ends."""
        return self.words[at] if 0 <= at < len(self.words) else "."

    def own(self, n: int) -> list[str]:
        """The words before the n-th mention that belong to it."""
        return self.words[self.first[n] : self.mentions[n].start]

    def inside(self, n: int) -> list[str]:
        """The words that name the n-th mention."""
        return self.words[self.mentions[n].start : self.mentions[n].end]

    def floor(self, n: int) -> int:
        """Where the words before the n-th mention cannot belong to it any more."""
        return self.mentions[n - 1].end if n else 0

    def until_mention(self, at: int) -> list[str]:
        """The words from a place on to the next mention, no farther than a rule looks."""
        end = at
        while end < len(self.words) and end - at < FARTHEST and end not in self.starts:
            end += 1
        return self.words[at:end]

    def joined(self, n: int) -> bool:
        """Whether the n-th mention and the next stand in one list."""
        if n + 1 >= len(self.mentions):
            return False
        between = self.words[self.mentions[n].end : self.mentions[n + 1].start]
        return len(between) <= FARTHEST and not CONJUNCTIONS.isdisjoint(between) and _PARTS_LISTS.isdisjoint(between)

    def sides(self, begin: int, end: int) -> set[Laterality]:
        """The sides that a stretch names; when it says both in one word, that alone."""
        found = {SIDES[w] for w in self.words[begin:end] if w in SIDES}
        return {Laterality.BILATERAL} if Laterality.BILATERAL in found else found

    def sided_by_anatomy(self, begin: int, end: int) -> bool:
        """Whether a stretch names something that there is on one side only."""
        return not SIDE_BY_ANATOMY.isdisjoint(self.words[begin:end])

    def degrees(self, begin: int, end: int) -> set[Severity]:
        """The degrees that a stretch names, but not those of a change: "slightly increased"."""
        return {
            degree_words()[self.words[at]]
            for at in range(begin, end)
            if self.words[at] in degree_words()
            and self.word(at + 1) not in CHANGING
            and self.word(at - 1) not in _COMPARED
        }

    def places(self, begin: int, end: int) -> set[str]:
        """The places that a stretch names. An empty one says that a place is named which is none of ours."""
        stems = [singular(w) for w in self.words[begin:end]]
        found: set[str] = set()
        at = 0
        while at < len(stems):
            length, key = _place_at(stems, at)
            if length or stems[at] in LEVELS:  # "upper and lower lobes"
                found.add(key)
            at += max(1, length)
        return found

    def _first_word(self, n: int) -> int:
        start, floor = self.mentions[n].start, self.floor(n)
        first = start
        while first > floor and start - first < FARTHEST:
            word = self.words[first - 1]
            if word == "of" and first - 1 > floor and self.words[first - 2] in MEASURES:
                first -= 2
            elif word in STOPS or word in COMPARING:
                break
            else:
                first -= 1
        return first


@cache
def degree_words() -> dict[str, Severity]:
    """The words for degrees."""
    return {word: Severity(m.key) for m in whole_vocabulary().severities.values() for word in m.words}


@cache
def _place_words() -> dict[str, tuple[tuple[tuple[str, ...], str], ...]]:
    """The names of places by their first word, longest first."""
    found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for modifier in whole_vocabulary().places.values():
        for name in modifier.words:
            words = tuple(singular(piece) for piece in name.split())
            found.setdefault(words[0], []).append((words, modifier.key))
    return {first: tuple(sorted(names, key=lambda n: -len(n[0]))) for first, names in found.items()}


def _place_at(stems: Sequence[str], at: int) -> tuple[int, str]:
    for words, key in _place_words().get(stems[at], ()):
        if tuple(stems[at : at + len(words)]) == words:
            return len(words), key
    return 0, ""
