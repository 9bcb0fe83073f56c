"""How a clause opens: "On the left, there is", "The left lung shows", "Left lung:"."""

from __future__ import annotations

from agent.reading.grammar.gathered import Gathered
from agent.reading.grammar.line import FARTHEST, Line
from agent.reading.grammar.places import place_at, places_from
from agent.reading.grammar.words import CONJUNCTIONS, FINITE, PLACING, SHOWING, TO_BE, TURNS

_BULLETS = frozenset({"-", "*", "•", ":"})
_ADDING = CONJUNCTIONS - {"or", "nor"}
_FREE = frozenset({"free", "without", "negative", "devoid"})


def openings(line: Line) -> list[Gathered | None]:
    """For each word what the opening of its clause says of the place."""
    found: list[Gathered | None] = [None] * (len(line.words) + 1)
    active: Gathered | None = None
    at = opened = 0
    while at < len(line.words):
        before = line.word(at - 1)
        if before in TURNS:
            active = None
        if at == 0 or before in TURNS or before in CONJUNCTIONS or before in _BULLETS:
            opening = _opening(line, at)
            if opening is not None:
                active, opened = opening
                at = opened
                continue
            if at != opened and before in _ADDING and _begins_clause(line, at):
                active = None
        found[at] = active
        at += 1
    return found


def _opening(line: Line, at: int) -> tuple[Gathered, int] | None:
    """The place with which a clause opens at `at`, and where what it is the place of begins."""
    fronted = line.words[at] in PLACING
    place = place_at(line, at + fronted)
    if place is None or not line.sides(place.begin, place.end):
        return None
    after, later = line.word(place.end), line.word(place.end + 1)
    if fronted and after in FINITE and (at or after not in ("is", "are", "was", "were")):
        return None
    if not fronted and not _is_subject(after, later):
        return None
    said, end = places_from(line, place)
    if line.word(end) in (",", ":"):
        end += 1
    return said, end + (line.word(end) == "there")


def _is_subject(after: str, later: str) -> bool:
    if after in ("has", "have", "had") and later in ("been", "not"):
        return False
    return after in SHOWING or after == ":" or (after in TO_BE and later in _FREE)


def _begins_clause(line: Line, at: int) -> bool:
    for word in line.words[at : at + FARTHEST]:
        if word in ("there", "it") or word in FINITE:
            return True
        if word in CONJUNCTIONS or word in TURNS:
            return False
    return False
