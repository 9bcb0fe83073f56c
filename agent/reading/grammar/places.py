"""The place a preposition introduces, and the places that are joined to it: "in the left base and the right apex"."""

from __future__ import annotations

from dataclasses import dataclass

from agent.reading.grammar.gathered import Gathered, differ
from agent.reading.grammar.line import FARTHEST, STOPS, Line
from agent.reading.grammar.words import (
    COMPARING,
    CONJUNCTIONS,
    DETERMINERS,
    FINITE,
    KNOWN_ADJECTIVES,
    LINKS,
    PLACING,
    SIDE_BY_ANATOMY,
    SIDED_PLACES,
    SIDES,
    TO_BE,
)

_CONTRAST = frozenset({"but", "while"})
_ASIDE = COMPARING | (LINKS - TO_BE) | {"smaller", "less", "slightly", "minimally", "a", "one"}
_PLURAL_VERBS = frozenset({"are", "were", "have", "remain", "appear", "persist"})


@dataclass(frozen=True, slots=True)
class Place:
    """The words `[begin, end)`."""

    begin: int
    end: int


def place_at(line: Line, at: int) -> Place | None:
    """The place whose words, or whose article, stand at `at`; None when it is none a side can be of."""
    begin = at
    while line.word(begin) in DETERMINERS and begin - at < FARTHEST:
        begin += 1
    end, settled = begin, False
    while end < len(line.words) and end - begin < FARTHEST and end not in line.starts:
        word = line.words[end]
        known = word in SIDED_PLACES or word in KNOWN_ADJECTIVES or word[:1].isdigit()
        if word in STOPS or (not known and (settled or word in LINKS or word in COMPARING)):
            break
        if word in LINKS and word not in SIDES and settled:
            break
        settled = settled or word in SIDED_PLACES
        end += 1
    if end == begin or end in line.starts:
        return None
    head = line.words[end - 1]
    return Place(begin, end) if head in SIDED_PLACES or head in SIDES or head in SIDE_BY_ANATOMY else None


def places_from(line: Line, first: Place) -> tuple[Gathered, int]:
    """What a place says together with all that are joined to it, and where they end."""
    said = Gathered(line.sides(first.begin, first.end), places=line.places(first.begin, first.end))
    said.doubt = differ(said.sides)
    unjoined = False
    end = first.end
    while (more := _joined(line, end)) is not None:
        place, conjunctions = more
        here = line.sides(place.begin, place.end)
        apart = bool(said.sides and here - said.sides) and "and" not in conjunctions
        # In "the right base, left base and left apex" the "and" is for all of them.
        unjoined = (unjoined or apart) and "and" not in conjunctions
        said.doubt = said.doubt or line.sided_by_anatomy(place.begin, place.end) or (apart and "," not in conjunctions)
        said.sides = said.sides | here
        said.places |= line.places(place.begin, place.end)
        end = place.end
    said.doubt = said.doubt or unjoined
    return said, end


def _joined(line: Line, end: int) -> tuple[Place, set[str]] | None:
    at = end
    conjunctions: set[str] = set()
    while at - end < FARTHEST and (line.word(at) in CONJUNCTIONS or line.word(at) in _CONTRAST):
        conjunctions.add("and" if line.word(at) in _CONTRAST else line.word(at))
        at += 1
    if not conjunctions:
        return None
    aside = at
    while aside - at < FARTHEST and (line.word(aside) in _ASIDE or line.word(aside).endswith("ly")):
        aside += 1
    placed = line.word(aside) in PLACING
    place = _whole_place(line, aside + 1 if placed else at)
    if place is None or not (placed or _is_no_subject(line, place)):
        return None
    named = (
        line.sides(place.begin, place.end)
        or line.places(place.begin, place.end)
        or line.sided_by_anatomy(place.begin, place.end)
    )
    return (place, conjunctions) if named else None


def _whole_place(line: Line, at: int) -> Place | None:
    """A place with the whole it is a part of: "the periphery of the left lung"."""
    place = place_at(line, at)
    while place is not None and line.word(place.end) == "of":
        whole = place_at(line, place.end + 1)
        if whole is None:
            break
        place = Place(place.begin, whole.end)
    return place


def _is_no_subject(line: Line, place: Place) -> bool:
    """Whether a joined place is one, and not the subject of a new clause: "in the right base and left lung are seen", but
    "in the right base and the left lung is clear"."""
    after = line.word(place.end)
    if after not in FINITE:
        return after == "." or after in STOPS or after in LINKS
    if after in ("may", "might", "could") or after.startswith(("represent", "reflect", "suggest")):
        return True
    return not line.words[place.end - 1].endswith("s") and after in _PLURAL_VERBS
