"""The left lateral chest film: the patient faces the picture's left."""

from __future__ import annotations

import numpy as np

from agent.commissioning.anatomy import build_of
from agent.commissioning.canvas import Canvas, Field, above, bump, curve, ellipse, texture
from agent.commissioning.scene import Scene


def lateral(c: Canvas, scene: Scene) -> Field:
    """Density before exposure, about 0 to 1. Both lungs lie over one another."""
    b = build_of(scene)
    rng = scene.patient_rng("lateral")
    depth = float(rng.uniform(0.235, 0.275))  # half of the front-to-back size of the chest
    height = (c.y - np.float32(b.apex)) / np.float32(b.dome - b.apex)
    front = -depth * (0.10 + 0.90 * np.clip(height, 0, 1) ** 0.42) + 0.02 * np.clip(height - 0.8, 0, 1)
    back: Field = depth * (0.42 + 0.50 * np.sin(np.pi * np.clip(height + 0.12, 0, 1.25) / 1.3))
    across = (c.x + 0.04) / depth
    dome = b.dome + 0.115 * np.clip(across, 0, None) ** 2 + 0.05 * np.clip(-across, 0, None) ** 2
    lungs = above(c.x - front, 0.0, 0.005) * above(back - c.x, 0.0, 0.006) * above(c.y, b.apex + 0.02, 0.03)
    one = lungs * above(dome - c.y, 0.0, 0.005)
    other = lungs * above(dome + b.dome_step - c.y, 0.0, 0.005)
    body = _body(c, front, back, b.flesh)
    heart = _heart(c, depth, b.dome, b.heart_ratio)
    air: Field = 0.22 * (one + other) * (1 - 0.55 * heart) * (1 - 0.15 * b.flesh)
    added = _vessels(c, b.hilum, rng) * np.maximum(one, other)
    air, added = _findings(c, scene, b.apex, b.dome, depth, one, other, dome, back, air, added)
    density = body * np.float32(0.63 + 0.04 * b.flesh) - air * body + added + 0.07 * heart * body
    density += (_spine(c, back, depth) + _ribs(c, height, front, back) + _sternum(c, front)) * body
    trachea = np.zeros(c.shape, np.float32)
    c.stroke(trachea, curve([(0.03, -0.5), (0.035, -0.3), (0.055, b.hilum - 0.03)]), 0.013, 1.0)
    grain = 0.010 * texture(c, rng, cells=70, octaves=2) + 0.012 * texture(c, rng, cells=9, octaves=2)
    return np.asarray(density - 0.11 * trachea + grain * body + _devices(c, scene, b.dome, b.hilum), np.float32)


def _body(c: Canvas, front: Field, back: Field, flesh: float) -> Field:
    edge = 0.03 + 0.025 * flesh
    chest = above(c.x - front, -edge - 0.035 * bump(c.y, 0.08, 0.12), 0.03) * above(back - c.x, -edge - 0.03, 0.03)
    return chest * above(c.y, -0.46, 0.05)


def _heart(c: Canvas, depth: float, dome: float, ratio: float) -> Field:
    size = 0.31 * ratio
    centre = (-0.36 * depth - 0.01, dome - 0.75 * size)
    main = ellipse(c, centre, (size * 1.12, size * 0.86), turn=0.6, soft=0.07)
    arch = ellipse(c, (0.0, -0.16), (0.05, 0.045), soft=0.3)
    return np.asarray(np.maximum(main, 0.45 * arch))


def _spine(c: Canvas, back: Field, depth: float) -> Field:
    axis = 0.80 * depth + 0.02 * np.sin(3.0 * c.y)
    off = c.x - axis
    column = above(-np.abs(off), -0.030, 0.006)
    bodies = 0.6 + 0.4 * (np.cos(2 * np.pi * c.y / 0.062) > -0.75)
    fading = 0.13 - 0.10 * np.clip(c.y + 0.3, 0, 0.6)  # vertebrae grow darker towards the diaphragm
    return np.asarray(column * bodies * fading, np.float32)


def _ribs(c: Canvas, height: Field, front: Field, back: Field) -> Field:
    inside = (
        above(c.x - front, 0.0, 0.01)
        * above(back - c.x, -0.02, 0.01)
        * above(height, 0.05, 0.1)
        * above(-height, -1.25, 0.1)
    )
    out = np.zeros(c.shape, np.float32)
    for shift in (0.0, 0.4):
        phase = (c.y + 0.42 * c.x) / 0.068 + shift
        away = np.abs(phase - np.round(phase))
        out += above(-away, -0.15, 0.04) * (0.55 + 0.45 * bump(away, 0.12, 0.05))
    return np.asarray(0.035 * out * inside, np.float32)


def _sternum(c: Canvas, front: Field) -> Field:
    return np.asarray(
        0.07 * bump(c.x - front, -0.012, 0.009) * above(-c.y, -0.1, 0.05) * above(c.y, -0.3, 0.02), np.float32
    )


def _vessels(c: Canvas, hilum: float, rng: np.random.Generator) -> Field:
    out = 0.10 * ellipse(c, (0.005, hilum + 0.02), (0.04, 0.05), soft=0.35)
    for angle in rng.uniform(-np.pi, np.pi, 18):
        length = float(rng.uniform(0.06, 0.16))
        middle = (0.5 * length * np.cos(angle), hilum + 0.02 + 0.5 * length * np.sin(angle))
        turned = angle + float(rng.uniform(-0.3, 0.3))
        end = (middle[0] + 0.5 * length * np.cos(turned), middle[1] + 0.5 * length * np.sin(turned))
        c.stroke(out, [(0.005, hilum + 0.02), middle, end], float(rng.uniform(0.002, 0.0045)), 0.035)
    return out


def _findings(
    c: Canvas, scene: Scene, apex: float, base: float, depth: float, one: Field, other: Field, dome: Field, back: Field,
    air: Field, added: Field,
) -> tuple[Field, Field]:  # fmt: skip
    """What is planted, as far as a lateral shows it: no pneumothorax."""
    lungs = np.maximum(one, other)
    effusion = scene.plant("pleural_effusion")
    if effusion:
        level = base + 0.10 - 0.30 * effusion.size
        surface = level - 0.05 * np.exp(-np.clip(back - c.x, 0, None) / 0.05) + 0.03 * bump(c.x, -0.05, 0.1)
        fluid = above(c.y - surface, 0.0, 0.008) * lungs
        both = 0.95 if effusion.side == "bilateral" else 0.62
        air = air * (1 - both * fluid)
    for plant in scene.plants:
        if plant.kind == "consolidation":
            for side in plant.sides:
                rng = scene.patient_rng(f"consolidation {side}")
                height = float(rng.uniform(0.28, 0.82))
                at = (float(rng.uniform(-0.08, 0.10)), apex + height * (base - apex))
                radii = (0.04 + 0.05 * plant.size, 0.04 + 0.07 * plant.size)
                air = air * (1 - (0.3 + 0.2 * plant.size) * ellipse(c, at, radii, soft=0.35))
        if plant.kind == "nodule":
            for side in plant.sides:
                rng = scene.patient_rng(f"nodule {side}")
                at = (float(rng.uniform(-0.12, 0.1)), apex + float(rng.uniform(0.14, 0.55)) * (base - apex))
                radius = 0.0125 + 0.019 * plant.size
                added = added + 0.13 * ellipse(c, at, (radius, radius), soft=0.22) * lungs
        if plant.kind == "pulmonary_edema":
            cloud = bump(np.hypot(c.x, c.y + 0.02), 0.0, 0.17)
            air = air * (1 - (0.25 + 0.35 * plant.size) * cloud)
    return air, added


def _devices(c: Canvas, scene: Scene, dome: float, hilum: float) -> Field:
    out = np.zeros(c.shape, np.float32)
    paths = {
        "endotracheal_tube": ([(0.03, -0.5), (0.035, -0.3), (0.045, hilum - 0.07)], 0.006),
        "central_line": ([(-0.02, -0.42), (0.0, -0.25), (-0.01, hilum + 0.03)], 0.0036),
        "feeding_tube": (
            [(0.05, -0.5), (0.07, -0.2), (0.065, dome - 0.02), (0.0, dome + 0.08), (-0.05, dome + 0.12)],
            0.0045,
        ),
        "chest_tube": ([(-0.05, dome + 0.1), (0.06, dome - 0.1), (0.08, -0.15)], 0.0075),
    }
    for plant in scene.plants:
        if plant.kind in paths:
            points, width = paths[plant.kind]
            c.stroke(out, curve(points), width, 0.2)
    return out
