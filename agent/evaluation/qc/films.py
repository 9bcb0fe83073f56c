"""The films of the constancy test: what is drawn on each, how it is stored, and what the line has to make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from agent.commissioning.films import FilmStyle, phantom_study
from agent.commissioning.phantom import Box, Plant, Scene, draw
from agent.imaging.facts import QC_MARK
from structured_report.content import Priority

_PATIENT_NAME = "QC^Phantom"


@dataclass(frozen=True, slots=True)
class Film:
    """One film, or with its lateral one study, of the test.

    Attributes:
        style: how it is stored.
        lateral: whether a left lateral comes with it.
        priority: what it must be flagged as; None when that is left to the site's rules.
        same_as: the film that shows the same and is stored in the usual way; empty for those.
    """

    name: str
    scene: Scene
    style: FilmStyle = field(default_factory=FilmStyle)
    lateral: bool = False
    priority: Priority | None = None
    same_as: str = ""


@dataclass(frozen=True, slots=True)
class StoredBox:
    """Where something is drawn in the stored image: columns and rows, origin at the top left corner of the first pixel."""

    concept: str
    side: str
    x0: float
    y0: float
    x1: float
    y1: float


def _film(name: str, seed: int, *plants: Plant, priority: Priority | None = None, **style: object) -> Film:
    return Film(name, Scene(seed, plants), FilmStyle(**style), priority=priority)  # type: ignore[arg-type]


_RIGHT_AIR = Plant("pneumothorax", "right", 0.8)
_AIR = "right-pneumothorax"


def _stored(name: str, **style: object) -> Film:
    """The right pneumothorax, stored in another way."""
    made = FilmStyle(**style)  # type: ignore[arg-type]
    return Film(f"stored-{name}", Scene(11, (_RIGHT_AIR,)), made, priority=Priority.CRITICAL, same_as=_AIR)


_ALL = (
    _film("normal", 13, priority=Priority.ROUTINE),
    Film("normal-two-views", Scene(11), lateral=True, priority=Priority.ROUTINE),
    _film(_AIR, 11, _RIGHT_AIR, priority=Priority.CRITICAL),
    _film("left-pneumothorax", 12, Plant("pneumothorax", "left", 0.8), priority=Priority.CRITICAL),
    # Other shapes than the usual one: a picture that is cut or squeezed on the way moves its boxes.
    _film("left-effusion", 12, Plant("pleural_effusion", "left", 0.8), rows=960, columns=960),
    _film("right-consolidation", 11, Plant("consolidation", "right", 0.8), rows=800, columns=960),
    _film("cardiomegaly", 12, Plant("cardiomegaly", "", 0.8), rows=1000, columns=700),
    _stored("monochrome1", monochrome1=True),
    _stored("voi-lut", contrast="voi-lut"),
    _stored("10-bit", bits_stored=10),
    _stored("16-bit", bits_stored=16),
    _stored("mirrored", orientation="mirrored"),
    _stored("upside-down", orientation="upside-down"),
    _stored("quarter-turn", orientation="quarter-turn"),
)
CATALOGUE: Mapping[str, Film] = MappingProxyType({film.name: film for film in _ALL})

# What may be said in place of what is drawn: a dense area in a lung is not always called by the same name.
CALLED_SO = {
    "consolidation": ("consolidation", "pneumonia", "lung_opacity"),
    "nodule": ("nodule", "mass"),
}


def drawn(film: Film, *, run_id: str, number: int) -> list[Dataset]:
    """The images of the film in a run. The same run and number give the same UIDs and pixels."""
    return phantom_study(
        film.scene,
        patient_id=f"{QC_MARK}{run_id}-{number:02d}",
        accession=f"{QC_MARK}{run_id}{number:02d}",
        lateral=film.lateral,
        style=film.style,
        patient_name=_PATIENT_NAME,
    )


def stored_boxes(film: Film) -> tuple[StoredBox, ...]:
    """Where in the stored frontal image each planted finding lies, worked out from how the film was stored and not with
    the line's own geometry, which is under test."""
    style = film.style
    return tuple(stored_box(box, style) for box in draw(film.scene, style.rows, style.columns).boxes)


def upright_picture(film: Film) -> NDArray[np.uint8]:
    """What the model has to be shown of the frontal image, however the film is stored: the drawing itself."""
    density = draw(film.scene, film.style.rows, film.style.columns).density
    return (density * 255 + 0.5).astype(np.uint8)


def stored_half(film: Film, side: str) -> StoredBox:
    """The half of the stored frontal image in which that side of the patient lies."""
    x0, x1 = (0.0, 0.5) if side == "right" else (0.5, 1.0)  # the patient's right is on the left of an upright film
    return stored_box(Box("", side, x0, 0.0, x1, 1.0), film.style)


def stored_box(box: Box, style: FilmStyle) -> StoredBox:
    """A box of the upright film as it lies in the stored image."""
    turned = style.orientation in ("transposed", "quarter-turn")
    columns, rows = (style.rows, style.columns) if turned else (style.columns, style.rows)
    corners = [_placed(x, y, style.orientation) for x, y in ((box.x0, box.y0), (box.x1, box.y1))]
    xs, ys = sorted(x for x, _ in corners), sorted(y for _, y in corners)
    return StoredBox(box.kind, box.side, xs[0] * columns, ys[0] * rows, xs[1] * columns, ys[1] * rows)


def _placed(x: float, y: float, orientation: str) -> tuple[float, float]:
    """Where a point of the upright film lies in the stored one; fractions of width and height."""
    return {
        "upright": (x, y),
        "mirrored": (1 - x, y),
        "upside-down": (x, 1 - y),
        "half-turn": (1 - x, 1 - y),
        "transposed": (y, x),
        "quarter-turn": (1 - y, x),
    }[orientation]


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1), 0 to 1."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return wide * high / (sum(areas) - wide * high)
