"""Films with one bright square on a dark ground, and pre-reads that draw a box around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from agent.commissioning.films import ORIENTATIONS, make_study
from agent.imaging.render import render
from structured_report.content import Finding, Laterality, PreRead, Presence, Region
from structured_report.document import file_bytes
from structured_report.identity import Place
from structured_report.picture import BOX, Film
from tests.support.reports import preread

PLACE = Place("2.25.901", "2.25.902", "AI pre-read (unverified)", 9002)
SQUARE = (180, 300, 420, 420)  # x0, y0, x1, y1 in the upright film
ROWS, COLUMNS = 1000, 800
_TURNED = {  # stored pixels of the upright film, and the box in them: by hand, not with the program's own arithmetic
    "upright": (lambda a: a, lambda x, y: (x, y)),
    "mirrored": (lambda a: a[:, ::-1], lambda x, y: (COLUMNS - x, y)),
    "upside-down": (lambda a: a[::-1], lambda x, y: (x, ROWS - y)),
    "half-turn": (lambda a: a[::-1, ::-1], lambda x, y: (COLUMNS - x, ROWS - y)),
    "transposed": (lambda a: a.T, lambda x, y: (y, x)),
    "quarter-turn": (lambda a: a[::-1].T, lambda x, y: (ROWS - y, x)),
}
TURNS = tuple(_TURNED)


def film(
    turn: str = "upright", *, monochrome1: bool = False, tall_pixels: bool = False, window: bool = True
) -> Dataset:
    """A film of one bright square, a brighter spot in its upper left corner, stored in that way."""
    (image,) = make_study("clear", seed=1, patient_id="PID1", accession="ACC1", views=("PA",))
    upright = np.full((ROWS, COLUMNS), 500, "<u2")
    x0, y0, x1, y1 = SQUARE
    upright[y0:y1, x0:x1] = 2500
    upright[y0 : y0 + 40, x0 : x0 + 40] = 3900
    stored = np.ascontiguousarray(_TURNED[turn][0](upright))
    stored = 4095 - stored if monochrome1 else stored
    image.PatientOrientation = list(ORIENTATIONS[turn])
    image.PhotometricInterpretation = "MONOCHROME1" if monochrome1 else "MONOCHROME2"
    image.PresentationLUTShape = "INVERSE" if monochrome1 else "IDENTITY"
    image.Rows, image.Columns = stored.shape
    for keyword in ("WindowCenter", "WindowWidth", "VOILUTSequence"):
        if keyword in image:
            delattr(image, keyword)
    if window:
        image.WindowCenter, image.WindowWidth = 2048, 4096
    if tall_pixels:
        del image.ImagerPixelSpacing
        image.PixelAspectRatio = [2, 1]
    image.PixelData = stored.tobytes()
    return image


def about(image: Dataset, turn: str = "upright") -> PreRead:
    """A pre-read of that film with a box around the square."""
    x0, y0, x1, y1 = SQUARE
    (ax, bx), (ay, by) = (sorted(pair) for pair in zip(_TURNED[turn][1](x0, y0), _TURNED[turn][1](x1, y1), strict=True))
    box = Region("pneumothorax", str(image.SOPInstanceUID), ax, ay, bx, by, Laterality.RIGHT)
    finding = Finding("pneumothorax", Presence.PRESENT, Laterality.RIGHT, "A right pneumothorax.")
    return replace(preread([image], findings=(finding,)), regions=(box,))


def seen(image: Dataset, role: str = "frontal") -> Film:
    """The film as the line shows it to the model."""
    made = render(image, image.pixel_array)
    uid = str(image.SOPInstanceUID)
    return Film(str(image.SOPClassUID), uid, role, made.picture, made.transform.from_stored(), made.notes)


def box_drawn(picture: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the one box in a picture, by the colour of its lines alone, seen from inside: outside,
    its label may lie against it. The lines are four pixels wide, half of each inside."""
    coloured = (picture == np.array(BOX)).all(axis=2)
    coloured[:, 920:] = False  # the words beside the film
    y = int(np.flatnonzero(coloured.any(axis=1))[-1]) - 20
    lines = np.flatnonzero(np.diff(np.flatnonzero(coloured[y])) > 1)
    assert len(lines) == 1, "two upright lines"
    places = np.flatnonzero(coloured[y])
    inner_left, inner_right = int(places[lines[0]]), int(places[lines[0] + 1])
    upright = coloured[:, (inner_left + inner_right) // 2]
    inner_top, inner_bottom = int(np.flatnonzero(upright[:y])[-1]), y + int(np.flatnonzero(upright[y:])[0])
    return inner_left - 1, inner_top - 1, inner_right + 2, inner_bottom + 2


def kept(folder: Path, name: str, data_set: Dataset) -> Path:
    """The data set as a file."""
    path = folder / name
    path.write_bytes(file_bytes(data_set))
    return path
