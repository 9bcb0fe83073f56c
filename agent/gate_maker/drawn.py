"""Drawn pictures of what is no chest: limbs, joints, hands, feet, pelves, heads, spines, teeth, test patterns, pages,
textures. Crude, and in great variety: they teach the network what a chest is not, not what a knee is."""

from __future__ import annotations

import math
import string
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Gray = NDArray[np.uint8]
_Rng = np.random.Generator
_SIDE = 192


def drawn(rng: _Rng, kind: str) -> Gray:
    """A picture of that kind (one of `DRAWN`), shape (192, 192), uint8."""
    picture = _MAKERS[kind](rng)
    noisy = np.asarray(picture, np.float32) + rng.normal(0, float(rng.uniform(0, 9)), (_SIDE, _SIDE))
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


class _Layer:
    """A drawing in unit coordinates (-0.5 to 0.5), turned and scaled, that adds to what lies below."""

    def __init__(self, rng: _Rng, *, turn: float = 0.4, background: float = 8) -> None:
        self.sum = np.full((_SIDE, _SIDE), background, np.float32)
        self._angle, self._zoom = float(rng.normal(0, turn)), float(rng.uniform(0.75, 1.6))
        self._shift = rng.uniform(-0.15, 0.15, 2)

    def _at(self, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        c, s = math.cos(self._angle), math.sin(self._angle)
        dx, dy = self._shift
        return [
            (_SIDE * (0.5 + dx + self._zoom * (c * x - s * y)), _SIDE * (0.5 + dy + self._zoom * (s * x + c * y)))
            for x, y in points
        ]

    def _add(self, mask: Image.Image, value: float, soft: float) -> None:
        if soft > 0:
            mask = mask.filter(ImageFilter.GaussianBlur(soft * _SIDE))
        self.sum += value / 255 * np.asarray(mask, np.float32)

    def shape(self, points: list[tuple[float, float]], value: float, soft: float = 0.004) -> None:
        mask = Image.new("L", (_SIDE, _SIDE))
        ImageDraw.Draw(mask).polygon(self._at(points), fill=255)
        self._add(mask, value, soft)

    def oval(self, at: tuple[float, float], size: tuple[float, float], value: float, soft: float = 0.004) -> None:
        steps = [2 * math.pi * k / 40 for k in range(40)]
        self.shape([(at[0] + size[0] * math.cos(t), at[1] + size[1] * math.sin(t)) for t in steps], value, soft)

    def line(self, points: list[tuple[float, float]], width: float, value: float, soft: float = 0.003) -> None:
        mask = Image.new("L", (_SIDE, _SIDE))
        placed = self._at(points)
        thick = max(1, round(width * self._zoom * _SIDE))
        canvas = ImageDraw.Draw(mask)
        canvas.line(placed, fill=255, width=thick, joint="curve")
        for x, y in (placed[0], placed[-1]):
            canvas.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=255)
        self._add(mask, value, soft)

    def bone(self, points: list[tuple[float, float]], width: float, value: float) -> None:
        """A long bone: the cortex is brighter than the marrow, the ends are wider."""
        self.line(points, width, value)
        self.line(points, width * 0.55, -0.45 * value)
        for x, y in (points[0], points[-1]):
            self.oval((x, y), (width * 0.8, width * 0.6), 0.5 * value)


def _limb(rng: _Rng) -> NDArray[np.float32]:
    layer = _Layer(rng)
    half, taper = float(rng.uniform(0.09, 0.24)), float(rng.uniform(-0.06, 0.06))
    layer.shape(
        [(-half, -0.9), (half, -0.9), (half + taper, 0.9), (-half - taper, 0.9)], float(rng.uniform(30, 110)), 0.02
    )
    joint = float(rng.uniform(-0.35, 0.35)) if rng.random() < 0.7 else 2.0
    for at in (0.0,) if rng.random() < 0.4 else (-0.06, 0.07):
        width, value = float(rng.uniform(0.04, 0.09)), float(rng.uniform(60, 130))
        layer.bone([(at, -0.9), (at, joint - 0.03)], width, value)
        layer.bone([(at, joint + 0.03), (at + float(rng.normal(0, 0.04)), 0.95)], width, value)
    return _exposed(layer.sum, rng)


def _digits(rng: _Rng, *, long: bool) -> NDArray[np.float32]:
    layer = _Layer(rng, turn=1.5)
    flesh, bone = float(rng.uniform(25, 80)), float(rng.uniform(70, 140))
    layer.oval((0, 0.2), (0.19, 0.24 if long else 0.33), flesh, 0.02)
    for n, angle in enumerate(np.linspace(-0.5, 0.5, 5) * float(rng.uniform(0.5, 1.2))):
        reach = (0.3, 0.4, 0.43, 0.4, 0.3)[n] * (1.0 if long else 0.6)
        base = (0.26 * math.sin(angle), 0.08)
        tip = (base[0] + reach * math.sin(angle), base[1] - reach * math.cos(angle))
        layer.line([base, tip], 0.07, flesh, 0.01)
        layer.bone([(base[0] * 0.6, 0.3), base], 0.03, bone)
        for a, b in ((0.05, 0.42), (0.47, 0.72), (0.77, 0.95)):
            p, q = ((base[0] + t * (tip[0] - base[0]), base[1] + t * (tip[1] - base[1])) for t in (a, b))
            layer.bone([p, q], 0.028, bone)
    for _ in range(8):
        layer.oval((float(rng.uniform(-0.13, 0.13)), float(rng.uniform(0.3, 0.45))), (0.04, 0.035), bone * 0.6)
    return _exposed(layer.sum, rng)


def _pelvis(rng: _Rng) -> NDArray[np.float32]:
    layer = _Layer(rng, turn=0.1)
    layer.shape([(-0.42, -0.9), (0.42, -0.9), (0.48, 0.9), (-0.48, 0.9)], float(rng.uniform(60, 120)), 0.03)
    _vertebrae(layer, rng, -0.6, -0.05)
    value = float(rng.uniform(50, 90))
    for s in (-1, 1):
        layer.oval((s * 0.22, -0.05), (0.17, 0.16), value, 0.01)
        layer.oval((s * 0.1, 0.25), (0.07, 0.08), value, 0.01)
        layer.oval((s * 0.11, 0.26), (0.04, 0.05), -value, 0.01)
        layer.oval((s * 0.3, 0.2), (0.07, 0.07), value)
        layer.bone([(s * 0.33, 0.24), (s * 0.36, 0.8)], 0.08, value)
    _gas(layer, rng, (-0.25, 0.25), (-0.5, 0.1))
    return _exposed(layer.sum, rng)


def _abdomen(rng: _Rng) -> NDArray[np.float32]:
    layer = _Layer(rng, turn=0.08)
    layer.shape([(-0.42, -0.9), (0.42, -0.9), (0.45, 0.9), (-0.45, 0.9)], float(rng.uniform(90, 150)), 0.03)
    _vertebrae(layer, rng, -0.7, 0.7)
    layer.oval((-0.25, -0.35), (0.22, 0.2), 25, 0.04)
    for s in (-1, 1):
        layer.line([(s * 0.04, -0.4), (s * 0.17, 0.3)], 0.07, 18, 0.02)
        if rng.random() < 0.6:
            layer.oval((s * 0.3, 0.5), (0.16, 0.15), 50, 0.01)
    _gas(layer, rng, (-0.35, 0.35), (-0.45, 0.45))
    return _exposed(layer.sum, rng)


def _vertebrae(layer: _Layer, rng: _Rng, first: float, last: float) -> None:
    step, half, value = float(rng.uniform(0.07, 0.12)), float(rng.uniform(0.04, 0.08)), float(rng.uniform(30, 80))
    y = first
    while y < last:
        layer.shape([(-half, y), (half, y), (half * 0.9, y + 0.8 * step), (-half * 0.9, y + 0.8 * step)], value)
        layer.oval((0, y + 0.4 * step), (0.01, 0.02), value * 0.6)
        y += step


def _gas(layer: _Layer, rng: _Rng, xs: tuple[float, float], ys: tuple[float, float]) -> None:
    for _ in range(int(rng.integers(2, 18))):
        size = rng.uniform(0.02, 0.09, 2)
        at = (float(rng.uniform(*xs)), float(rng.uniform(*ys)))
        layer.oval(at, (float(size[0]), float(size[1])), -float(rng.uniform(15, 60)), 0.01)


def _spine(rng: _Rng) -> NDArray[np.float32]:
    layer = _Layer(rng, turn=0.15, background=float(rng.uniform(10, 90)))
    layer.shape([(-0.3, -0.9), (0.3, -0.9), (0.3, 0.9), (-0.3, 0.9)], float(rng.uniform(20, 90)), 0.08)
    _vertebrae(layer, rng, -0.8, 0.8)
    return _exposed(layer.sum, rng)


def _head(rng: _Rng) -> NDArray[np.float32]:
    layer = _Layer(rng, turn=0.3)
    wide = float(rng.uniform(0.24, 0.38))
    layer.oval((0, -0.05), (wide, 0.36), float(rng.uniform(110, 190)), 0.005)
    layer.oval((0, -0.05), (wide - 0.03, 0.33), -float(rng.uniform(30, 80)), 0.005)
    for x in (-0.1, 0.1) if rng.random() < 0.6 else (0.18,):
        layer.oval((x, 0.05), (0.065, 0.05), -float(rng.uniform(20, 60)))
    layer.oval((float(rng.uniform(0, 0.15)), 0.28), (0.15, 0.14), 60, 0.02)
    for k in range(8):
        layer.shape([(-0.1 + 0.025 * k, 0.28), (-0.08 + 0.025 * k, 0.28), (-0.085 + 0.025 * k, 0.34)], 50)
    return _exposed(layer.sum, rng)


def _teeth(rng: _Rng) -> NDArray[np.float32]:
    layer = _Layer(rng, turn=0.1, background=60)
    for row, bend in ((-0.06, 0.25), (0.1, 0.3)):
        for k in range(-8, 9):
            x, y = 0.055 * k, row - bend * (0.055 * k) ** 2 * 2
            layer.shape(
                [
                    (x - 0.02, y),
                    (x + 0.02, y),
                    (x + 0.01, y + 0.12 * (1 if row > 0 else -1)),
                    (x - 0.01, y + 0.1 * (1 if row > 0 else -1)),
                ],
                110,
            )
    layer.line([(-0.48, -0.2), (-0.4, 0.25), (0, 0.36), (0.4, 0.25), (0.48, -0.2)], 0.08, 40, 0.02)
    return _exposed(layer.sum, rng)


def _breast(rng: _Rng) -> NDArray[np.float32]:
    layer = _Layer(rng, turn=0.05)
    layer.oval((-0.6, 0.0), (float(rng.uniform(0.4, 0.8)), 0.42), float(rng.uniform(60, 130)), 0.02)
    for _ in range(12):
        at = (float(rng.uniform(-0.5, 0.0)), float(rng.uniform(-0.25, 0.25)))
        layer.oval(
            at, (float(rng.uniform(0.02, 0.15)), float(rng.uniform(0.01, 0.08))), float(rng.uniform(10, 50)), 0.02
        )
    return _exposed(layer.sum, rng)


def _exposed(density: NDArray[np.float32], rng: _Rng) -> NDArray[np.float32]:
    """With texture; sometimes collimated, on black or on white; sometimes inverted."""
    out = density + float(rng.uniform(0, 14)) * _clouds(rng, int(rng.integers(8, 60)))
    if rng.random() < 0.35:
        lo, hi = rng.uniform(0, 0.25, 2), 1 - rng.uniform(0, 0.25, 2)
        keep = np.zeros_like(out, bool)
        keep[int(lo[0] * _SIDE) : int(hi[0] * _SIDE), int(lo[1] * _SIDE) : int(hi[1] * _SIDE)] = True
        out = np.where(keep, out, float(rng.choice([0, 255, 20])))
    out = np.clip(out, 0, 255)
    return np.asarray(255 - out if rng.random() < 0.15 else out, np.float32)


def _clouds(rng: _Rng, cells: int) -> NDArray[np.float32]:
    small = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(small.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), np.float32)


def _texture(rng: _Rng) -> NDArray[np.float32]:
    out = np.zeros((_SIDE, _SIDE), np.float32)
    falls = float(rng.uniform(0.3, 1.0))
    first = int(rng.integers(2, 12))
    for octave in range(int(rng.integers(1, 6))):
        out += falls**octave * _clouds(rng, min(_SIDE, first * 2**octave))
    if rng.random() < 0.3:  # streaks
        out = np.repeat(out[:, :1], _SIDE, 1) + 0.3 * out
        out = out.T if rng.random() < 0.5 else out
    return np.asarray(128 + float(rng.uniform(15, 90)) * out / max(float(out.std()), 1e-6), np.float32)


def _slope(rng: _Rng) -> NDArray[np.float32]:
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    angle = float(rng.uniform(0, 2 * np.pi))
    out = np.cos(angle) * x + np.sin(angle) * y if rng.random() < 0.6 else np.hypot(x - rng.normal(0, 0.3), y)
    if rng.random() < 0.4:
        out = np.round(out * 5) / 5
    return np.asarray(float(rng.uniform(30, 220)) + float(rng.uniform(-120, 120)) * out, np.float32)


def _pattern(rng: _Rng) -> NDArray[np.float32]:
    """Bars, chequers, rings, discs: what physicists expose."""
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    step = float(rng.uniform(0.04, 0.6))
    wave = (np.floor(x / step), np.floor(x / step) + np.floor(y / step), np.floor(np.hypot(x, y) / step),
            np.floor(np.arctan2(y, x) / step))[int(rng.integers(4))]  # fmt: skip
    out = 128 + float(rng.uniform(-110, 110)) * (2 * (wave % 2) - 1)
    picture = Image.fromarray(np.clip(out, 0, 255).astype(np.uint8)).rotate(float(rng.uniform(-40, 40)))
    canvas = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(0, 12))):
        cx, cy, r = *rng.uniform(0, _SIDE, 2), float(rng.uniform(3, 40))
        canvas.ellipse((cx - r, cy - r, cx + r, cy + r), fill=int(rng.integers(256)))
    return np.asarray(picture, np.float32)


def _page(rng: _Rng) -> NDArray[np.float32]:
    """Writing, forms, screens."""
    picture = Image.new("L", (_SIDE, _SIDE), 255)
    canvas = ImageDraw.Draw(picture)
    letters = list(string.ascii_letters + string.digits + "    .,:-")
    size = float(rng.uniform(6, 30))
    font = ImageFont.load_default(size)
    y, margin = float(rng.uniform(0, 30)), float(rng.uniform(2, 30))
    while y < _SIDE - size:
        if rng.random() < 0.85:
            text = "".join(rng.choice(letters, int(rng.integers(3, 60))))
            canvas.text((margin, y), text, fill=int(rng.integers(0, 90)), font=font)
        y += size * float(rng.uniform(1.1, 1.8))
    for _ in range(int(rng.integers(0, 4))):
        a, b = np.sort(rng.uniform(0, _SIDE, (2, 2)), 0)
        canvas.rectangle((*a, *b), outline=60)
    out = np.asarray(picture, np.float32)
    return 255 - out if rng.random() < 0.4 else out


def _shapes(rng: _Rng) -> NDArray[np.float32]:
    layer = _Layer(rng, background=float(rng.uniform(0, 200)))
    for _ in range(int(rng.integers(2, 20))):
        at = (float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.5, 0.5)))
        value, soft = float(rng.uniform(-120, 120)), float(rng.uniform(0, 0.05))
        if rng.random() < 0.6:
            layer.oval(at, (float(rng.uniform(0.02, 0.35)), float(rng.uniform(0.02, 0.35))), value, soft)
        else:
            layer.line(
                [at, (float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.5, 0.5)))],
                float(rng.uniform(0.01, 0.15)),
                value,
                soft,
            )
    return np.asarray(np.clip(layer.sum + 10 * _clouds(rng, 20), 0, 255), np.float32)


_MAKERS: dict[str, Callable[[_Rng], NDArray[np.float32]]] = {
    "limb": _limb, "hand": lambda rng: _digits(rng, long=True), "foot": lambda rng: _digits(rng, long=False),
    "pelvis": _pelvis, "abdomen": _abdomen, "spine": _spine, "head": _head, "teeth": _teeth, "breast": _breast,
    "texture": _texture, "slope": _slope, "pattern": _pattern, "page": _page, "shapes": _shapes,
}  # fmt: skip
DRAWN = tuple(_MAKERS)
