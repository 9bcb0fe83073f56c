"""The frontal chest: outlines of the lungs, the heart and the bones, as functions of the patient's build."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agent.commissioning.canvas import Canvas, Field, Point, above, bump, curve, ellipse
from agent.commissioning.scene import Scene

SIGN = {"right": -1.0, "left": 1.0}  # the patient's left is on the picture's right


@dataclass(frozen=True, slots=True)
class Build:
    """What is the patient's own. Lengths in units of film height.

    Attributes:
        half_width: from the midline to the inner chest wall at the base.
        apex: y of the lung apices.
        dome: y of the right hemidiaphragm; the left one is `dome_step` lower.
        heart_ratio: width of the heart over the inner width of the chest.
        heart_tilt: radians; how far the heart lies down.
        knob: radius of the aortic knob.
        hilum: y of the right hilum.
        flesh: thickness of fat and muscle over the lungs, 0 thin to 1 heavy.
        rib_gap: distance of two ribs along the chest wall.
        bedside: whether the film is AP: shoulder blades over the lungs, heart enlarged by projection.
    """

    half_width: float
    apex: float
    dome: float
    dome_step: float
    heart_ratio: float
    heart_tilt: float
    knob: float
    hilum: float
    flesh: float
    rib_gap: float
    bedside: bool


def build_of(scene: Scene) -> Build:
    """The build of the patient of a scene, and the heart as it is planted."""
    rng = scene.patient_rng("build")
    bedside = scene.view == "AP"
    half_width = float(rng.uniform(0.29, 0.335))
    apex = float(rng.uniform(-0.385, -0.335))
    dome = float(rng.uniform(0.175, 0.235)) - (0.035 if bedside else 0.0)
    ratio = float(rng.uniform(0.40, 0.47)) + (0.035 if bedside else 0.0)
    big = scene.plant("cardiomegaly")
    if big:
        ratio = 0.565 + (0.02 if bedside else 0.0) + 0.13 * big.size
    return Build(
        half_width, apex, dome, float(rng.uniform(0.012, 0.035)), ratio, float(rng.uniform(0.45, 0.75)),
        float(rng.uniform(0.026, 0.038)), float(rng.uniform(-0.085, -0.055)), float(rng.uniform(0, 1)),
        float(rng.uniform(0.062, 0.072)), bedside,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lung:
    """One lung on the grid.

    Attributes:
        side: ``right`` or ``left``.
        r: distance from the midline towards this side, negative beyond it.
        height: 0 at the apex, 1 at the dome.
        outer: where the chest wall is, as `r`, for every row.
        below: how far below the diaphragm a pixel is (negative above).
        mask: 1 in the lung field, 0 outside.
    """

    side: str
    r: Field
    height: Field
    outer: Field
    below: Field
    mask: Field


def lung(c: Canvas, b: Build, side: str) -> Lung:
    """The outline of a lung. The part behind the heart belongs to it; the heart is laid over."""
    r = np.float32(SIGN[side]) * c.x
    dome = b.dome + (b.dome_step if side == "left" else 0.0)
    height = (c.y - np.float32(b.apex)) / np.float32(dome - b.apex)
    outer = wall(b, height)
    inner = 0.040 + 0.045 * np.exp(-np.clip(height, 0, None) / 0.10) + 0.02 * above(height, 0.95, 0.3)
    if side == "left":
        inner = inner + b.knob * 1.1 * bump(c.y, -0.165, 0.032) + 0.022 * bump(c.y, -0.095, 0.035)
    else:
        inner = inner + 0.012 * bump(c.y, -0.17, 0.08)
    centre = 0.47 * b.half_width
    across = (r - np.float32(centre)) / np.float32(b.half_width)
    below = c.y - (np.float32(dome) + 0.17 * across**2 + 0.62 * np.clip(across, 0, None) ** 4)
    soft = 0.004
    mask = above(outer - r, 0.0, soft) * above(r - inner, 0.0, 0.006) * above(-below, 0.0, 0.0045)
    return Lung(side, r, height, np.asarray(outer, np.float32), below, np.asarray(mask * (height > 0), np.float32))


def wall(b: Build, height: Field) -> Field:
    """Distance of the inner chest wall from the midline."""
    up = np.clip(1 - height, 0, 1)
    outline = np.clip(1 - up**3.4, 0, 1) ** 0.55 * (0.93 + 0.07 * np.clip(height, 0, 1.3))
    return np.asarray(np.float32(b.half_width) * outline, np.float32)


def heart_box(b: Build) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the heart in patient coordinates."""
    (cx, cy), (rx, ry), tilt = _left_heart(b)
    (ax, ay), (arx, ary) = _right_heart(b)
    wide = float(np.hypot(rx * np.cos(tilt), ry * np.sin(tilt)))
    high = float(np.hypot(rx * np.sin(tilt), ry * np.cos(tilt)))
    return min(ax - arx, cx - wide), min(cy - high, ay - ary), cx + wide, max(cy + high, ay + ary)


def _left_heart(b: Build) -> tuple[Point, Point, float]:
    width = 2 * b.half_width * b.heart_ratio
    reach = 0.70 * width  # left of the midline; the rest is right of it
    tilt = b.heart_tilt
    rx, ry = 0.60 * width, 0.36 * width
    wide = float(np.hypot(rx * np.cos(tilt), ry * np.sin(tilt)))
    return (reach - wide, b.dome + b.dome_step - 0.30 * width), (rx, ry), tilt


def _right_heart(b: Build) -> tuple[Point, Point]:
    width = 2 * b.half_width * b.heart_ratio
    return (0.0, b.dome - 0.28 * width), (0.30 * width, 0.34 * width)


def heart(c: Canvas, b: Build) -> Field:
    """The heart: 1 inside. Its apex points to the patient's left."""
    centre, radii, tilt = _left_heart(b)
    right, right_radii = _right_heart(b)
    waist = ellipse(c, (0.02, b.dome - 0.62 * b.half_width), (0.075, 0.17), turn=-0.12, soft=0.2)
    chambers = np.maximum(ellipse(c, centre, radii, turn=tilt, soft=0.06), ellipse(c, right, right_radii, soft=0.07))
    return np.asarray(np.maximum(chambers, 0.9 * waist))


def mediastinum(c: Canvas, b: Build) -> Field:
    """Great vessels and what lies with them: 1 in the middle, widening into the heart and the neck."""
    half = 0.042 + 0.03 * bump(c.y, b.dome, 0.2)
    band = above(-np.abs(c.x - 0.004), -half, 0.03)
    knob = ellipse(c, (0.045, -0.165), (b.knob, b.knob * 1.15), soft=0.12)
    return np.asarray(np.maximum(band, 0.95 * knob))


def spine(c: Canvas) -> Field:
    """The vertebral column with its discs and pedicles, about 0 to 1."""
    column = above(-np.abs(c.x), -0.036, 0.012)
    discs = 0.65 + 0.35 * np.cos(2 * np.pi * c.y / 0.058)
    pedicles = 0.25 * (bump(np.abs(c.x), 0.022, 0.006) * (0.5 + 0.5 * np.cos(2 * np.pi * (c.y / 0.058 + 0.15))))
    return np.asarray(column * discs + pedicles, np.float32)


def trachea_path(b: Build) -> list[Point]:
    """From the neck to the carina."""
    return curve([(0.0, -0.52), (0.001, -0.36), (-0.006, -0.2), (-0.004, b.hilum - 0.035)])


def carina(b: Build) -> Point:
    """Where the trachea divides."""
    return trachea_path(b)[-1]


def trachea(c: Canvas, b: Build) -> Field:
    """The air column and the main bronchi."""
    air = np.zeros(c.shape, np.float32)
    c.stroke(air, trachea_path(b), 0.014, 1.0)
    x, y = carina(b)
    c.stroke(air, curve([(x, y), (x - 0.03, y + 0.03), (x - 0.065, y + 0.055)]), 0.009, 0.7)
    c.stroke(air, curve([(x, y), (x + 0.04, y + 0.03), (x + 0.085, y + 0.05)]), 0.008, 0.7)
    return air


def ribs(c: Canvas, b: Build, side: str) -> Field:
    """Posterior and anterior arcs of one side, brighter at their edges."""
    r = np.float32(SIGN[side]) * c.x / np.float32(b.half_width)
    gap = np.float32(b.rib_gap)
    inside = above(r, 0.1, 0.06) * above(-r, -1.04, 0.03)
    back = (c.y - np.float32(b.apex + 0.02) + 0.055 * np.clip(r, 0, 1.1) - 0.10 * np.clip(r, 0, 1.1) ** 3) / gap
    reach = above(back, -0.5, 0.3) * above(-back, -9.4, 0.3)
    out = 0.9 * _bands(back) * inside * reach
    front = (c.y - np.float32(b.apex - 0.025) - 0.30 * (1.05 - np.clip(r, 0, 1.05)) ** 1.25) / (1.12 * gap)
    seen = above(r, 0.42, 0.16) * above(-r, -1.04, 0.03) * above(front, 0.5, 0.3) * above(-front, -7.4, 0.3)
    return np.asarray(np.maximum(out, 0) + 0.75 * _bands(front) * seen, np.float32)


def _bands(phase: Field) -> Field:
    """A rib for every whole number: flat in the middle, cortex at both edges."""
    away = np.abs(phase - np.round(phase))
    body = above(-away, -0.19, 0.035)
    return np.asarray(body * (0.6 + 0.4 * bump(away, 0.165, 0.05)), np.float32)


def clavicles(c: Canvas, b: Build) -> Field:
    """Both collar bones; higher in an AP film."""
    out = np.zeros(c.shape, np.float32)
    lift = 0.045 if b.bedside else 0.0
    for sign in SIGN.values():
        path = curve(
            [
                (sign * 0.032, b.apex + 0.105 - lift), (sign * 0.11, b.apex + 0.085 - lift),
                (sign * 0.21, b.apex + 0.045 - lift), (sign * 0.31, b.apex + 0.025 - 0.4 * lift), (sign * 0.40, b.apex - 0.002),
            ]
        )  # fmt: skip
        near = c.distance(path, 0.03)
        out += above(-near, -0.0125, 0.0025) * (0.7 + 0.3 * bump(near, 0.0105, 0.003))
    return out


def scapulae(c: Canvas, b: Build) -> Field:
    """Shoulder blades: beside the lungs in a PA film, over them in an AP film."""
    out = np.zeros(c.shape, np.float32)
    inward = 0.105 if b.bedside else 0.0
    top, low = b.apex + 0.03, b.apex + 0.33
    for sign in SIGN.values():
        inner, tip = b.half_width + 0.02 - inward, b.half_width + 0.05 - inward
        r = np.float32(sign) * c.x
        t = np.clip((c.y - np.float32(top)) / np.float32(low - top), 0, 1)
        near_edge = inner - 0.02 * np.sin(np.pi * t) + (tip - inner) * t**3
        far_edge = near_edge + 0.10 * (1 - t) ** 0.8 + 0.008
        blade = above(r - near_edge, 0.0, 0.003) * above(far_edge - r, 0.0, 0.004)
        blade = blade * above(c.y, top, 0.02) * above(-c.y, -low, 0.006)
        out += blade * (0.55 + 0.45 * bump(r - near_edge, 0.004, 0.006))
    return out


def body(c: Canvas, b: Build) -> Field:
    """The soft outline: neck, shoulders, axillae, flanks; 1 inside, thinner towards the skin."""
    side = np.abs(c.x)
    flank = b.half_width + 0.035 + 0.035 * b.flesh + 0.03 * above(c.y, 0.1, 0.2)
    slope = np.clip((c.y + 0.47) / 0.16, 0, 1)
    shoulder = 0.085 + 0.02 * b.flesh + (0.42 + 0.05 * b.flesh) * np.sqrt(slope)
    axilla = above(c.y, b.apex + 0.27, 0.07)
    edge = np.where(c.y < b.apex + 0.2, shoulder, shoulder * (1 - axilla) + flank * axilla)
    return above(edge - side, 0.02, 0.035)


def air_below(c: Canvas, b: Build, rng: np.random.Generator) -> Field:
    """The stomach bubble under the left hemidiaphragm, and some bowel gas."""
    top = b.dome + b.dome_step
    size = float(rng.uniform(0.03, 0.055))
    bubble = ellipse(c, (float(rng.uniform(0.10, 0.15)), top + 0.028 + size), (size * 1.35, size), soft=0.1)
    gas = np.zeros(c.shape, np.float32)
    for _ in range(int(rng.integers(1, 5))):
        at = (float(rng.uniform(-0.2, 0.25)), top + float(rng.uniform(0.12, 0.25)))
        gas = np.maximum(
            gas, float(rng.uniform(0.2, 0.6)) * ellipse(c, at, (float(rng.uniform(0.02, 0.04)),) * 2, soft=0.3)
        )
    return np.asarray(np.maximum(bubble * float(rng.uniform(0.5, 1.0)), gas))


def vessels(b: Build, side: str, rng: np.random.Generator) -> Iterator[tuple[list[Point], float]]:
    """Lines and widths of the branching vessels of one lung, from the hilum outwards."""
    sign = SIGN[side]
    y = b.hilum - (0.018 if side == "left" else 0.0)
    yield curve([(sign * 0.045, y - 0.03), (sign * 0.065, y), (sign * 0.082, y + 0.07)]), 0.0125
    for angle in np.linspace(-1.3, 1.4, 7) + rng.uniform(-0.13, 0.13, 7):
        root = (
            sign * float(rng.uniform(0.055, 0.075)),
            y + 0.035 * float(np.sin(angle)) + float(rng.uniform(-0.01, 0.01)),
        )
        length = float(rng.uniform(0.08, 0.13)) * (1.25 if angle > 0.3 else 0.9)
        yield from _branch(root, float(angle), length, float(rng.uniform(0.0045, 0.0068)), sign, 3, rng)


def _branch(
    at: Point, angle: float, length: float, width: float, sign: float, depth: int, rng: np.random.Generator
) -> Iterator[tuple[list[Point], float]]:
    bend = float(rng.uniform(-0.3, 0.3))
    mid = (at[0] + sign * np.cos(angle) * length / 2, at[1] + np.sin(angle) * length / 2)
    end = (mid[0] + sign * np.cos(angle + bend) * length / 2, mid[1] + np.sin(angle + bend) * length / 2)
    yield [at, mid, end], width
    if depth:
        for turn in (float(rng.uniform(0.1, 0.65)), float(rng.uniform(-0.65, -0.1))):
            shorter = length * float(rng.uniform(0.5, 0.8))
            yield from _branch(end, angle + bend + turn, shorter, width * 0.62, sign, depth - 1, rng)
