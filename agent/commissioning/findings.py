"""Planted findings in a frontal chest: what each changes in the lung it lies in."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agent.commissioning.anatomy import SIGN, Build, Lung, wall
from agent.commissioning.canvas import Canvas, Field, Point, above, bump, texture
from agent.commissioning.scene import Plant, Scene


@dataclass
class LungState:
    """What findings make of one lung; each finding changes it.

    Attributes:
        air: 1 full of air, 0 airless; above 1 where there is nothing but air.
        markings: how much of the vessels is seen.
        thick: how thick the vessels are.
        added: density on top.
        regions: (kind, mask) of what is planted, for its box.
    """

    air: Field
    markings: Field
    thick: float
    added: Field
    regions: list[tuple[str, Field]] = field(default_factory=list)


def state_of(c: Canvas, scene: Scene, b: Build, lung: Lung) -> LungState:
    """The lung with everything planted in it."""
    one = np.ones(c.shape, np.float32)
    state = LungState(one.copy(), one.copy(), 1.0, np.zeros(c.shape, np.float32))
    # Fluid and air come last: they displace what is in the lung.
    for kind in ("nodule", "consolidation", "pulmonary_edema", "pleural_effusion", "pneumothorax"):
        plant = scene.plant(kind)
        if plant and lung.side in plant.sides:
            _PAINT[kind](c, scene, b, lung, plant, state)
    return state


def _pneumothorax(c: Canvas, scene: Scene, b: Build, lung: Lung, plant: Plant, state: LungState) -> None:
    """Air without markings between the chest wall and a thin line, widest at the apex."""
    gap, rim, end = 0.028 + 0.15 * plant.size, 0.010 + 0.095 * plant.size, 0.42 + 0.75 * plant.size
    top = b.apex + gap
    dome = b.apex + (c.y - b.apex) / np.where(np.abs(lung.height) < 1e-6, 1e-6, lung.height)
    lower = (c.y - np.float32(top)) / (dome - np.float32(top))
    edge = wall(b, lower) - np.float32(rim) * above(-lung.height, -end, 0.3)
    inside = above(edge - lung.r, 0.0, 0.002) * above(c.y, top, 0.002)
    free = lung.mask * (1 - inside)
    state.air = state.air * (1 - free) + 1.16 * free
    state.air = state.air * (1 - 0.22 * plant.size * inside)  # the lung that shrinks gets denser
    state.markings = state.markings * (1 - free)
    state.added = state.added * (1 - free)
    line = np.zeros(c.shape, np.float32)
    c.stroke(line, _pleural_line(b, lung, top, rim, end, dome), 0.0019, 0.17)
    state.added = state.added + line * lung.mask
    state.regions.append((plant.kind, free))


def _pleural_line(b: Build, lung: Lung, top: float, rim: float, end: float, dome: Field) -> list[Point]:
    low = float(np.median(dome))
    lower = np.linspace(0.0, 1.0, 60, dtype=np.float32) ** 2
    y = top + lower * (low - top)
    height = (y - b.apex) / (low - b.apex)
    r = wall(b, lower) - np.float32(rim) * above(-height, -end, 0.3)
    return [
        (SIGN[lung.side] * float(a), float(d)) for a, d, h in zip(r, y, height, strict=True) if h < min(end + 0.25, 1.0)
    ]


def _pleural_effusion(c: Canvas, scene: Scene, b: Build, lung: Lung, plant: Plant, state: LungState) -> None:
    """Fluid with a meniscus: first the costophrenic angle, at most half of the lung."""
    dome = b.dome + (b.dome_step if lung.side == "left" else 0.0)
    level = dome + 0.080 - 0.32 * plant.size
    climb = 0.035 + 0.03 * plant.size
    surface = level - climb * np.exp(-np.clip(lung.outer - lung.r, 0, None) / 0.04)
    surface = surface - 0.35 * climb * np.exp(-np.clip(lung.r - 0.06, 0, None) / 0.025)
    low = above(c.y - surface, 0.0, 0.007)
    fluid = lung.mask * low
    state.air = state.air * (1 - 0.96 * low)
    state.markings = state.markings * (1 - low)
    if b.bedside:
        veil = above(c.y, level - 0.12, 0.2) * lung.mask
        state.air = state.air * (1 - 0.16 * veil)
    state.added = state.added * (1 - fluid) + 0.02 * fluid
    state.regions.append((plant.kind, fluid))


def _consolidation(c: Canvas, scene: Scene, b: Build, lung: Lung, plant: Plant, state: LungState) -> None:
    """A patch with ragged edges and air-filled bronchi in it."""
    rng = scene.patient_rng(f"consolidation {lung.side}")
    low = scene.plant("nodule") is not None
    height = float(rng.uniform(0.62, 0.82) if low else rng.uniform(0.28, 0.82))
    dome = b.dome + (b.dome_step if lung.side == "left" else 0.0)
    y = b.apex + height * (dome - b.apex)
    r = float(rng.uniform(0.42, 0.62)) * b.half_width + (0.03 if lung.side == "left" and height > 0.6 else 0.0)
    rx, ry = 0.042 + 0.06 * plant.size, 0.05 + 0.085 * plant.size
    rx, ry = rx * float(rng.uniform(0.9, 1.2)), ry * float(rng.uniform(0.85, 1.1))
    away = np.sqrt(((lung.r - np.float32(r)) / np.float32(rx)) ** 2 + ((c.y - np.float32(y)) / np.float32(ry)) ** 2)
    ragged = texture(c, rng, cells=16, octaves=3, persistence=0.6)
    patch = above(-away + 0.2 * ragged, -1.0, 0.22)
    fluffy = np.clip(0.9 + 0.16 * texture(c, rng, cells=30, octaves=2), 0.5, 1.15)
    bronchi = np.zeros(c.shape, np.float32)
    sign = SIGN[lung.side]
    for angle in rng.uniform(-0.7, 0.7, 4):
        start = (sign * (r - 0.7 * rx), y - 0.2 * ry)
        reach = 1.5 * rx
        c.stroke(
            bronchi, [start, (start[0] + sign * reach * np.cos(angle), start[1] + reach * np.sin(angle))], 0.0028, 1.0
        )
    dense = patch * np.float32(0.62 + 0.33 * plant.size)
    state.air = state.air * (1 - dense * fluffy * (1 - 0.3 * bronchi * patch))
    state.markings = state.markings * (1 - 0.7 * patch)
    state.regions.append((plant.kind, patch * lung.mask))


def _pulmonary_edema(c: Canvas, scene: Scene, b: Build, lung: Lung, plant: Plant, state: LungState) -> None:
    """Haze around the hilum, thick vessels, short septal lines at the base."""
    rng = scene.patient_rng(f"pulmonary_edema {lung.side}")
    centre_r, centre_y = 0.115, b.hilum + 0.055
    rx, ry = 0.105 + 0.035 * plant.size, 0.16 + 0.05 * plant.size
    away = np.sqrt(((lung.r - centre_r) / rx) ** 2 + ((c.y - np.float32(centre_y)) / ry) ** 2)
    cloud = above(-away + 0.12 * texture(c, rng, cells=12, octaves=3), -0.95, 0.55)
    fluffy = np.clip(0.95 + 0.2 * texture(c, rng, cells=26, octaves=3, persistence=0.7), 0.4, 1.3)
    state.air = state.air * (1 - np.float32(0.42 + 0.40 * plant.size) * cloud * fluffy)
    state.air = state.air * (1 - (0.06 + 0.12 * plant.size) * lung.mask)
    state.thick = 1.35 + 0.5 * plant.size
    lines = np.zeros(c.shape, np.float32)
    dome = b.dome + (b.dome_step if lung.side == "left" else 0.0)
    for k in range(7):
        y = dome + 0.045 - 0.018 * k
        edge = b.half_width * 0.985
        c.stroke(lines, [(SIGN[lung.side] * (edge - 0.032), y + 0.003), (SIGN[lung.side] * edge, y)], 0.0016, 0.10)
    state.added = state.added + lines * lung.mask * np.float32(0.4 + 0.6 * plant.size)
    state.regions.append((plant.kind, cloud * lung.mask))


def _nodule(c: Canvas, scene: Scene, b: Build, lung: Lung, plant: Plant, state: LungState) -> None:
    """A round shadow, 2.5 to 6.5 % of the film's height across."""
    rng = scene.patient_rng(f"nodule {lung.side}")
    alone = scene.patient is None and all(p.kind in ("nodule", "cardiomegaly") for p in scene.plants)
    height = float(rng.uniform(0.14, 0.8) if alone else rng.uniform(0.14, 0.55))
    y = b.apex + height * (b.dome - b.apex)
    chest_wall = float(wall(b, np.array([height], np.float32))[0])
    least = 0.62 if lung.side == "left" and height > 0.55 else 0.42 if height > 0.25 else 0.5
    r = float(rng.uniform(least, 0.84 if alone else 0.62)) * chest_wall
    radius = 0.0125 + 0.019 * plant.size
    away = np.sqrt((lung.r - np.float32(r)) ** 2 + (c.y - np.float32(y)) ** 2)
    ball = above(-away, -radius, 0.22 * radius)
    state.added = (
        state.added + np.float32(0.16 + 0.07 * plant.size) * ball * (0.8 + 0.2 * bump(away, 0, radius)) * lung.mask
    )
    state.regions.append((plant.kind, ball))


_PAINT = {
    "pneumothorax": _pneumothorax,
    "pleural_effusion": _pleural_effusion,
    "consolidation": _consolidation,
    "pulmonary_edema": _pulmonary_edema,
    "nodule": _nodule,
}
