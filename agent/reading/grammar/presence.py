"""Whether a sentence affirms, denies or doubts what it names.

The cues before a finding (`scopes`) and its predicate (`predicates`) are put together with the words next to it. Where
English leaves it open ("no pneumothorax and small effusion"), the finding is doubted.
"""

from __future__ import annotations

from itertools import pairwise

from agent.reading.grammar.cues import BETTER_KNOWN, LIMITED, ONLY_SOME, PAST, WEAKENING
from agent.reading.grammar.line import FARTHEST, Line, degree_words
from agent.reading.grammar.predicates import predicates
from agent.reading.grammar.said import Said
from agent.reading.grammar.scopes import scopes
from agent.reading.grammar.words import CURRENT
from structured_report.vocabulary import vocabulary

_ALTERNATIVE = frozenset({"or", "versus", "vs", "/"})
_COUNTED = frozenset({"more", "less", "two", "three"})
_PERHAPS = frozenset({"may", "might", "could", "borderline"})
_NEGATIVE = frozenset({"not", "no"})
_NOT_SURE = _PERHAPS | _NEGATIVE


class Presences:
    """Answers for the mentions of one sentence."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._before = scopes(line)
        self._after = predicates(line, self._before)

    def of(self, n: int) -> Said:
        """What the sentence says of its n-th mention."""
        if self._line.mentions[n].denied:
            return self._normal(n)
        inside = set(self._line.inside(n))
        before, after = self._before[n], self._after[n]
        if inside & _PERHAPS or {"can", "not"} <= inside:
            return Said.DOUBTED
        if inside & _NEGATIVE:
            return Said.DOUBTED if before is Said.DENIED else Said.DENIED
        if before is Said.NOTHING:
            return Said.DOUBTED if self._limited(n) else Said.NOTHING
        if before is Said.DENIED:
            doubted = after is Said.DOUBTED or not BETTER_KNOWN.isdisjoint(self._line.own(n))
            return Said.DOUBTED if doubted else Said.DENIED
        if after is Said.DENIED or after is Said.DOUBTED:
            return after
        if self._is_past(n):
            return Said.AFFIRMED if self._is_still_there(n) else Said.DOUBTED
        return Said.DOUBTED if before is Said.DOUBTED or self._alternative(n) else Said.AFFIRMED

    def partial(self, n: int) -> bool:
        """Whether a denial of the n-th mention is only of a kind of it: "no large", "no new", "no focal"."""
        return any(word in ONLY_SOME or word in degree_words() for word in self._line.own(n))

    def negated(self, n: int) -> bool:
        """Whether a negation reaches the n-th mention, whatever comes of it."""
        return self._before[n] is Said.DENIED

    def _normal(self, n: int) -> Said:
        """What "the lungs are clear" says: nothing of the whole when they are so "otherwise" or "except for"."""
        line, mention = self._line, self._line.mentions[n]
        around = {*line.own(n), *line.inside(n)}
        except_for = "except" in line.words[max(0, mention.start - FARTHEST) : mention.start]
        following = line.words[mention.end : mention.end + 2]
        if except_for or around & WEAKENING or "except" in following[:1] or following == ["with", "exception"]:
            return Said.NOTHING
        return Said.DOUBTED if set(line.inside(n)) & _NOT_SURE else Said.DENIED

    def _limited(self, n: int) -> bool:
        """ "The sensitivity to detect pneumothorax is diminished" leaves it in doubt."""
        mention = self._line.mentions[n]
        around = self._line.words[max(0, mention.start - FARTHEST) : mention.end + FARTHEST]
        return not LIMITED.isdisjoint(around)

    def _is_past(self, n: int) -> bool:
        """Whether the finding, and not only its size, is one of an earlier film."""
        own = (*self._line.own(n), "")
        return any(word in PAST and following not in degree_words() for word, following in pairwise(own))

    def _is_still_there(self, n: int) -> bool:
        end = self._line.mentions[n].end
        return not CURRENT.isdisjoint((*self._line.own(n), *self._line.words[end : end + FARTHEST]))

    def _alternative(self, n: int) -> bool:
        """ "Atelectasis or pneumonia" affirms neither. A device is there by whichever name."""
        line, mention, known = self._line, self._line.mentions[n], vocabulary()
        if all(key in known and not known[key].abnormal for key in mention.concepts):
            return False
        first = line.first[n]
        if line.word(first - 1) in _ALTERNATIVE and line.word(first) not in _COUNTED:
            return True
        after = line.word(mention.end)
        if after == "/":  # a slash alone offers a choice only between two findings
            return any(start in line.starts for start in range(mention.end + 1, mention.end + 4))
        return after in _ALTERNATIVE
