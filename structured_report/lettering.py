"""Words in pixels: which text Pillow's own font can show, how it is broken into lines, and how it is written.

The font has the letters of English and few others. What it has not would come out as an empty box, so that a text is asked
for first, and one that cannot be shown whole is not shown at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from PIL import ImageDraw, ImageFont

from structured_report.text import normalise_text

Colour = tuple[int, int, int]
Canvas = ImageDraw.ImageDraw

NOT_SHOWN = "[This text has letters that this picture cannot show. It stands in the Structured Report.]"
_MISSING = "\uffff"  # no character, in any font (Unicode 23.7): what is drawn for it is drawn for all that is missing
# The same sign in letters that the font has. Nothing stands here that would say less or other than what it replaces.
_SAME = {
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-",
    "\u2212": "-", "\u2022": "-", "\u2192": "->", "\u2264": "<=", "\u2265": ">=", "\u00d7": "x",
}  # fmt: skip
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_LEADING = 1.28  # from line to line, in heights of the type


@dataclass(frozen=True, slots=True)
class Type:
    """How letters look: height in pixels, colour, and whether they are heavy."""

    size: int
    colour: Colour
    heavy: bool = False

    @property
    def leading(self) -> int:
        """From one line to the next, pixels."""
        return round(self.size * _LEADING)

    @property
    def stroke(self) -> float:
        """What is added around every letter: the font has one weight."""
        return self.size / 40 if self.heavy else 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it is written."""

    text: str
    type: Type


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font in that size. Raises `RuntimeError` where Pillow was built without FreeType."""
    made = ImageFont.load_default(size)
    if not isinstance(made, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType: no picture of words can be made")
    return made


def showable(text: str) -> str | None:
    """The text in signs that the font has; None when it has not all of them."""
    plain = "".join(_SAME.get(c, c) for c in normalise_text(text))
    return plain if all(c == "\n" or _has(c) for c in plain) else None


@cache
def _has(character: str) -> bool:
    letters = font(24)
    one, missing = letters.getmask(character), letters.getmask(_MISSING)
    return one.size != missing.size or bytes(one) != bytes(missing)


def broken(text: str, type_: Type, width: int) -> list[Line]:
    """The text in lines of at most that many pixels, broken between words, and in them only where one is longer than a
    line. What the font cannot show is replaced as a whole, by a sentence that says so."""
    plain = showable(text)
    lines: list[Line] = []
    for paragraph in (NOT_SHOWN if plain is None else plain).split("\n"):
        lines += [Line(words, type_) for words in _wrapped(paragraph, type_, width)]
    return lines


def _wrapped(paragraph: str, type_: Type, width: int) -> list[str]:
    lines = [""]
    for word in (piece for long in paragraph.split() for piece in _pieces(long, type_, width)):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and length(longer, type_) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines if lines != [""] else []


def _pieces(word: str, type_: Type, width: int) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and length(pieces[-1] + character, type_) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def length(text: str, type_: Type) -> float:
    """How wide the text is, pixels."""
    return font(type_.size).getlength(text) + 2 * type_.stroke


def height(lines: list[Line]) -> int:
    """How high the lines are together, pixels."""
    return sum(line.type.leading for line in lines)


def write(canvas: Canvas, lines: list[Line], x: int, y: int) -> int:
    """Write the lines below one another from that point on; returns where the next would be."""
    for line in lines:
        style = line.type
        canvas.text(
            (x, y),
            line.text,
            font=font(style.size),
            fill=style.colour,
            stroke_width=style.stroke,
            stroke_fill=style.colour,
        )
        y += style.leading
    return y


def sentences(text: str) -> list[str]:
    """The text in the pieces between which it may be cut without turning what it says into its opposite."""
    return [s for line in normalise_text(text).split("\n") for s in _SENTENCE.split(line) if s.strip()]
