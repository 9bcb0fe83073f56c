"""Drawing in patient coordinates, whatever the number of rows and columns.

One unit is the height of the film; x grows towards the picture's right (in a frontal view the patient's left), y
downwards; (0, 0) is the middle. Fields are float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
Point = tuple[float, float]

_USUAL_ASPECT = 0.82  # columns to rows of a chest film; on a narrower one everything is drawn smaller


@dataclass(frozen=True, slots=True)
class Canvas:
    """The grid of a film. `x` and `y` are patient coordinates, shape (rows, columns); `pixel` is the size of a pixel;
    `forward` takes (x, y, 1) to (column, row)."""

    x: Field
    y: Field
    pixel: float
    forward: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.x.shape[0], self.x.shape[1]

    def stroke(self, target: Field, path: Sequence[Point], width: float, amount: float) -> None:
        """Add a line to `target`: thinner than a pixel it is paler, not wider."""
        drawn = max(width, 1.2 * self.pixel)
        strength = amount * width / drawn
        rows, cols, distance = self._near(path, drawn)
        if distance.size:
            covered = np.clip((drawn - distance) / (0.5 * drawn), 0, 1) * strength
            target[rows, cols] = np.maximum(target[rows, cols], covered)

    def distance(self, path: Sequence[Point], reach: float) -> Field:
        """Distance of every pixel to a line, no more than `reach`."""
        out = np.full(self.shape, reach, np.float32)
        rows, cols, distance = self._near(path, reach)
        if distance.size:
            out[rows, cols] = np.minimum(distance, reach)
        return out

    def _near(self, path: Sequence[Point], reach: float) -> tuple[slice, slice, Field]:
        """The part of the grid within `reach` of a line, and the distances there."""
        points = np.array(path, float)
        pixels = points @ self.forward[:, :2].T + self.forward[:, 2]
        margin = reach / self.pixel + 1
        low, high = np.floor(pixels.min(0) - margin).astype(int), np.ceil(pixels.max(0) + margin).astype(int) + 1
        cols, rows = (slice(max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True))
        x, y = self.x[rows, cols], self.y[rows, cols]
        best = np.full(x.shape, np.inf, np.float32)
        if x.size == 0:
            return rows, cols, best
        for (ax, ay), (bx, by) in pairwise(points.tolist()):
            dx, dy = bx - ax, by - ay
            along = np.clip(((x - ax) * dx + (y - ay) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
            np.minimum(best, (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2, out=best)
        return rows, cols, np.sqrt(best)


def canvas(rows: int, columns: int, *, turn: float = 0.0, shift: Point = (0.0, 0.0), zoom: float = 1.0) -> Canvas:
    """The grid of a film of rows x columns, with the patient turned (radians), shifted (units) and enlarged."""
    scale = zoom * min(1.0, columns / rows / _USUAL_ASPECT)
    sin, cos = np.sin(turn), np.cos(turn)
    per_unit = rows * scale
    forward = np.array(
        [
            [per_unit * cos, -per_unit * sin, columns / 2 - 0.5 + shift[0] * rows],
            [per_unit * sin, per_unit * cos, rows / 2 - 0.5 + shift[1] * rows],
        ]
    )
    column = ((np.arange(columns) - forward[0, 2]) / per_unit).astype(np.float32)[None, :]
    row = ((np.arange(rows) - forward[1, 2]) / per_unit).astype(np.float32)[:, None]
    x = np.float32(cos) * column + np.float32(sin) * row
    y = np.float32(cos) * row - np.float32(sin) * column
    return Canvas(x, y, 1 / per_unit, forward)


def above(value: Field, edge: Field | float, soft: float) -> Field:
    """1 where `value` exceeds `edge`, 0 below, smooth over twice `soft`."""
    t = np.clip((value - edge) * np.float32(0.5 / soft) + np.float32(0.5), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def bump(value: Field, centre: float, width: float) -> Field:
    """A bell of height 1."""
    return np.asarray(np.exp(-(((value - np.float32(centre)) / np.float32(width)) ** 2)), np.float32)


def ellipse(c: Canvas, centre: Point, radii: Point, *, turn: float = 0.0, soft: float = 0.05) -> Field:
    """1 inside an ellipse, 0 outside; `soft` is a fraction of its size."""
    dx, dy = c.x - np.float32(centre[0]), c.y - np.float32(centre[1])
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    a, b = (dx * cos + dy * sin) / np.float32(radii[0]), (dy * cos - dx * sin) / np.float32(radii[1])
    return above(-np.sqrt(a * a + b * b), -1.0, soft)


def texture(c: Canvas, rng: np.random.Generator, *, cells: int, octaves: int = 1, persistence: float = 0.5) -> Field:
    """Smooth noise of about unit variance, the same whatever the resolution; `cells` is the number of grains across
    the height."""
    total = np.zeros(c.shape, np.float32)
    norm = 0.0
    for octave in range(octaves):
        weight = persistence**octave
        total += np.float32(weight) * _lattice(c, rng, cells * 2**octave)
        norm += weight**2
    return total / np.float32(np.sqrt(norm))


def _lattice(c: Canvas, rng: np.random.Generator, cells: int) -> Field:
    """Random values at grid points and smooth steps between them. The grid follows the film, not a slight turn of the
    patient: so it is two small matrix products."""
    values = rng.standard_normal((cells + 2, cells + 2)).astype(np.float32)
    rows, columns = c.shape
    down = _steps(c.y[:, columns // 2], cells)
    across = _steps(c.x[rows // 2, :], cells)
    return np.asarray(np.float32(1.6) * (down @ values @ across.T), np.float32)


def _steps(at: Field, cells: int) -> Field:
    """Weights of the grid points for every coordinate: shape (coordinates, cells + 2)."""
    place = np.clip((at + 0.75) / 1.5, 0, 0.9999) * cells
    near = np.clip(1 - np.abs(place[:, None] - np.arange(cells + 2, dtype=np.float32)[None, :]), 0, 1)
    return np.asarray(near * near * (3 - 2 * near), np.float32)


def curve(points: Sequence[Point], pieces: int = 8) -> list[Point]:
    """A smooth line through the points (Catmull-Rom)."""
    p = np.array([points[0], *points, points[-1]], float)
    t = (np.arange(pieces) / pieces)[None, :, None]
    a, b, c, d = (p[n : len(p) - 3 + n, None, :] for n in range(4))
    at = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return [*map(tuple, at.reshape(-1, 2).tolist()), (float(points[-1][0]), float(points[-1][1]))]
