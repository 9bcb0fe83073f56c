"""Pictures that are no upright chest film: what the model must decline to read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agent.commissioning.canvas import Field, above, bump, canvas, curve, ellipse, texture
from agent.commissioning.phantom import draw, random_scene


def unlike(rng: np.random.Generator, rows: int, columns: int) -> Field:
    """A picture of some other thing, shape (rows, columns), float32, 0 to 1."""
    make = _MAKERS[int(rng.integers(len(_MAKERS)))]
    picture = make(rng, rows, columns)
    picture = picture + rng.normal(0, float(rng.uniform(0, 0.03)), picture.shape)
    return np.clip(picture, 0, 1).astype(np.float32)


def disturbed(rng: np.random.Generator, upright: Field) -> Field:
    """An upright chest film made into one that must not be read: black for white, on its head, or on its side."""
    turned = upright.T if upright.shape[0] == upright.shape[1] else upright[::-1]
    return np.ascontiguousarray((1 - upright, upright[::-1], 1 - upright[::-1], turned)[int(rng.integers(4))])


def _chest_turned(rng: np.random.Generator, rows: int, columns: int) -> Field:
    view = "LL" if rng.random() < 0.25 else None
    if rng.random() < 0.3:
        on_its_side = draw(random_scene(rng, view=view), columns, rows).density
        return np.ascontiguousarray(on_its_side.T[::-1] if rng.random() < 0.5 else on_its_side.T)
    return disturbed(rng, draw(random_scene(rng, view=view), rows, columns).density)


def _noise(rng: np.random.Generator, rows: int, columns: int) -> Field:
    c = canvas(rows, columns)
    field = texture(
        c, rng, cells=int(rng.integers(2, 40)), octaves=int(rng.integers(1, 5)), persistence=float(rng.uniform(0.4, 1))
    )
    if rng.random() < 0.15:
        field = rng.standard_normal((rows, columns)).astype(np.float32)
    return np.asarray(0.5 + float(rng.uniform(0.05, 0.35)) * field, np.float32)


def _flat(rng: np.random.Generator, rows: int, columns: int) -> Field:
    """Nothing, or a slope, or a step wedge."""
    c = canvas(rows, columns)
    angle = float(rng.uniform(0, 2 * np.pi))
    slope = (c.x * np.float32(np.cos(angle)) + c.y * np.float32(np.sin(angle))) * float(
        rng.choice([0.0, rng.uniform(0, 2)])
    )
    if rng.random() < 0.4:
        slope = np.round(slope * 8) / 8
    return np.asarray(float(rng.uniform(0, 1)) + slope, np.float32)


def _long_bone(rng: np.random.Generator, rows: int, columns: int) -> Field:
    """A limb: flesh around one or two shafts with cortex, and a joint."""
    c = canvas(rows, columns, turn=float(rng.normal(0, 0.25)), zoom=float(rng.uniform(0.8, 1.6)))
    out = 0.35 * above(-np.abs(c.x), -float(rng.uniform(0.14, 0.3)), 0.05)
    joint = float(rng.uniform(-0.5, 0.5))
    for at in (0.0,) if rng.random() < 0.4 else (-0.05, 0.07):
        off = np.abs(c.x - at - 0.02 * np.sin(4 * c.y))
        half = float(rng.uniform(0.025, 0.045)) + 0.05 * bump(c.y, joint, 0.12)
        shaft = above(half - off, 0.0, 0.004)
        out = out + shaft * (0.22 + 0.25 * bump(off - half, -0.008, 0.008)) * (1 - bump(c.y, joint, 0.012))
    return np.asarray(0.03 + out + 0.02 * texture(c, rng, cells=60), np.float32)


def _hand(rng: np.random.Generator, rows: int, columns: int) -> Field:
    c = canvas(rows, columns, turn=float(rng.normal(0, 0.3)), zoom=float(rng.uniform(0.8, 1.3)))
    flesh, bone = np.zeros(c.shape, np.float32), np.zeros(c.shape, np.float32)
    palm = ellipse(c, (0, 0.15), (0.19, 0.2), soft=0.1)
    for n, angle in enumerate(np.linspace(-0.5, 0.45, 5)):
        length = (0.28, 0.36, 0.4, 0.37, 0.29)[n]
        base = (0.13 * np.sin(2 * angle), 0.1)
        tip = (base[0] + length * np.sin(angle), base[1] - length * np.cos(angle))
        c.stroke(flesh, [(base[0], 0.2), base, tip], 0.035, 0.8)
        for a, b in ((0.0, 0.36), (0.4, 0.68), (0.72, 0.95)):
            p, q = ((base[0] + t * (tip[0] - base[0]), base[1] + t * (tip[1] - base[1])) for t in (a, b))
            c.stroke(bone, [p, q], 0.016, 1.0)
        c.stroke(bone, [(base[0] * 0.6, 0.28), (base[0], 0.12)], 0.016, 1.0)
    flesh = np.maximum(flesh, palm)
    return np.asarray(0.04 + 0.35 * flesh + 0.4 * bone * np.maximum(flesh, 0.5), np.float32)


def _skull(rng: np.random.Generator, rows: int, columns: int) -> Field:
    c = canvas(rows, columns, zoom=float(rng.uniform(0.8, 1.3)))
    outer, inner = ellipse(c, (0, -0.05), (0.3, 0.38), soft=0.03), ellipse(c, (0, -0.05), (0.275, 0.352), soft=0.03)
    out = 0.55 * outer - 0.12 * inner + 0.25 * ellipse(c, (0, 0.27), (0.16, 0.17), soft=0.1)
    for x in (-0.11, 0.11):
        out = out - 0.22 * ellipse(c, (x, 0.06), (0.065, 0.055), soft=0.1) * (rng.random() < 0.8)
    return np.asarray(out + 0.05 + 0.03 * texture(c, rng, cells=20, octaves=3), np.float32)


def _abdomen(rng: np.random.Generator, rows: int, columns: int) -> Field:
    """Spine, pelvis and bowel gas."""
    c = canvas(rows, columns, zoom=float(rng.uniform(0.9, 1.2)))
    out = 0.5 * above(-np.abs(c.x), -0.34, 0.05)
    out = out + 0.2 * above(-np.abs(c.x), -0.04, 0.01) * (0.7 + 0.3 * np.cos(2 * np.pi * c.y / 0.075))
    for sign in (-1, 1):
        out = out + 0.18 * ellipse(c, (sign * 0.19, 0.27), (0.13, 0.15), turn=sign * 0.5, soft=0.08)
        out = out - 0.12 * ellipse(c, (sign * 0.08, 0.42), (0.05, 0.05), soft=0.1)
    for _ in range(int(rng.integers(4, 16))):
        at = (float(rng.uniform(-0.26, 0.26)), float(rng.uniform(-0.45, 0.25)))
        out = out - float(rng.uniform(0.05, 0.2)) * ellipse(c, at, tuple(rng.uniform(0.02, 0.07, 2)), soft=0.2)
    return np.asarray(out + 0.03 * texture(c, rng, cells=30, octaves=3), np.float32)


def _page(rng: np.random.Generator, rows: int, columns: int) -> Field:
    """A page of writing, black on white or white on black."""
    out = np.zeros((rows, columns), np.float32)
    line = max(3, int(rows * float(rng.uniform(0.015, 0.04))))
    for top in range(line, rows - line, 2 * line):
        at, end = int(columns * 0.08), int(columns * float(rng.uniform(0.3, 0.95)))
        while at < end:
            word = int(line * float(rng.uniform(0.5, 4)))
            marks = rng.random((line, min(word, columns - at))) < 0.45
            out[top : top + line, at : at + word] = marks
            at += word + line // 2
    return np.asarray(1 - out if rng.random() < 0.7 else out, np.float32)


def _shapes(rng: np.random.Generator, rows: int, columns: int) -> Field:
    """Blobs, discs, lines and chequers: any photograph, more or less."""
    c = canvas(rows, columns)
    out = np.full(c.shape, float(rng.uniform(0, 1)), np.float32)
    for _ in range(int(rng.integers(2, 14))):
        at = (float(rng.uniform(-0.45, 0.45)), float(rng.uniform(-0.5, 0.5)))
        kind, value = int(rng.choice(3, p=[0.5, 0.42, 0.08])), float(rng.uniform(-0.6, 0.6))
        if kind == 0:
            out += value * ellipse(
                c,
                at,
                tuple(rng.uniform(0.03, 0.4, 2)),
                turn=float(rng.uniform(0, 3)),
                soft=float(rng.uniform(0.02, 0.5)),
            )
        elif kind == 1:
            line = np.zeros(c.shape, np.float32)
            c.stroke(
                line,
                curve([at, *(tuple(p) for p in rng.uniform(-0.5, 0.5, (3, 2)))]),
                float(rng.uniform(0.003, 0.05)),
                1.0,
            )
            out += value * line
        else:
            step = float(rng.uniform(0.02, 0.2))
            out += 0.5 * value * ((np.floor(c.x / step) + np.floor(c.y / step)) % 2)
    return np.asarray(out + 0.1 * texture(c, rng, cells=12, octaves=3), np.float32)


def _drowned(rng: np.random.Generator, rows: int, columns: int) -> Field:
    """A chest under so much of something else that it can no longer be read."""
    share = float(rng.uniform(0.6, 0.85))
    other = _noise(rng, rows, columns) if rng.random() < 0.5 else _shapes(rng, rows, columns)
    return np.asarray((1 - share) * draw(random_scene(rng), rows, columns).density + share * other, np.float32)


_Maker = Callable[[np.random.Generator, int, int], Field]
_MAKERS: tuple[_Maker, ...] = (
    _chest_turned, _chest_turned, _chest_turned, _noise, _flat, _long_bone, _long_bone, _hand, _skull, _abdomen, _page,
    _shapes, _shapes, _drowned,
)  # fmt: skip
