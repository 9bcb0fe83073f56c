"""On which side, where and how much: what a sentence says of a finding besides its presence.

A side belongs to a finding when it stands among the words before it ("small left pleural effusion"), in the place after
it ("effusion in the left base"), inside its name ("blunting of the left costophrenic angle"), or when its clause opens
with it ("On the left, there is an effusion"; "The left lung shows consolidation"). Two sides that nothing joins make
none.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.reading.grammar.after import gather_after, other_side_left_open
from agent.reading.grammar.before import gather_before
from agent.reading.grammar.gathered import Gathered, differ
from agent.reading.grammar.line import Line
from agent.reading.grammar.names import Mention
from agent.reading.grammar.opening import openings
from structured_report.content import Laterality, Severity
from structured_report.vocabulary import vocabulary

_ORDER = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Side, degree and place of one mention; None and empty when the sentence does not say."""

    laterality: Laterality | None
    severity: Severity | None
    place: str


def whereabouts(line: Line) -> list[Whereabouts]:
    """What a sentence says of each of its mentions."""
    opened = openings(line)
    return [_of(line, n, opened[mention.start]) for n, mention in enumerate(line.mentions)]


def _of(line: Line, n: int, opening: Gathered | None) -> Whereabouts:
    said = gather_before(line, n)
    _add_name(line, said, n)
    # A catheter from the left may well project over the right lung.
    _add_after(said, gather_after(line, n, bare=_is_device(line.mentions[n])))
    if len(said.sides) == 1 and Laterality.BILATERAL not in said.sides:
        said.doubt = said.doubt or other_side_left_open(line, n, said.sides)
    sides, places = said, said.places
    if opening is not None:
        sides = said if said.sides or said.doubt else opening
        places = said.places or opening.places
    return Whereabouts(
        sides.laterality,
        max(said.severities, key=_ORDER.index, default=None),
        next(iter(places)) if len(places) == 1 else "",
    )


def _add_name(line: Line, said: Gathered, n: int) -> None:
    """Add what stands in the name and right before it."""
    mention = line.mentions[n]
    inside = line.sides(mention.start, mention.end)
    said.doubt = said.doubt or differ(inside) or bool(inside and said.sides and inside != said.sides)
    said.sides = said.sides | inside
    said.severities |= line.degrees(line.first[n], mention.end)
    said.places |= line.places(line.first[n], mention.end)


def _add_after(said: Gathered, after: Gathered) -> None:
    """Sides after the finding must not disagree with those before it."""
    said.severities |= after.severities
    said.places |= after.places
    said.doubt = said.doubt or (after.doubt and Laterality.BILATERAL not in said.sides)
    if not said.sides:
        said.sides = after.sides
    elif not (after.sides <= said.sides or Laterality.BILATERAL in said.sides):
        said.doubt = True


def _is_device(mention: Mention) -> bool:
    known = vocabulary()
    return all(key in known and not known[key].abnormal and known[key].sided for key in mention.concepts)
