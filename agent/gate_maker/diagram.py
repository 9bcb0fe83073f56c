"""Diagrams of chests, the simplest drawings that a person would call one: the gate learns that they may be read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

KINDS = ("clear", "left-effusion", "right-effusion", "cardiomegaly")

Field = NDArray[np.float64]


def draw(kind: str, view: str, *, seed: int, rows: int = 1024, columns: int = 840) -> NDArray[np.uint16]:
    """Stored values of a drawn film: shape (rows, columns), uint16, 0 to 4095, bright is dense (MONOCHROME2).

    Args:
        kind: one of `KINDS`.
        view: ``PA``, with the patient's right on the picture's left, or ``LL``.
        seed: varies size, position and noise.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
    y, x = y / rows, x / columns
    x = (x - 0.5 + rng.uniform(-0.02, 0.02)) / rng.uniform(0.95, 1.05) + 0.5
    y = y + rng.uniform(-0.02, 0.02)
    density = _frontal(kind, x, y, rng) if view == "PA" else _lateral(kind, x, y, rng)
    noise = rng.normal(0, 0.012, (rows, columns))
    return np.clip((density + noise) * 4095, 0, 4095).astype(np.uint16)


def _frontal(kind: str, x: Field, y: Field, rng: np.random.Generator) -> Field:
    body = _blob(x, y, 0.5, 0.55, 0.47, 0.62, 0.03)
    lungs = np.maximum(_blob(x, y, 0.29, 0.45, 0.15, 0.31, 0.04), _blob(x, y, 0.71, 0.45, 0.15, 0.31, 0.04))
    ribs = 0.05 * (np.sin((y + 0.35 * np.abs(x - 0.5)) * 60) > 0.75) * body
    spine = 0.18 * np.exp(-(((x - 0.5) / 0.05) ** 2))
    width = rng.uniform(0.23, 0.26) if kind == "cardiomegaly" else rng.uniform(0.12, 0.14)
    heart = _blob(x, y, 0.53, 0.62, width, 0.15, 0.03)
    air = lungs * (1 - heart)
    if kind.endswith("effusion"):
        # The patient's left is on the picture's right. A meniscus: higher at the chest wall.
        centre, wall = (0.71, 0.86) if kind.startswith("left") else (0.29, 0.14)
        level = rng.uniform(0.50, 0.56) + 0.25 * np.abs(x - wall)
        air = air * np.where((np.abs(x - centre) < 0.2) & (y > level), 0.04, 1.0)
    return 0.12 + 0.55 * body + spine * body - 0.46 * air + 0.16 * heart + ribs


def _lateral(kind: str, x: Field, y: Field, rng: np.random.Generator) -> Field:
    body = _blob(x, y, 0.5, 0.55, 0.42, 0.62, 0.03)
    lung = _blob(x, y, 0.52, 0.45, 0.30, 0.32, 0.05)
    spine = 0.2 * np.exp(-(((x - 0.80) / 0.06) ** 2))
    depth = 0.20 if kind == "cardiomegaly" else 0.12
    heart = _blob(x, y, 0.38, 0.62, depth, 0.14, 0.03)
    air = lung * (1 - heart)
    if kind.endswith("effusion"):
        air = air * np.where((y > 0.58) & (x > 0.5), 0.1, 1.0)
    return 0.12 + 0.55 * body + spine * body - 0.42 * air + 0.14 * heart + rng.uniform(0, 0.01)


def _blob(x: Field, y: Field, cx: float, cy: float, rx: float, ry: float, soft: float) -> Field:
    """An ellipse with a soft edge: 1 inside, 0 outside."""
    distance = np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2)
    return 1 / (1 + np.exp(np.clip((distance - 1) / soft, -60, 60)))
