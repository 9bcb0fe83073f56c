"""Whether a sentence affirms, denies or doubts what it names.

Two passes. From left to right a cue ("no", "may represent") opens a scope that holds until the grammar closes it. Then
each finding's own predicate is looked at ("has resolved", "cannot be excluded"). Where English leaves it open ("no
pneumothorax and small effusion"), the finding is doubted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise

from agent.reading.grammar.cues import (
    ADVERBS,
    ASSESSED,
    BETTER_KNOWN,
    CHANGES,
    DOUBTED,
    GONE,
    HEDGES,
    LIMITED,
    MODALS,
    NEGATIONS,
    NOT_BEFORE,
    ONLY_SOME,
    PARTLY,
    PAST,
    SHOWN,
    SKIPS,
    STATES,
    VERBAL,
    WEAKENING,
    WELL,
)
from agent.reading.grammar.names import Mention
from agent.reading.grammar.tokens import Token
from agent.reading.grammar.words import (
    CONJUNCTIONS,
    CURRENT,
    DETERMINERS,
    EXISTING,
    FINITE,
    MARKS,
    PLACING,
    PREPOSITIONS,
    SIDES,
    TO_BE,
    TURNS,
)
from structured_report.vocabulary import vocabulary, whole_vocabulary

_AHEAD = 14


def is_adverb(word: str) -> bool:
    """Whether a word may be passed over on the way to the one that carries the sense."""
    return word in ADVERBS or (word.endswith("ly") and word not in ("likely", "unlikely"))


_ALTERNATIVE = frozenset({"or", "versus", "vs", "/"})


class Said(Enum):
    """What a sentence says of a finding it names."""

    AFFIRMED = auto()
    DENIED = auto()
    DOUBTED = auto()
    NOTHING = auto()  # named, but not as something of this film: "evaluate for pneumonia"


@dataclass(slots=True)
class _Scope:
    said: Said
    named: bool = False
    verb: bool = False
    doubtful: bool = False
    verbal: bool = False

    @property
    def result(self) -> Said:
        return Said.DOUBTED if self.doubtful and self.said is not Said.NOTHING else self.said


class PresenceOf:
    """Answers for the mentions of one sentence."""

    def __init__(self, tokens: Sequence[Token], mentions: Sequence[Mention], first_words: Sequence[int]) -> None:
        self._words = [t.text for t in tokens]
        self._mentions = mentions
        self._first = first_words
        self._starts = {m.start: n for n, m in enumerate(mentions)}
        self._degrees = {word for m in whole_vocabulary().severities.values() for word in m.words}
        self._before = self._scopes()
        self._after = self._predicates()

    def of(self, n: int) -> Said:
        """What the sentence says of its n-th mention."""
        mention = self._mentions[n]
        inside = set(self._words[mention.start : mention.end])
        if mention.denied:
            return self._normal(n, inside)
        if inside & {"may", "might", "could", "borderline"} or {"can", "not"} <= inside:
            return Said.DOUBTED
        before, after = self._before[n], self._after[n]
        if inside & {"not", "no"}:
            return Said.DOUBTED if before is Said.DENIED else Said.DENIED
        own = set(self._words[self._first[n] : mention.start])
        if before is Said.NOTHING:
            around = self._words[max(0, mention.start - _AHEAD) : mention.end + _AHEAD]
            return Said.NOTHING if LIMITED.isdisjoint(around) else Said.DOUBTED
        if before is Said.DENIED:
            return self._denied(own, after)
        if self._is_past(n):
            return self._past(n, after)
        if after is Said.DENIED or after is Said.DOUBTED:
            return after
        return Said.DOUBTED if before is Said.DOUBTED or self._alternative(n) else Said.AFFIRMED

    def partial(self, n: int) -> bool:
        """Whether a denial of the n-th mention is only of a kind of it: "no large", "no new", "no focal"."""
        own = self._words[self._first[n] : self._mentions[n].start]
        return any(word in ONLY_SOME or word in self._degrees for word in own)

    def negated(self, n: int) -> bool:
        """Whether a negation reaches the n-th mention, whatever comes of it."""
        return self._before[n] is Said.DENIED

    def joined(self, n: int) -> bool:
        """Whether the n-th mention and the next stand in one list."""
        if n + 1 >= len(self._mentions):
            return False
        between = self._words[self._mentions[n].end : self._mentions[n + 1].start]
        return (
            len(between) <= _AHEAD
            and not CONJUNCTIONS.isdisjoint(between)
            and not any(w in FINITE or w in TURNS or w in PREPOSITIONS - PLACING - {"of"} for w in between)
            and "no" not in between
        )

    # -- one mention --------------------------------------------------------------------------------------------

    def _normal(self, n: int, inside: set[str]) -> Said:
        mention = self._mentions[n]
        own = set(self._words[self._first[n] : mention.start]) | inside
        following = self._words[mention.end : mention.end + 2]
        if (
            "except" in self._words[: mention.start]
            or own & WEAKENING
            or set(following[:1]) & {"except", "of"}
            or following == ["with", "exception"]
        ):
            return Said.NOTHING
        if inside & {"not", "no", "may", "might", "could", "borderline"}:
            return Said.DOUBTED
        return Said.DENIED

    def _denied(self, own: set[str], after: Said | None) -> Said:
        if after is Said.DOUBTED or own & BETTER_KNOWN:
            return Said.DOUBTED
        return Said.DENIED

    def _is_past(self, n: int) -> bool:
        """Whether the finding, and not only its size, is one of an earlier film."""
        own = self._words[self._first[n] : self._mentions[n].start]
        return any(word in PAST and following not in self._degrees for word, following in pairwise((*own, "")))

    def _past(self, n: int, after: Said | None) -> Said:
        if after is not None:
            return after
        mention = self._mentions[n]
        own = self._words[self._first[n] : mention.start]
        predicate = self._words[mention.end : mention.end + _AHEAD]
        return Said.AFFIRMED if not CURRENT.isdisjoint((*own, *predicate)) else Said.DOUBTED

    def _alternative(self, n: int) -> bool:
        """ "Atelectasis or pneumonia" affirms neither. A device is there by whichever name."""
        mention = self._mentions[n]
        known = vocabulary()
        if all(key in known and not known[key].abnormal for key in mention.concepts):
            return False
        first = self._first[n]
        before = self._words[first - 1] if first else ""
        counted = self._words[first] in ("more", "two", "three", "less") if first < len(self._words) else False
        return (before in _ALTERNATIVE and not counted) or self._offers(mention.end)

    def _offers(self, at: int) -> bool:
        """Whether an alternative follows at `at`. A slash alone offers one only between two findings."""
        if at >= len(self._words) or self._words[at] not in _ALTERNATIVE:
            return False
        return self._words[at] != "/" or any(start in self._starts for start in range(at + 1, at + 4))

    # -- scopes -------------------------------------------------------------------------------------------------

    def _scopes(self) -> list[Said | None]:
        """For each mention what an earlier cue makes of it."""
        found: list[Said | None] = [None] * len(self._mentions)
        scope: _Scope | None = None
        at = 0
        while at < len(self._words):
            word = self._words[at]
            if at in self._starts:
                n = self._starts[at]
                if scope is not None:
                    found[n] = scope.result
                    scope.named = True
                at = self._mentions[n].end
                continue
            opened, length = self._cue(at)
            if length:
                scope = self._opened(scope, opened, word)
                at += length
                continue
            scope = self._still(scope, at, word)
            at += 1
        return found

    def _opened(self, scope: _Scope | None, said: Said | None, word: str) -> _Scope | None:
        if said is None:
            return None
        if said is Said.DOUBTED and scope is not None and scope.said is not Said.DOUBTED and not scope.verb:
            return scope  # "no opacity concerning for pneumonia"
        return _Scope(said, verbal=word in VERBAL)

    def _still(self, scope: _Scope | None, at: int, word: str) -> _Scope | None:
        """The scope after one more word that is no cue."""
        if scope is None or word in TURNS or word == ":" or (word == "there" and scope.named):
            return None
        if word == "with":
            return scope if self._words[at - 1] in ("consistent", "compatible", "keeping", "associated") else None
        if word in FINITE:
            scope.verb = scope.verb or scope.named
        elif word in (",", "and", "-", "–", "—", "plus", "+"):
            goes_on = self._goes_on(scope, at)
            if goes_on is False:
                return None
            scope.doubtful = scope.doubtful or goes_on is None
        return scope

    def _goes_on(self, scope: _Scope, at: int) -> bool | None:
        """Whether a scope reaches over the comma or "and" at `at`; None when English leaves it open."""
        begin = at
        while begin < len(self._words) and self._words[begin] in ("and", ",", "-", "–", "—", "plus", "+"):
            begin += 1
        with_and = "and" in self._words[at:begin] or "and" in self._words[max(0, at - 1) : at]
        first = self._words[begin] if begin < len(self._words) else ""
        if first in ("or", "nor", "no", "without", "neither", "not") or first in FINITE or first in PREPOSITIONS:
            return True
        if first in ("there", "it"):
            return False
        phrase, end = self._phrase(begin)
        verb = end < len(self._words) and self._words[end] in FINITE
        firm = first in DETERMINERS or not STATES.isdisjoint(phrase) or not SIDES.keys().isdisjoint(phrase)
        sized = not self._degrees.isdisjoint(phrase)
        if scope.verb:
            return False
        if verb:
            exists = self._content(end)[0] in EXISTING
            return None if exists and not firm and not sized and with_and else (exists and not firm and not sized)
        if self._list_has_or(begin) or (scope.verbal and with_and and "," not in self._words[at:begin]):
            return True
        if firm and first in DETERMINERS and scope.said is not Said.DOUBTED and with_and and self._removed(at):
            return None
        if firm:
            return False
        if sized:
            return None if with_and else False
        return True

    def _removed(self, at: int) -> bool:
        return (
            "removal" in self._words[max(0, at - _AHEAD) : at] or "resolution" in self._words[max(0, at - _AHEAD) : at]
        )

    def _phrase(self, begin: int) -> tuple[list[str], int]:
        """The words of the noun phrase that begins here, and where it ends."""
        end = begin
        while end < len(self._words) and end - begin < _AHEAD:
            word = self._words[end]
            if word in FINITE or word in TURNS or word in CONJUNCTIONS or word in ("with", ":", "(", ")"):
                break
            end += 1
        return self._words[begin:end], end

    def _list_has_or(self, begin: int) -> bool:
        for word in self._words[begin : begin + 3 * _AHEAD]:
            if word in ("or", "nor"):
                return True
            if word in FINITE or word in TURNS or word in ("with", "and", "no", ":", ";", "(", "there"):
                return False
        return False

    def _cue(self, at: int) -> tuple[Said | None, int]:
        """The cue that begins here: (what it opens, its length); length 0 when none does."""
        word = self._words[at]
        if word in ("no", "without", "not") and (length := self._harmless(at)):
            return None, length
        if word == "not":
            return self._not(at)
        found = [
            (cue, said)
            for said, cues in ((Said.NOTHING, SKIPS), (Said.DOUBTED, HEDGES), (Said.DENIED, NEGATIONS))
            for cue in cues.get(word, ())
            if tuple(self._words[at : at + len(cue)]) == cue
        ]
        if not found:
            return None, 0
        cue, said = max(found, key=lambda f: len(f[0]))
        return self._cued(said, cue, at), len(cue)

    def _cued(self, said: Said, cue: tuple[str, ...], at: int) -> Said | None:
        before = self._words[max(0, at - 3) : at]
        if cue[0] in ("exclude", "rule", "excluding") or cue == ("to", "exclude"):
            hard = {"not", "difficult", "unable", "impossible", "hard", "cannot"}
            return Said.DOUBTED if hard & set(before) else said
        if cue[0] in ("resolution", "clearing", "removal") and PARTLY & set(before):
            return None
        return said

    def _harmless(self, at: int) -> int:
        """The length of a negation that denies no finding: "no change in", "no more than", "no prior"; else 0."""
        end = at + 1
        while end < len(self._words) and end - at < 6 and end not in self._starts:
            word = self._words[end]
            if word in CHANGES and not (word in ("new", "interval") and end + 1 < len(self._words)):
                return end + 1 - at
            if word in NOT_BEFORE and end == at + 1:
                return end + 1 - at
            if not (is_adverb(word) or word in STATES or word in ("evidence", "of", "any")):
                return 0
            end += 1
        return 0

    def _not(self, at: int) -> tuple[Said | None, int]:
        for distance, word in enumerate(self._words[at + 1 : at + 4], 1):
            if word in ("exclude", "rule", "excluding"):
                return Said.DOUBTED, distance + 1
            if word in ("excluded", "ruled"):
                return None, distance + 1
            if word in SHOWN:
                return Said.DENIED, distance
            if not (is_adverb(word) or word == "be"):
                break
        return None, 0

    # -- predicates ---------------------------------------------------------------------------------------------

    def _predicates(self) -> list[Said | None]:
        found: list[Said | None] = [None] * len(self._mentions)
        for n in range(len(self._mentions) - 1, -1, -1):
            found[n] = self._shared(n, found[n + 1]) if self.joined(n) else self._predicate(n)
        return found

    def _shared(self, n: int, following: Said | None) -> Said | None:
        """What the predicate of a whole list says of one of its earlier members."""
        own = self._predicate(n)
        if own is not None or following is None:
            return own
        mention, next_one = self._mentions[n], self._mentions[n + 1]
        between = self._words[mention.end : next_one.start]
        if not self._is_subject(n):
            return None
        if "or" in between or "nor" in between or "/" in between:
            return following
        if "and" in between and "," in between:
            return None
        singular = self._words[next_one.end : next_one.end + 1]
        return Said.DOUBTED if singular and singular[0] in ("is", "was", "has") else following

    def _is_subject(self, n: int) -> bool:
        """Whether no verb stands before the n-th mention in its clause."""
        for word in reversed(self._words[max(0, self._mentions[n].start - _AHEAD) : self._mentions[n].start]):
            if word in TURNS:
                return True
            if word in FINITE or word == "there":
                return False
        return True

    def _predicate(self, n: int) -> Said | None:
        mention = self._mentions[n]
        at = mention.end
        if self._words[at : at + 1] in (["removal"], ["resolution"]):
            return Said.DENIED
        while at < len(self._words) and at - mention.end < _AHEAD and at not in self._starts:
            word = self._words[at]
            following = self._words[at + 1] if at + 1 < len(self._words) else ""
            if word in TURNS or word in ("and", "or", "nor", "with", "without", "/"):
                return None
            if word == ":" or word == "=":
                return self._heading(at + 1)
            if word in FINITE or word in GONE or word in ("not", "excluded") or (word, following) == ("no", "longer"):
                return self._says(n, at)
            if word in DOUBTED or (word == "?" and not following):
                return self._says(n, at) if self._ends(at + 1) or word == "unlikely" else None
            if word == "no":
                return None
            if word == "," and not (
                following in FINITE
                or following in PLACING
                or following in ("previously", "seen", "noted", "which", "not", "now", "likely", "probably", "also")
                or (following in DOUBTED and self._ends(at + 2))
            ):
                return None
            at += 1
        return None

    def _ends(self, at: int) -> bool:
        return at >= len(self._words) or self._words[at] in MARKS or self._words[at] in ("and", "but", "in", "on", "at")

    def _heading(self, at: int) -> Said | None:
        """ "Pneumothorax: none"."""
        rest = self._words[at : at + 3]
        if any(at + i in self._starts for i in range(5)):
            return None
        if rest and rest[0] in ("no", "none", "absent", "negative", "not", "nil"):
            return Said.DENIED
        return Said.DOUBTED if rest and rest[0] in DOUBTED else None

    def _content(self, at: int) -> tuple[str, set[str], int]:
        """The first word of a predicate that carries its sense, the words passed over, and where it stands."""
        passed: set[str] = set()
        while at < len(self._words) and at not in self._starts:
            word = self._words[at]
            light = word in FINITE or word in TO_BE or is_adverb(word)
            if not (light or word in ("no", "longer", "not", "never")):
                return word, passed, at
            if word in TURNS:
                break
            passed.add(word)
            at += 1
        return "", passed, at

    def _says(self, n: int, at: int) -> Said | None:
        content, passed, where = self._content(at)
        negated = bool(passed & {"not", "never", "longer"})
        rest = set(self._words[where + 1 : where + 5])
        maybe = bool(passed & {"may", "might", "could"})
        if content == "excluded" or (content == "ruled" and "out" in rest):
            return Said.DOUBTED if negated or passed & MODALS else Said.DENIED
        if content in GONE:
            return self._gone(passed, where, negated)
        if content in EXISTING:
            if negated:
                return Said.DOUBTED if passed & WELL else Said.DENIED
            return Said.DOUBTED if maybe and self._before[n] is not Said.DENIED else None
        if content in ASSESSED and negated:
            return Said.DOUBTED
        if "if-any" in self._words[at : where + 4]:
            return Said.DOUBTED
        if content in DETERMINERS and rest & {"possibility", "consideration", "question", "concern"}:
            return Said.DOUBTED
        if content == "missed" and passed & MODALS:
            return Said.DOUBTED
        if content in DOUBTED or (content == "likely" and negated) or (content == "less" and "likely" in rest):
            return Said.DOUBTED
        if content in ("difficult", "hard", "impossible") and rest & (ASSESSED | {"exclude", "assess", "evaluate"}):
            return Said.DOUBTED
        if content == "in" and self._words[where + 1 : where + 2] == ["question"]:
            return Said.DOUBTED
        return Said.DENIED if not content and passed & {"longer"} else None

    def _gone(self, passed: set[str], where: int, negated: bool) -> Said | None:
        if negated or passed & PARTLY or passed & {"should", "can", "will", "would"}:
            return None
        if self._words[where + 1 : where + 3] == ["and", "replaced"]:
            return None
        if self._also_stays(where + 1):
            return Said.DOUBTED
        return Said.DOUBTED if passed & {"may", "might", "could"} else Said.DENIED

    def _also_stays(self, at: int) -> bool:
        """ "Have resolved on the right and persist on the left"."""
        joined = False
        for word in self._words[at : min([at + _AHEAD, *(start for start in self._starts if start >= at)])]:
            joined = joined or word in ("and", "but", "while", ",")
            if joined and word in CURRENT:
                return True
        return False
