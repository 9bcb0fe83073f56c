"""From the words of a draft to the findings that they are about: which sentence says what of which finding.

The grammar that made the findings of the text is asked again (`agent.reading.statements`), so that a link on the page is the very
one by which the finding came to be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.reading.grammar.tokens import sentences
from agent.reading.statements import Statement, statements
from structured_report.content import Laterality, Presence

_NEXT_OF_A_LIST = re.compile(r"\s*\n[ \t]*(?:\d{1,2}[.)]|[-*])[ \t]*\Z")
LONGEST = 20_000  # characters that are looked at, as by the guards; what follows is shown without links


@dataclass(frozen=True, slots=True)
class Says:
    """What a sentence says of one finding. `presence` is undetermined where it says several things."""

    concept: str
    presence: Presence
    laterality: Laterality | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text: a sentence with its mark, or what stands between. The pieces of a text, `text` and `gap` in turn, are
    the text.

    Attributes:
        gap: the white space that follows, and the number of the next line of a list.
        says: in the order of the words; empty where no finding is named.
    """

    text: str
    gap: str = ""
    says: tuple[Says, ...] = ()

    @property
    def concepts(self) -> tuple[str, ...]:
        """The findings it is about."""
        return tuple(s.concept for s in self.says)


def pieces_of(text: str) -> tuple[Piece, ...]:
    """The text in pieces, each with the findings it is about."""
    looked_at, rest = text[:LONGEST], text[LONGEST:]
    found = sentences(looked_at)
    said: dict[int, list[Statement]] = {}
    for statement in statements(looked_at):
        said.setdefault(statement.sentence, []).append(statement)
    starts = [s.start for s in found]
    pieces = [_piece(looked_at[: starts[0] if starts else len(looked_at)], [])]
    for n, (start, end) in enumerate(zip(starts, [*starts[1:], len(looked_at)], strict=False)):
        pieces.append(_piece(looked_at[start:end], said.get(n, [])))
    pieces.append(_piece(rest, []))
    return tuple(p for p in pieces if p.text or p.gap)


def _piece(text: str, said: list[Statement]) -> Piece:
    words = _NEXT_OF_A_LIST.sub("", text.rstrip())
    return Piece(words, text[len(words) :], tuple(_says(c, said) for c in dict.fromkeys(s.concept for s in said)))


def _says(concept: str, said: list[Statement]) -> Says:
    mine = [s for s in said if s.concept == concept]
    presences, sides = {s.presence for s in mine}, {s.laterality for s in mine}
    presence = mine[0].presence if len(presences) == 1 else Presence.UNDETERMINED
    return Says(concept, presence, mine[0].laterality if len(sides) == 1 else None)
