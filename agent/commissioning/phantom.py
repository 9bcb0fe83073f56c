"""Chest films that this program draws, with everything known that is on them.

No patient: a diagram that looks enough like a radiograph to show, test and commission a line with. The same scene
gives the same film, at any number of rows and columns; it is never mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agent.commissioning.canvas import Canvas, Field, Point, above, canvas
from agent.commissioning.frontal import frontal, regions
from agent.commissioning.lateral import lateral
from agent.commissioning.scene import CLASSES, DEVICES, KINDS, Box, Plant, Scene, random_pair, random_scene

__all__ = ["KINDS", "Box", "Drawing", "Plant", "Scene", "draw", "random_pair", "random_scene"]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A film: `density`, shape (rows, columns), float32, 0 to 1, bright is dense, upright, the patient's right on the
    picture's left (a lateral faces the picture's left); and the boxes of what is planted. A lateral has no boxes."""

    density: Field
    boxes: tuple[Box, ...]


def cover(scene: Scene, shape: tuple[int, int], grid: tuple[int, int]) -> NDArray[np.uint8]:
    """How far each cell of a grid is covered by what is planted: for a frontal film of `shape` (rows, columns) cut into
    `grid` (rows, columns), shape (*grid, classes), 0 to 255. Thin and small things count as covering a cell whole."""
    rows = _COARSE
    columns = round(rows * shape[1] / shape[0])
    out = np.zeros((*grid, len(CLASSES)), np.uint8)
    if scene.view != "LL" and scene.plants:
        down, across = _shares(rows, grid[0]), _shares(columns, grid[1])
        for (kind, side), region in regions(_placed(scene, rows, columns), scene).items():
            share = np.clip(_GAIN.get(kind, 1.5) * (down @ region @ across.T), 0, 1)
            out[:, :, CLASSES.index((kind, side))] = np.round(255 * share)
    return out


_COARSE = 96  # rows that regions are looked at with
_GAIN = {"nodule": 4.0, "pneumothorax": 3.0} | dict.fromkeys(DEVICES, 12.0)


def _shares(pixels: int, cells: int) -> Field:
    """Shape (cells, pixels): the share of each pixel in the mean of each cell."""
    of = np.floor((np.arange(pixels) + 0.5) / pixels * cells)
    hit = (of[None, :] == np.arange(cells)[:, None]).astype(np.float32)
    return np.asarray(hit / hit.sum(1, keepdims=True))


def draw(scene: Scene, rows: int = 1024, columns: int = 840) -> Drawing:
    """Draw a scene. Its `density` is read-only: who asks again for what was just drawn gets the same."""
    return _drawn(scene, rows, columns)


# A film is drawn in half a second, and asked for when it is stored, when its boxes are wanted, and when it is compared.
@lru_cache(maxsize=4)
def _drawn(scene: Scene, rows: int, columns: int) -> Drawing:
    c = _placed(scene, rows, columns)
    density, boxes = (lateral(c, scene), []) if scene.view == "LL" else frontal(c, scene)
    shown = _exposed(c, scene, density)
    shown.flags.writeable = False
    return Drawing(shown, tuple(boxes))


def _placed(scene: Scene, rows: int, columns: int) -> Canvas:
    """The grid with the patient where the scene has them."""
    rng = scene.film_rng("position")
    return canvas(
        rows,
        columns,
        turn=float(rng.normal(0, 0.02)),
        shift=(float(rng.normal(0, 0.012)), float(rng.normal(0.02, 0.012))),
        zoom=float(rng.uniform(0.98, 1.12)),
    )


def _exposed(c: Canvas, scene: Scene, density: Field) -> Field:
    """The film as it was exposed: contrast, brightness, markers, collimation, quantum noise."""
    rng = scene.film_rng("exposure")
    contrast, bright, gamma = (
        float(rng.uniform(1.05, 1.35)),
        float(rng.uniform(-0.05, 0.05)),
        float(rng.uniform(0.85, 1.35)),
    )
    shown = np.clip((density - 0.42) * contrast + 0.44 + bright, 0, 1) ** np.float32(gamma)
    _marker(c, scene, shown)
    rows, columns = c.shape
    noise = scene.film_rng("noise")
    # Quantum noise grows as pixels shrink, so that a film made smaller is as noisy as one drawn small.
    sigma = float(rng.uniform(0.005, 0.022)) * rows / 1024
    shown = shown + np.float32(sigma) * noise.standard_normal((rows, columns), dtype=np.float32)
    return np.asarray(np.clip(shown * _collimated(rows, columns, rng), 0, 1))


def _collimated(rows: int, columns: int, rng: np.random.Generator) -> Field:
    """1 in the field, dark outside."""
    if rng.random() < 0.6:
        return np.ones((rows, columns), np.float32)
    v, u = np.arange(rows, dtype=np.float32)[:, None] / rows, np.arange(columns, dtype=np.float32)[None, :] / columns
    top, low, left, right = rng.uniform(0, 0.035, 4)
    inside = above(v, top, 0.002) * above(1 - v, low, 0.002) * above(u, left, 0.002) * above(1 - u, right, 0.002)
    return np.asarray(0.04 + 0.96 * inside, np.float32)


def _marker(c: Canvas, scene: Scene, shown: Field) -> None:
    """The lead letter of the side, on the patient's own side."""
    rng = scene.film_rng("marker")
    letter = str(rng.choice(["L", "R", ""]))
    if scene.view == "LL" or not letter:
        return
    size = float(rng.uniform(0.012, 0.018))
    x0, y0 = (0.33 if letter == "L" else -0.36), float(rng.uniform(-0.46, -0.43))
    glyphs: dict[str, list[list[Point]]] = {
        "L": [[(0, -1), (0, 1), (1, 1)]],
        "R": [[(0, 1), (0, -1), (0.8, -1), (1, -0.5), (0.8, 0), (0, 0)], [(0.4, 0), (1, 1)]],
    }
    lead = np.zeros(c.shape, np.float32)
    for path in glyphs[letter]:
        c.stroke(lead, [(x0 + size * x, y0 + size * y) for x, y in path], 0.0035, 1.0)
    np.maximum(shown, 0.95 * lead, out=shown)
