"""The words before a finding: "small left and moderate right apical"."""

from __future__ import annotations

from agent.reading.grammar.gathered import Gathered, differ
from agent.reading.grammar.line import FARTHEST, LEVELS, STOPS, Line, degree_words
from agent.reading.grammar.tokens import wordset
from agent.reading.grammar.words import (
    CONJUNCTIONS,
    DETERMINERS,
    KNOWN_ADJECTIVES,
    PLACING,
    PREPOSITIONS,
    SHOWING,
    SIDED_PLACES,
    TO_BE,
)
from structured_report.content import Laterality

_NOUNS = SIDED_PLACES - KNOWN_ADJECTIVES | {"lung", "lobe", "base", "apex"}
_STOPS_BUT_AND = STOPS - {"and", "but"}
_INSIDE = PREPOSITIONS - {"with", "without"}
_CHANGES = wordset("increase decrease change changes improvement worsening progression size")


def gather_before(line: Line, n: int) -> Gathered:
    """What the words before the n-th mention say of it, and those that a conjunction joins to them."""
    first, start, floor = line.first[n], line.mentions[n].start, line.floor(n)
    own = line.sides(first, start)
    said = Gathered(own, differ(own))
    if not said.doubt and (own or _levels(line, first, start)):
        _gather_joined(line, said, n, floor)
        if Laterality.BILATERAL in own:
            said.doubt = False
    return said


def _levels(line: Line, first: int, start: int) -> bool:
    """ "Left upper and lower lobe": the side is of both levels."""
    return first < start and line.word(first) in LEVELS and line.word(first - 2) in LEVELS


def _gather_joined(line: Line, said: Gathered, n: int, floor: int) -> None:
    first = at = line.first[n]
    said.doubt = _elliptic(line, n, floor, said.sides)
    while (chunk := _joined(line, at, floor)) is not None:
        begin, conjunctions = chunk
        sides, anatomy = line.sides(begin, at), line.sided_by_anatomy(begin, at)
        if not sides and not anatomy:
            break
        if not _may_begin(line, begin, at, floor):
            if conjunctions & {"and", "or"} and not sides <= said.sides:
                said.doubt = said.doubt or not _belongs_elsewhere(line, begin, first)
            break
        said.sides = said.sides | sides
        said.doubt = said.doubt or anatomy or (len(said.sides) > 1 and "and" not in conjunctions)
        at = begin
    said.severities |= line.degrees(at, first)
    said.places |= line.places(at, first)


def _joined(line: Line, at: int, floor: int) -> tuple[int, set[str]] | None:
    """Where the adjectives begin that a conjunction joins to those at `at`, and the conjunctions."""
    end = at
    conjunctions: set[str] = set()
    while end > floor and at - end < FARTHEST and line.words[end - 1] in CONJUNCTIONS:
        end -= 1
        conjunctions.add(line.words[end])
    begin = end
    while begin > floor and at - begin < FARTHEST and line.words[begin - 1] in KNOWN_ADJECTIVES:
        begin -= 1
    return (begin, conjunctions) if conjunctions and begin < end else None


def _elliptic(line: Line, n: int, floor: int, own: set[Laterality]) -> bool:
    """ "Left subclavian and right PICC lines": words that are not known join the other side to a plural."""
    first, last = line.first[n], line.words[line.mentions[n].end - 1]
    plural = last.endswith("s") and not last.endswith(("is", "us", "ss"))
    if not plural or line.word(first - 1) not in ("and", "but", "or") or line.word(first - 2) in KNOWN_ADJECTIVES:
        return False
    begin = first - 1
    while begin > floor and first - begin < FARTHEST and line.words[begin - 1] not in _STOPS_BUT_AND:
        begin -= 1
    return bool(line.sides(begin, first - 1) - own)


def _may_begin(line: Line, begin: int, end: int, floor: int) -> bool:
    """Whether a noun phrase may begin here, rather than the end of something else stand here."""
    if begin == 0 or begin == floor:
        return begin == 0
    before, earlier = line.word(begin - 1), line.word(begin - 2)
    if before == "of" or (before == "in" and earlier in _CHANGES):
        return _NOUNS.isdisjoint(line.words[begin:end])
    if before in DETERMINERS:
        return begin - 1 == floor or earlier not in _INSIDE
    if before in TO_BE:
        return earlier == "there"
    return before in CONJUNCTIONS or before in SHOWING or before in ("with", "without", "no", ":")


def _belongs_elsewhere(line: Line, begin: int, first: int) -> bool:
    """Whether words before a conjunction are surely not the finding's: "in the left base and right effusion"."""
    at = begin - 1
    if line.word(at) in DETERMINERS:
        at -= 1
    sized = line.word(first) in degree_words()
    return line.word(at) in (PREPOSITIONS if sized else PLACING)
