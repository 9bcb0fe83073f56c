"""One part of the draft on its way through the guards of words, sentence by sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.reading.grammar.tokens import sentences
from agent.reading.guards.codes import Code, Effect, verdict
from structured_report.content import Verdict
from structured_report.text import normalise_text

LONGEST_QUOTE = 160
_LIST_MARK = re.compile(r"(?<=\s)(?:\d{1,2}[.)]\s*|[-*•]\s*)$")


@dataclass(frozen=True, slots=True)
class Piece:
    """One sentence: the mark of a list before it, its words, and what stands between it and the next."""

    lead: str
    words: str
    tail: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A text with the verdicts it has earned so far.

    Attributes:
        name: what the reader calls it: "Findings".
    """

    name: str
    text: str
    verdicts: tuple[Verdict, ...] = ()

    def rewritten(self, text: str, code: Code, effect: Effect, sentence: str) -> Passage:
        """With other words, and why."""
        return replace(self, text=text).noting(code, effect, sentence)

    def noting(self, code: Code, effect: Effect, sentence: str) -> Passage:
        """With one more verdict."""
        said = verdict(code, effect, f"{self.name}: {sentence}")
        return replace(self, verdicts=(*self.verdicts, said))

    def mapped(self, change: Callable[[str], str | None], code: Code, why: str) -> Passage:
        """With each sentence as `change` makes it; None or nothing leaves it out.

        Args:
            why: stands after the quoted sentence: "says nothing".
        """
        kept, passage = [], self
        for piece in pieces(self.text):
            words = change(piece.words)
            if words == piece.words:
                kept.append(piece)
            elif words:
                kept.append(replace(piece, words=words))
                passage = passage.noting(
                    code, Effect.REPAIRED, f"{quote(piece.words)} {why}; it now reads {quote(words)}."
                )
            else:
                passage = passage.noting(code, Effect.DROPPED, f"{quote(piece.words)} {why}; it was left out.")
        return passage if passage is self else replace(passage, text=joined(kept))


def pieces(text: str) -> tuple[Piece, ...]:
    """The sentences of a text with all that stands around them; joined they are the text again, unless it has no sentence."""
    spans = sentences(text)
    found = []
    lead = text[: spans[0].start] if spans else ""
    for n, span in enumerate(spans):
        end = spans[n + 1].start if n + 1 < len(spans) else len(text)
        tail, following = _parted(text[span.end : end]) if n + 1 < len(spans) else (text[span.end : end], "")
        found.append(Piece(lead, span.text, tail))
        lead = following
    return tuple(found)


def joined(kept: Sequence[Piece]) -> str:
    """The text of the sentences that are kept."""
    return "".join(p.lead + p.words + p.tail for p in kept).strip()


def quote(text: str) -> str:
    """On one line, in quotation marks, shortened."""
    line = " ".join(normalise_text(text[: 4 * LONGEST_QUOTE]).split())
    if len(line) > LONGEST_QUOTE or len(text) > 4 * LONGEST_QUOTE:
        line = line[:LONGEST_QUOTE].rstrip() + " ..."
    return f'"{line}"'


def _parted(between: str) -> tuple[str, str]:
    """What belongs to the sentence before and what to the one after."""
    mark = _LIST_MARK.search(between)
    return (between[: mark.start()], between[mark.start() :]) if mark else (between, "")
