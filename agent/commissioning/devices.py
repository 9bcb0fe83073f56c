"""Tubes and lines in a frontal chest, as paths in patient coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent.commissioning.anatomy import SIGN, Build, carina, trachea_path
from agent.commissioning.canvas import Canvas, Field, Point, curve
from agent.commissioning.scene import Plant, Scene


@dataclass(frozen=True, slots=True)
class Device:
    """One device on one side: its path, its width, and whether it is a tube (two bright edges) or a line."""

    kind: str
    side: str
    path: list[Point]
    width: float
    tube: bool


def devices_of(scene: Scene, b: Build) -> list[Device]:
    """The devices of a scene. A larger `size` is a longer one."""
    return [
        _MAKE[plant.kind](plant, side, b, scene.patient_rng(f"{plant.kind} {side}"))
        for plant in scene.plants
        if plant.kind in _MAKE
        for side in plant.sides
    ]


def paint(c: Canvas, device: Device, brightness: float) -> Field:
    """What the device adds to the density."""
    out = np.zeros(c.shape, np.float32)
    if device.tube:
        c.stroke(out, device.path, device.width, 0.45 * brightness)
        for offset in (-0.8, 0.8):
            c.stroke(out, _beside(device.path, offset * device.width), 0.0016, brightness)
    else:
        c.stroke(out, device.path, device.width, brightness)
    return out


def _beside(path: list[Point], offset: float) -> list[Point]:
    p = np.array(path)
    along = np.gradient(p, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return [(float(x), float(y)) for x, y in p + offset * across]


def _endotracheal_tube(plant: Plant, side: str, b: Build, rng: np.random.Generator) -> Device:
    _, bottom = carina(b)
    tip = bottom - 0.075 + 0.05 * plant.size
    path = [p for p in trachea_path(b) if p[1] < tip]
    return Device(plant.kind, side, [*path, (path[-1][0], tip)], 0.0062, True)


def _central_line(plant: Plant, side: str, b: Build, rng: np.random.Generator) -> Device:
    """Through the jugular or the subclavian vein of its side into the superior vena cava, which lies right of the
    midline."""
    sign = SIGN[side]
    end = (-0.042, b.hilum - 0.03 + 0.11 * plant.size)
    down = [(-0.040, -0.17), end]
    cross = [(-0.028, -0.215)] if side == "right" else [(0.045, -0.25), (0.0, -0.222), (-0.03, -0.2)]
    if rng.random() < 0.5:
        start = [(sign * 0.075, -0.52), (sign * 0.068, -0.38), (sign * 0.055, -0.29)]
    else:
        start = [
            (sign * float(rng.uniform(0.26, 0.36)), b.apex + 0.14), (sign * 0.21, b.apex + 0.075), (sign * 0.12, b.apex + 0.095),
        ]  # fmt: skip
    return Device(plant.kind, side, curve([*start, *cross, *down]), 0.0036, False)


def _chest_tube(plant: Plant, side: str, b: Build, rng: np.random.Generator) -> Device:
    sign = SIGN[side]
    entry = b.dome - float(rng.uniform(0.06, 0.13))
    tip = (sign * float(rng.uniform(0.08, 0.14)), b.apex + float(rng.uniform(0.09, 0.15)) + 0.12 * (1 - plant.size))
    wall = b.half_width
    path = [
        (sign * (wall + 0.13), entry + 0.07), (sign * (wall + 0.04), entry + 0.01), (sign * (wall - 0.035), entry - 0.06),
        (sign * (wall - 0.07), (entry + tip[1]) / 2), tip,
    ]  # fmt: skip
    return Device(plant.kind, side, curve(path), 0.0075, True)


def _feeding_tube(plant: Plant, side: str, b: Build, rng: np.random.Generator) -> Device:
    """Down the oesophagus, under the left hemidiaphragm."""
    top = b.dome + b.dome_step
    path = [
        (0.006, -0.52), (0.010, -0.33), (0.014, -0.12), (0.012, 0.08), (0.03, top - 0.01),
        (0.075, top + 0.06), (0.10 + 0.06 * plant.size, top + 0.11 + 0.05 * plant.size),
    ]  # fmt: skip
    return Device(plant.kind, side, curve(path), 0.0045, False)


_MAKE = {
    "endotracheal_tube": _endotracheal_tube,
    "central_line": _central_line,
    "chest_tube": _chest_tube,
    "feeding_tube": _feeding_tube,
}
