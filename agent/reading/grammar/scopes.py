"""From left to right: a cue ("no", "may represent") opens a scope that holds until the grammar closes it."""

from __future__ import annotations

from dataclasses import dataclass

from agent.reading.grammar.cues import (
    CHANGES,
    HEDGES,
    NEGATIONS,
    NOT_BEFORE,
    PARTLY,
    SHOWN,
    SKIPS,
    STATES,
    VERBAL,
    is_adverb,
)
from agent.reading.grammar.line import FARTHEST, Line, degree_words
from agent.reading.grammar.predicates import content_of
from agent.reading.grammar.said import Said
from agent.reading.grammar.words import CONJUNCTIONS, DETERMINERS, EXISTING, FINITE, PREPOSITIONS, SIDES, TURNS

_JOINING = frozenset({",", "and", "-", "–", "—", "plus", "+"})
_GOES_WITH = frozenset({"consistent", "compatible", "keeping", "associated"})
_DENYING = frozenset({"or", "nor", "no", "without", "neither", "not"})
_HARD = frozenset({"not", "difficult", "unable", "impossible", "hard"})


@dataclass(slots=True)
class _Scope:
    """What is open.

    Attributes:
        named: a finding has been named in it.
        verb: a verb has followed a finding, so that the next one begins a clause.
        open_ended: English leaves open whether it still holds.
        verbal: a verb opened it; such a one reaches over "and".
    """

    said: Said
    named: bool = False
    verb: bool = False
    open_ended: bool = False
    verbal: bool = False

    @property
    def result(self) -> Said:
        return Said.DOUBTED if self.open_ended and self.said is not Said.NOTHING else self.said


def scopes(line: Line) -> list[Said | None]:
    """For each mention what an earlier cue makes of it."""
    found: list[Said | None] = [None] * len(line.mentions)
    scope: _Scope | None = None
    at = 0
    while at < len(line.words):
        if at in line.starts:
            n = line.starts[at]
            if scope is not None:
                found[n], scope.named = scope.result, True
            at = line.mentions[n].end
        elif (cue := _cue_at(line, at)) is not None:
            said, length = cue
            scope = _opened(scope, said, line.words[at])
            at += length
        else:
            scope = _still(line, scope, at)
            at += 1
    return found


def _opened(scope: _Scope | None, said: Said | None, word: str) -> _Scope | None:
    if said is None:
        return None
    if said is Said.DOUBTED and scope is not None and scope.said is not Said.DOUBTED and not scope.verb:
        return scope  # "no opacity concerning for pneumonia"
    return _Scope(said, verbal=word in VERBAL)


def _still(line: Line, scope: _Scope | None, at: int) -> _Scope | None:
    """The scope after one more word that is no cue."""
    word = line.words[at]
    if scope is None or word in TURNS or word == ":" or (word == "there" and scope.named):
        return None
    if word == "with":
        return scope if line.word(at - 1) in _GOES_WITH else None
    if word in ("due", "secondary") and scope.said is Said.NOTHING:
        return None  # "difficult to assess due to the effusion"
    if word in FINITE:
        scope.verb = scope.verb or scope.named
    elif word in _JOINING:
        goes_on = _goes_on(line, scope, at)
        if goes_on is False:
            return None
        scope.open_ended = scope.open_ended or goes_on is None
    return scope


def _goes_on(line: Line, scope: _Scope, at: int) -> bool | None:
    """Whether a scope reaches over the comma or "and" at `at`; None when English leaves it open."""
    begin = at
    while line.word(begin) in _JOINING and begin - at < FARTHEST:
        begin += 1
    with_and = "and" in line.words[max(0, at - 1) : begin]
    first = line.word(begin)
    if first in _DENYING or first in FINITE or first in PREPOSITIONS:
        return True
    if first in ("there", "it") or scope.verb:
        return False
    phrase, end = _phrase(line, begin)
    firm = first in DETERMINERS or not STATES.isdisjoint(phrase) or not SIDES.keys().isdisjoint(phrase)
    sized = not degree_words().keys().isdisjoint(phrase)
    if line.word(end) in FINITE:
        bare = content_of(line, end).word in EXISTING and not firm and not sized
        return None if bare and with_and else bare
    if _list_has_or(line, begin) or (scope.verbal and with_and and "," not in line.words[at:begin]):
        return True
    if first in DETERMINERS and scope.said is not Said.DOUBTED and with_and and _takes_away(line, at):
        return None
    if firm or sized:
        return None if with_and and not firm else False
    return True


def _takes_away(line: Line, at: int) -> bool:
    """ "Removal of the endotracheal tube and the nasogastric tube" may be of both."""
    return not {"removal", "resolution"}.isdisjoint(line.words[max(0, at - FARTHEST) : at])


def _phrase(line: Line, begin: int) -> tuple[list[str], int]:
    """The words of the noun phrase that begins here, and where it ends."""
    end = begin
    while end < len(line.words) and end - begin < FARTHEST:
        word = line.words[end]
        if word in FINITE or word in TURNS or word in CONJUNCTIONS or word in ("with", ":", "(", ")"):
            break
        end += 1
    return line.words[begin:end], end


def _list_has_or(line: Line, begin: int) -> bool:
    for word in line.words[begin : begin + 3 * FARTHEST]:
        if word in ("or", "nor"):
            return True
        if word in FINITE or word in TURNS or word in ("with", "and", "no", ":", "(", "there"):
            return False
    return False


def _cue_at(line: Line, at: int) -> tuple[Said | None, int] | None:
    """The longest cue that begins here: what it opens, None when it closes, and its length."""
    word = line.words[at]
    if word in ("no", "without", "not") and (length := _harmless(line, at)):
        return None, length
    if word == "not":
        return _not(line, at)
    found = [
        (cue, said)
        for said, cues in ((Said.NOTHING, SKIPS), (Said.DOUBTED, HEDGES), (Said.DENIED, NEGATIONS))
        for cue in cues.get(word, ())
        if tuple(line.words[at : at + len(cue)]) == cue
    ]
    if not found:
        return None
    cue, said = max(found, key=lambda f: len(f[0]))
    return _in_context(line, said, cue, at), len(cue)


def _in_context(line: Line, said: Said, cue: tuple[str, ...], at: int) -> Said | None:
    before = line.words[max(0, at - 3) : at]
    if cue[0] in ("exclude", "rule", "excluding") or cue == ("to", "exclude"):
        return said if _HARD.isdisjoint(before) else Said.DOUBTED
    if cue[0] in ("resolution", "clearing", "removal") and not PARTLY.isdisjoint(before):
        return None
    return said


def _harmless(line: Line, at: int) -> int:
    """The length of a negation that denies no finding: "no change in", "no more than", "no prior"; else 0."""
    for end in range(at + 1, min(at + 6, len(line.words))):
        word = line.words[end]
        if end in line.starts:
            return 0
        if word in CHANGES or (word in NOT_BEFORE and end == at + 1):
            return end + 1 - at
        if not (is_adverb(word) or word in STATES or word in ("evidence", "of", "any")):
            return 0
    return 0


def _not(line: Line, at: int) -> tuple[Said | None, int] | None:
    for distance, word in enumerate(line.words[at + 1 : at + 4], 1):
        if word in ("exclude", "rule", "excluding"):
            return Said.DOUBTED, distance + 1
        if word in ("excluded", "ruled"):
            return None, distance + 1
        if word in SHOWN:
            return Said.DENIED, distance
        if not (is_adverb(word) or word == "be"):
            break
    return None
