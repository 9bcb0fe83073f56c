"""The frontal chest film, put together."""

from __future__ import annotations

import numpy as np

from agent.commissioning import anatomy
from agent.commissioning.anatomy import Build, Lung
from agent.commissioning.canvas import Canvas, Field, above, bump, texture
from agent.commissioning.devices import Device, devices_of, paint
from agent.commissioning.findings import LungState, state_of
from agent.commissioning.scene import LUNG_FINDINGS, Box, Scene


def frontal(c: Canvas, scene: Scene) -> tuple[Field, list[Box]]:
    """Density before exposure, about 0 to 1, and the boxes of what is planted, right before left."""
    b = anatomy.build_of(scene)
    lungs = {side: anatomy.lung(c, b, side) for side in ("right", "left")}
    states = {side: state_of(c, scene, b, lung) for side, lung in lungs.items()}
    heart = anatomy.heart(c, b)
    density = _soft_tissue(c, scene, b, lungs, states, heart)
    density += _bones(c, b, scene)
    devices = devices_of(scene, b)
    for device in devices:
        density += paint(c, device, 0.20)
    return density, _boxes(c, scene, b, lungs, states, devices)


def regions(c: Canvas, scene: Scene) -> dict[tuple[str, str], Field]:
    """Where each planted finding is, 1 in it and 0 outside, by kind and side."""
    b = anatomy.build_of(scene)
    found: dict[tuple[str, str], Field] = {}
    for side in ("right", "left"):
        if any(side in p.sides for p in scene.plants if p.kind in LUNG_FINDINGS):
            state = state_of(c, scene, b, anatomy.lung(c, b, side))
            found |= {(kind, side): region for kind, region in state.regions}
    if scene.plant("cardiomegaly"):
        found["cardiomegaly", ""] = anatomy.heart(c, b)
    for device in devices_of(scene, b):
        near = c.distance(device.path, 0.1)
        found[device.kind, device.side] = np.asarray(near < max(device.width, 0.7 * c.pixel), np.float32)
    return found


def _soft_tissue(
    c: Canvas, scene: Scene, b: Build, lungs: dict[str, Lung], states: dict[str, LungState], heart: Field
) -> Field:
    rng = scene.patient_rng("tissue")
    body = anatomy.body(c, b)
    middle = np.maximum(anatomy.mediastinum(c, b), heart)
    thick = body * np.float32(0.60 + 0.05 * b.flesh) + 0.05 * body * above(c.y, b.dome, 0.12)
    air = np.zeros(c.shape, np.float32)
    added = np.zeros(c.shape, np.float32)
    for side, lung in lungs.items():
        state = states[side]
        full = 0.42 * (0.86 + 0.14 * bump(lung.height, 0.55, 0.5)) * (0.82 + 0.18 * bump(lung.r, 0.2, 0.13))
        air += lung.mask * full * state.air * (1 - 0.80 * middle) * (1 - 0.17 * b.flesh)
        drawn = _vessels(c, b, scene, side, state.thick)
        added += (drawn * state.markings + state.added) * lung.mask * (1 - 0.6 * middle)
    grain = 0.010 * texture(c, rng, cells=70, octaves=2) + 0.012 * texture(c, rng, cells=9, octaves=2)
    density = thick - air * body + added + 0.09 * middle * body + grain * body
    breast = _breasts(c, b, scene)
    density += 0.05 * breast * body
    density -= 0.16 * anatomy.air_below(c, b, rng) * body * above(c.y, b.dome, 0.03)
    return np.asarray(density - 0.085 * anatomy.trachea(c, b), np.float32)


def _vessels(c: Canvas, b: Build, scene: Scene, side: str, thick: float) -> Field:
    out = np.zeros(c.shape, np.float32)
    for path, width in anatomy.vessels(b, side, scene.patient_rng(f"vessels {side}")):
        c.stroke(out, path, width * thick * 0.8, 0.035 + 11.0 * width * min(thick, 1.4))
    return out


def _breasts(c: Canvas, b: Build, scene: Scene) -> Field:
    rng = scene.patient_rng("breasts")
    if rng.random() < 0.5:
        return np.zeros(c.shape, np.float32)
    size, low = float(rng.uniform(0.09, 0.13)), b.dome - float(rng.uniform(-0.02, 0.05))
    out = np.zeros(c.shape, np.float32)
    for sign in anatomy.SIGN.values():
        away = np.hypot(
            (c.x - np.float32(sign * 0.62 * b.half_width)) / (1.15 * size), (c.y - np.float32(low - size)) / size
        )
        out = np.maximum(out, above(-away, -1.0, 0.18) * above(c.y, low - 1.4 * size, 0.9 * size))
    return out


def _bones(c: Canvas, b: Build, scene: Scene) -> Field:
    rng = scene.patient_rng("bones")
    strength = float(rng.uniform(0.75, 1.15))
    bones = 0.08 * (anatomy.ribs(c, b, "right") + anatomy.ribs(c, b, "left"))
    bones += 0.10 * anatomy.clavicles(c, b) + 0.06 * anatomy.scapulae(c, b) + 0.05 * anatomy.spine(c)
    return np.asarray(strength * bones * anatomy.body(c, b), np.float32)


def _boxes(
    c: Canvas, scene: Scene, b: Build, lungs: dict[str, Lung], states: dict[str, LungState], devices: list[Device]
) -> list[Box]:
    found: list[Box | None] = []
    for plant in scene.plants:
        for side in plant.sides:
            if plant.kind == "cardiomegaly":
                left, top, right, low = anatomy.heart_box(b)
                found.append(_around(c, plant.kind, "", [(left, top), (right, top), (right, low), (left, low)], 0.0))
            for device in (d for d in devices if (d.kind, d.side) == (plant.kind, side)):
                found.append(_around(c, device.kind, device.side, device.path, device.width))
            for kind, region in states[side].regions if side in states else []:
                if kind == plant.kind:
                    found.append(_of_mask(kind, side, region))
    return [box for box in found if box is not None]


def _around(c: Canvas, kind: str, side: str, path: list[tuple[float, float]], margin: float) -> Box | None:
    pixels = np.array(path) @ c.forward[:, :2].T + c.forward[:, 2] + 0.5
    size = np.array([c.shape[1], c.shape[0]])
    reach = margin / c.pixel
    low, high = np.clip((pixels.min(0) - reach) / size, 0, 1), np.clip((pixels.max(0) + reach) / size, 0, 1)
    return _box(kind, side, *low, *high)


def _of_mask(kind: str, side: str, mask: Field) -> Box | None:
    """Around what is at least half there; stray pixels do not widen it."""
    solid = mask > 0.5
    across, down = solid.sum(0), solid.sum(1)
    least = max(2, mask.shape[0] // 200)
    columns, rows = np.flatnonzero(across >= least), np.flatnonzero(down >= least)
    if not len(columns) or not len(rows):
        return None
    high, wide = mask.shape
    return _box(kind, side, columns[0] / wide, rows[0] / high, (columns[-1] + 1) / wide, (rows[-1] + 1) / high)


def _box(kind: str, side: str, x0: float, y0: float, x1: float, y1: float) -> Box | None:
    if x1 - x0 < 0.005 or y1 - y0 < 0.005:
        return None
    return Box(kind, side, float(x0), float(y0), float(x1), float(y1))
