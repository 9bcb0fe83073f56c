"""The words after a finding: "is seen in the left lower lobe", "(right)", "on the left and right"."""

from __future__ import annotations

from agent.reading.grammar.gathered import Gathered
from agent.reading.grammar.line import FARTHEST, Line
from agent.reading.grammar.places import Place, place_at, places_from
from agent.reading.grammar.words import (
    CHANGING,
    COMPARING,
    CONJUNCTIONS,
    FINITE,
    KNOWN_ADJECTIVES,
    LINKS,
    PLACING,
    PREPOSITIONS,
    SIDED_PLACES,
    SIDES,
)
from structured_report.content import Laterality

_ONLY_SIDES = frozenset({"side", "sided"}) | SIDES.keys()
_ENDS = frozenset({".", ")", ",", "and", "or", "with", "without", "but"})


def gather_after(line: Line, n: int, *, bare: bool) -> Gathered:
    """What the words after the n-th mention say of it.

    Args:
        bare: take a place only when it is no more than a side.
    """
    said = Gathered()
    begin = at = line.mentions[n].end
    while at < len(line.words) and at not in line.starts and at - begin < 2 * FARTHEST:
        word, following = line.words[at], line.word(at + 1)
        if word in PLACING:
            place = place_at(line, at + 1)
            if place is None or (bare and not _is_bare(line, place)):
                break
            at = _add_places(line, said, place)
        elif word in SIDES or (word in ("(", ",") and following in SIDES):
            end = _side_alone(line, at + (word not in SIDES))
            if end is None:
                break
            said.sides = said.sides | line.sides(at, end)
            said.places |= line.places(at, end)
            if word != "(":
                break
            at = end + 1
        elif word == "," and following in PLACING:
            at += 1
        elif word in LINKS or word[:1].isdigit() or (word.endswith("ly") and word not in COMPARING):
            if at == begin or line.words[at - 1] in LINKS:
                said.severities |= line.degrees(at, at + 1)
            at += 1
        else:
            break
    return said


def other_side_left_open(line: Line, n: int, sides: set[Laterality]) -> bool:
    """Whether the other side follows without its noun: "the right effusion is smaller, the left larger"."""
    begin = line.mentions[n].end
    for at, word in enumerate(line.until_mention(begin), begin):
        if word in SIDES and SIDES[word] not in sides | {Laterality.BILATERAL}:
            after, before = line.word(at + 1), line.word(at - 1)
            alone = after in (".", ",", "and") or after in FINITE or after in COMPARING or after in CHANGING
            article = before == "the" and line.word(at - 2) not in PREPOSITIONS
            compared = "than" in line.words[begin:at]
            if compared or (alone and (article or before in CONJUNCTIONS)):
                return True
    return False


def _add_places(line: Line, said: Gathered, place: Place) -> int:
    here, end = places_from(line, place)
    said.doubt = said.doubt or here.doubt or bool(said.sides and here.sides - said.sides)
    said.sides = said.sides | here.sides
    said.places |= here.places
    return end


def _is_bare(line: Line, place: Place) -> bool:
    return all(word in _ONLY_SIDES for word in line.words[place.begin : place.end])


def _side_alone(line: Line, at: int) -> int | None:
    """The end of "left", "left sided" or "left base" when that is all that follows, else None. "Left in place" is no
    side."""
    end = at
    while (
        end - at < FARTHEST
        and end not in line.starts
        and (line.word(end) in KNOWN_ADJECTIVES or line.word(end) in SIDED_PLACES)
    ):
        end += 1
    if end in line.starts:
        return None
    return end if line.word(end) in _ENDS or SIDES[line.word(at)] is Laterality.BILATERAL else None
