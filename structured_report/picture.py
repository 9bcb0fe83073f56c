"""The summary picture: what a pre-read says, drawn, for viewers that show no Structured Report.

The film as it was read with the boxes of its findings, the findings in words, and above all what it is: unverified. Where
nothing was read it is a picture of words. No name of a patient and no side marker stands in it: sides are said in words, and
a marker is only there where the film itself has one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from structured_report.content import BANNER, FOR_COMMISSIONING, Outcome, PreRead, Presence, Region
from structured_report.lettering import (
    Canvas,
    Colour,
    Line,
    Type,
    broken,
    height,
    length,
    sentences,
    write,
)
from structured_report.marks import Mark, marks, phrase, stated
from structured_report.sentences import outcome_sentence, triage_sentence

WIDTH, HEIGHT = 1600, 1200  # pixels; shown 1024 wide, the smallest type of a finding is 16 pixels high

BACKGROUND: Colour = (16, 18, 22)
WARNING: Colour = (255, 191, 0)
ALARM: Colour = (200, 30, 30)
BOX: Colour = (64, 224, 255)  # nothing on a grey film has it
INK: Colour = (0, 0, 0)
TEXT: Colour = (240, 240, 240)
DIM: Colour = (176, 182, 190)

MORE = "[More is in the Structured Report.]"
_TAKEN_BACK = (
    "The earlier result was taken back by a person and must not be used, and no picture or box that belongs to it. "
    "The reason stands in the Structured Report."
)
_MARGIN, _GAP = 28, 14
_WIDEST_FILMS, _CAPTION = 870, 620
_SIZES = (34, 31, 28, 25)  # of the text, the largest with which all of it is seen
_LINE, _CASING = 4, 2  # of a box, and of the black on both sides of it, pixels


@dataclass(frozen=True, slots=True)
class Film:
    """An image that was read, as it was seen.

    Attributes:
        role: ``frontal`` or ``lateral``.
        pixels: uint8, rows x columns, 0 is black: upright and with square pixels.
        from_stored: two rows of three numbers: ``seen = from_stored @ (column, row, 1)`` of the stored image, both counted
            from the top left corner of the first pixel (PS3.3 C.18.6.1.1).
        notes: what was done to the stored image, in words.
    """

    sop_class_uid: str
    sop_instance_uid: str
    role: str
    pixels: NDArray[np.uint8]
    from_stored: tuple[tuple[float, float, float], tuple[float, float, float]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the canvas, pixels."""

    left: int
    top: int
    width: int
    height: int


def draw_picture(preread: PreRead, films: Sequence[Film]) -> NDArray[np.uint8]:
    """The picture: uint8, `HEIGHT` x `WIDTH` x 3 (red, green, blue). The same pre-read and films give the same picture.

    Args:
        films: those that were read; shown only where the outcome is that they were.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    canvas = ImageDraw.Draw(image)
    top = _headline(canvas, preread) + _MARGIN
    bottom = _footer(canvas, preread) - _GAP
    shown = _shown(preread, films) if preread.outcome is Outcome.READ else []
    left = _MARGIN
    if shown:
        left = _draw_films(image, preread, shown, Area(left, top, _WIDEST_FILMS, bottom - top)) + _MARGIN
    _draw_words(canvas, preread, Area(left, top, WIDTH - left - _MARGIN, bottom - top))
    return np.asarray(image)


def _headline(canvas: Canvas, preread: PreRead) -> int:
    """The banner over the whole width, then what else must not be overlooked; returns where it ends."""
    first, _, rest = BANNER.partition(". ")
    width = WIDTH - 2 * _MARGIN
    y = _strip(canvas, 0, [*broken(f"{first}.", Type(56, INK, heavy=True), width), *broken(rest, Type(30, INK), width)])
    if preread.outcome is Outcome.WITHDRAWN:
        return _strip(canvas, y, broken("WITHDRAWN - DO NOT USE", Type(72, TEXT, heavy=True), width), ALARM)
    if preread.provenance.for_commissioning:
        return _strip(canvas, y, broken(FOR_COMMISSIONING, Type(30, TEXT, heavy=True), width), ALARM)
    return y


def _strip(canvas: Canvas, y: int, lines: list[Line], colour: Colour = WARNING) -> int:
    end = y + height(lines) + 2 * _GAP
    canvas.rectangle((0, y, WIDTH, end - 1), fill=colour)
    write(canvas, lines, _MARGIN, y + _GAP)
    return end


def _footer(canvas: Canvas, preread: PreRead) -> int:
    """Which build said it; returns where it begins."""
    made_by = preread.provenance
    names = dict.fromkeys((f"{made_by.algorithm_name} {made_by.algorithm_version}", made_by.model_name))
    said = f"Made by {', model '.join(names)}. Revision {preread.revision} of the study. "
    words = f"{said}The reasoning, and all that was checked, is in the Structured Report."
    lines = broken(words, Type(25, DIM), WIDTH - 2 * _MARGIN)
    top = HEIGHT - _GAP - height(lines)
    write(canvas, lines, _MARGIN, top)
    return top


def _shown(preread: PreRead, films: Sequence[Film]) -> list[Film]:
    """The frontal film, and a lateral one where something on it is marked."""
    marked = {mark.region.sop_instance_uid for mark in marks(preread)}
    return [f for f in films if f.role == "frontal" or f.sop_instance_uid in marked]


def _draw_films(image: Image.Image, preread: PreRead, films: Sequence[Film], area: Area) -> int:
    """The films side by side, what is marked on them, and what they are; returns where they end on the right."""
    caption = broken(_caption(preread, films), Type(25, DIM), _CAPTION)
    room = Area(area.left, area.top, area.width, area.height - height(caption) - _GAP)
    across = sum(f.pixels.shape[1] / f.pixels.shape[0] for f in films)
    tall = min(room.height, int((room.width - _GAP * (len(films) - 1)) / across))
    left = room.left
    for film in films:
        rows, columns = film.pixels.shape
        place = Area(left, room.top, max(1, round(columns * tall / rows)), tall)
        image.paste(_in_size(film, place), (place.left, place.top))
        _draw_marks(
            ImageDraw.Draw(image),
            [m for m in marks(preread) if m.region.sop_instance_uid == film.sop_instance_uid],
            film,
            place,
        )
        left += place.width + _GAP
    write(ImageDraw.Draw(image), caption, area.left, room.top + tall + _GAP)
    return max(left - _GAP, area.left + _CAPTION)


def _in_size(film: Film, place: Area) -> Image.Image:
    gray = Image.fromarray(film.pixels).resize((place.width, place.height), Image.Resampling.LANCZOS)
    return gray.convert("RGB")


def _caption(preread: PreRead, films: Sequence[Film]) -> str:
    words = [f"{' and '.join(f.role for f in films).capitalize()} image as it was read; not for diagnosis."]
    words += [f"{note[:1].upper()}{note[1:]}." for film in films for note in film.notes]
    if not marks(preread):
        words.append("No box is drawn: nothing was located, which does not say that nothing is there.")
    if sum(use.used for use in preread.images) > len(films):
        words.append("A lateral image was read too.")
    return " ".join(words)


def box_in(film: Film, region: Region, place: Area) -> tuple[float, float, float, float]:
    """Left, top, right and bottom on the canvas of a box of the stored image."""
    (a, b, c), (d, e, f) = film.from_stored
    rows, columns = film.pixels.shape
    corners = ((region.x0, region.y0), (region.x1, region.y1))
    xs = sorted(place.left + (a * x + b * y + c) * place.width / columns for x, y in corners)
    ys = sorted(place.top + (d * x + e * y + f) * place.height / rows for x, y in corners)
    return xs[0], ys[0], xs[1], ys[1]


def _draw_marks(canvas: Canvas, drawn: Sequence[Mark], film: Film, place: Area) -> None:
    edges = [(mark, box_in(film, mark.region, place)) for mark in drawn]
    for _, (left, top, right, bottom) in edges:
        half = _LINE / 2
        for grown, colour, thick in ((_CASING + half, INK, _LINE + 2 * _CASING), (half, BOX, _LINE)):
            outer = (left - grown, top - grown, right + grown - 1, bottom + grown - 1)
            canvas.rectangle(tuple(round(v) for v in outer), outline=colour, width=thick)
    taken: list[tuple[int, int, int, int]] = []
    for mark, edge in edges:
        taken.append(_draw_tag(canvas, mark.label, edge, place, taken))


def _draw_tag(
    canvas: Canvas,
    label: str,
    edge: tuple[float, float, float, float],
    place: Area,
    taken: Sequence[tuple[int, int, int, int]],
) -> tuple[int, int, int, int]:
    """The label at its box: above it where there is room, else below, else inside; where another tag is not yet."""
    style = Type(26, INK, heavy=True)
    text = label if length(label, style) + 12 <= place.width else label.partition(" ")[0]
    wide, tall = round(length(text, style)) + 12, style.leading + 4
    left = round(min(max(edge[0] - _LINE, place.left), place.left + place.width - wide))
    above, below = round(edge[1]) - tall - _CASING, round(edge[3]) + _CASING
    places = [above, below, *range(round(edge[1]) + _LINE, place.top + place.height - tall, tall)]
    inside = [t for t in places if place.top <= t <= place.top + place.height - tall] or [place.top]
    free = [t for t in inside if not any(_meet((left, t, left + wide, t + tall), other) for other in taken)]
    top = (free or inside)[0]
    canvas.rectangle((left, top, left + wide - 1, top + tall - 1), fill=BOX)
    write(canvas, [Line(text, style)], left + 6, top + 2)
    return left, top, left + wide, top + tall


def _meet(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@dataclass(frozen=True, slots=True)
class _Passage:
    """Text below a heading; an empty heading has none."""

    heading: str
    text: str
    colour: Colour = TEXT
    heavy: bool = False


def _draw_words(canvas: Canvas, preread: PreRead, area: Area) -> None:
    passages = list(_passages(preread))
    for size in (44, *_SIZES) if area.width > WIDTH / 2 else _SIZES:
        lines = [line for p in passages for line in _set(p, size, area.width)]
        if height(lines) <= area.height:
            break
    else:
        lines = _as_far_as_it_goes(passages, _SIZES[-1], area)
    write(canvas, lines, area.left, area.top)


def _set(passage: _Passage, size: int, width: int) -> list[Line]:
    heading = broken(passage.heading, Type(size - 5, BOX, heavy=True), width) if passage.heading else []
    gap = Line("", Type(size // 3, TEXT))
    return [*heading, *broken(passage.text, Type(size, passage.colour, passage.heavy), width), gap]


def _as_far_as_it_goes(passages: Sequence[_Passage], size: int, area: Area) -> list[Line]:
    """Whole sentences until the room ends, then that there is more: half a sentence may say the opposite of the whole."""
    last = broken(MORE, Type(size, WARNING, heavy=True), area.width)
    room = area.height - height(last)
    lines: list[Line] = []
    for passage in passages:
        said = sentences(passage.text)
        if not said:
            continue
        count = _most_that_fit(passage, said, size, area.width, room - height(lines))
        if count:
            lines += _with_sentences(passage, said, count, size, area.width)
        if count < len(said):
            return lines + last
    return lines


def _most_that_fit(passage: _Passage, said: Sequence[str], size: int, width: int, room: int) -> int:
    """How many of its sentences there is room for. One more never makes it lower: the number is found by halving."""

    def too_high(count: int) -> bool:
        return height(_with_sentences(passage, said, count, size, width)) > room

    return bisect_left(range(1, len(said)), True, key=too_high) if too_high(len(said)) else len(said)


def _with_sentences(passage: _Passage, said: Sequence[str], count: int, size: int, width: int) -> list[Line]:
    text = passage.text if count == len(said) else " ".join(said[:count])
    return _set(_Passage(passage.heading, text, passage.colour, passage.heavy), size, width)


def _passages(preread: PreRead) -> Iterator[_Passage]:
    """What is said, the most important first: what does not fit is what comes last."""
    if preread.outcome is not Outcome.READ:
        # A person's own words may name somebody, and what is in the pixels nobody takes out again.
        withdrawn = preread.outcome is Outcome.WITHDRAWN
        yield _Passage("", _TAKEN_BACK if withdrawn else outcome_sentence(preread), heavy=True)
    if preread.supersedes_sr_uid:
        yield _Passage("", f"Revision {preread.revision}: it takes the place of an earlier pre-read.", WARNING)
    if preread.priority is not None:
        yield _Passage("TRIAGE", triage_sentence(preread).removeprefix("Triage: "), heavy=True)
    if preread.outcome is Outcome.READ:
        yield from _findings(preread)
    if preread.narrative.impression:
        yield _Passage("IMPRESSION, AS DRAFTED", preread.narrative.impression)
    if preread.narrative.findings:
        yield _Passage("FINDINGS, AS DRAFTED", preread.narrative.findings)
    if preread.prior is not None:
        when = f" of {preread.prior.study_date}" if preread.prior.study_date else ""
        yield _Passage("COMPARED WITH", f"An earlier film{when}. {preread.narrative.comparison}".strip())
    if preread.verdicts:
        yield _Passage("WHAT DID NOT HOLD WHEN IT WAS CHECKED", "\n".join(v.sentence for v in preread.verdicts))
    if absent := stated(preread, Presence.ABSENT):
        yield _Passage("SAID TO BE ABSENT", f"{'; '.join(phrase(f) for f in absent)}.")
    if preread.remarks:
        yield _Passage("REMARKS", "\n".join(preread.remarks))


def _findings(preread: PreRead) -> Iterator[_Passage]:
    numbers: dict[object, list[str]] = {}
    for mark in marks(preread):
        numbers.setdefault(mark.finding, []).append(str(mark.number))
    present = stated(preread, Presence.PRESENT)
    lines = [f"{','.join(numbers[f])}  {phrase(f)}" if f in numbers else f"-  {phrase(f)}" for f in present]
    none = "The draft names no finding of the vocabulary as present. This does not say that the film is normal."
    yield _Passage("FINDINGS SAID TO BE PRESENT", "\n".join(lines) or none, heavy=bool(lines))
    if unsure := stated(preread, Presence.UNDETERMINED):
        yield _Passage("UNDETERMINED", f"{'; '.join(phrase(f) for f in unsure)}.")
