"""A test of sides that needs no labels: a text with left and right changed over must give the same findings with their
sides changed over."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.reading.statements import Statement, statements
from structured_report.content import Laterality

_OTHER = {"left": "right", "right": "left", "rll": "lll", "lll": "rll", "rul": "lul", "lul": "rul", "l": "r", "r": "l"}
_SIDED = re.compile(r"(?<![A-Za-z])(?:[Ll]eft|[Rr]ight|LEFT|RIGHT|[RL][LU]L|[LR])(?![A-Za-z])")
_SIDE = {Laterality.LEFT: Laterality.RIGHT, Laterality.RIGHT: Laterality.LEFT}


@dataclass(frozen=True, slots=True)
class Sides:
    """How many statements name a side, and how many did not change over with the text."""

    stated: int
    swapped: int


def mirrored(text: str) -> str:
    """The text with left and right changed over."""
    return _SIDED.sub(lambda m: _written_like(m[0], _OTHER[m[0].lower()]), text)


def mirror(side: Laterality | None) -> Laterality | None:
    """The other side; both stay both, and none none."""
    return None if side is None else _SIDE.get(side, side)


def check_sides(text: str) -> Sides:
    """Read a text and its mirror image."""
    there, mirrored_there = statements(text), statements(mirrored(text))
    stated = sum(s.laterality is not None for s in there)
    if len(there) != len(mirrored_there):
        return Sides(stated, stated)
    return Sides(stated, sum(not _same(a, b) for a, b in zip(there, mirrored_there, strict=True)))


def _same(one: Statement, other: Statement) -> bool:
    return (one.concept, one.presence, mirror(one.laterality)) == (other.concept, other.presence, other.laterality)


def _written_like(model: str, word: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
