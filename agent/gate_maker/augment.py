"""Pictures as they might come: framed, windowed, collimated, marked, crossed by lines, noisy, turned, inverted, cut.

There is one adult film and one CT to learn from, so that variety has to come from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as f
from numpy.typing import NDArray

from agent.gate_maker.collect import SIDE
from agent.imaging.gate_net import SIDE as SEEN

NO_CHEST = 2
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Batch:
    """`small`: shape (n, 64, 64), uint8. The targets, shape (n,), int64, are -100 where they do not apply."""

    small: NDArray[np.uint8]
    kind: NDArray[np.int64]
    turn: NDArray[np.int64]
    polarity: NDArray[np.int64]
    whole: NDArray[np.int64]


def batch(pictures: Any, kinds: Any, rng: np.random.Generator, *, disturb: bool = True, strength: float = 1.0) -> Batch:
    """Vary pictures, a tensor of shape (n, 128, 128), uint8, of kinds 0 frontal, 1 lateral, 2 no chest.

    Args:
        disturb: also turn, invert and cut.
        strength: 1 is more than films really vary, so that what they do lies well within.
    """
    x, kinds = pictures.float()[:, None] / 255, kinds.clone()
    chest = kinds != NO_CHEST
    whole = torch.where(chest, 0, IGNORED)
    if disturb:
        x, halved, scraps = _cut(x, chest, rng)
        x, drowned = _mixed(x, chest, rng)
        scraps = scraps | drowned & ~halved
        whole[halved], whole[scraps] = 1, IGNORED
        kinds[halved], kinds[scraps] = IGNORED, NO_CHEST
        chest = chest & ~scraps
    x = _written_on(_exposed(_warped(x, chest, rng, strength), rng, strength), rng)
    mirrored = torch.from_numpy(rng.random(len(x)) < 0.5)[:, None, None, None]
    x = torch.where(mirrored, x.flip(3), x)
    turn = polarity = torch.where(chest, 0, IGNORED)
    if disturb:
        x, turn, polarity = _disturbed(x, chest, rng)
    small = (x[:, 0].clamp(0, 1) * 255).round().to(torch.uint8)
    return Batch(*(t.numpy() for t in (small, kinds, turn, polarity, whole)))


def _cut(x: Any, chest: Any, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Some chests lose more than a third of their height or width; of others only a scrap is left, or the parts are
    shuffled: those are no chests any more."""
    n = len(x)
    drawn = torch.from_numpy(rng.random(n))
    halved = chest & (drawn < 0.1)
    scraps = chest & (drawn >= 0.1) & (drawn < 0.17)
    out = x.clone()
    for k in torch.nonzero(halved | scraps)[:, 0].tolist():
        if halved[k]:
            keep = float(rng.uniform(0.35, 0.58))
            size = [SIDE, SIDE]
            axis = int(rng.integers(2))
            size[axis] = int(keep * SIDE)
            corner = [0 if size[a] == SIDE else int(rng.choice([0, SIDE - size[a]])) for a in (0, 1)]
        elif rng.random() < 0.5:
            out[k, 0] = _shuffled(x[k, 0], rng)
            continue
        else:
            size = [int(s * SIDE) for s in rng.uniform(0.15, 0.33, 2)]
            corner = [int(rng.integers(0, SIDE - s)) for s in size]
        part = x[k : k + 1, :, corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
        out[k] = f.interpolate(part, (SIDE, SIDE), mode="bilinear")[0]
    return out, halved, scraps


def _mixed(x: Any, chest: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Many of what is no chest are put through or beside one another; a few chests are drowned in something else."""
    others = torch.nonzero(~chest)[:, 0].numpy()
    out, drowned = x.clone(), torch.zeros(len(x), dtype=torch.bool)
    for k in range(len(x)):
        if not len(others) or rng.random() > (0.05 if chest[k] else 0.35):
            continue
        other = x[int(rng.choice(others)), 0]
        way = 0 if chest[k] else int(rng.integers(3))
        if way == 0:
            share = float(rng.uniform(0.72, 0.9) if chest[k] else rng.uniform(0.2, 0.8))
            out[k, 0] = (1 - share) * x[k, 0] + share * other
        elif way == 1:
            out[k, 0] = x[k, 0] * other
        else:
            edge = int(rng.uniform(0.2, 0.8) * SIDE)
            out[k, 0, edge:] = other[edge:]
            if rng.random() < 0.5:
                out[k, 0] = out[k, 0].T.clone()
        drowned[k] = bool(chest[k])
    return out, drowned


def _shuffled(picture: Any, rng: np.random.Generator) -> Any:
    parts = int(rng.integers(2, 5))
    step = SIDE // parts
    tiles = [picture[r * step : (r + 1) * step, c * step : (c + 1) * step] for r in range(parts) for c in range(parts)]
    order = rng.permutation(len(tiles))
    rows = [torch.cat([tiles[order[r * parts + c]] for c in range(parts)], 1) for r in range(parts)]
    return f.interpolate(torch.cat(rows, 0)[None, None], (SIDE, SIDE), mode="bilinear")[0, 0]


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> Any:
    return torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32))


def _warped(x: Any, chest: Any, rng: np.random.Generator, strength: float) -> Any:
    """Placed, scaled, sheared, bent; what comes from outside is dark, bright or drawn out."""
    n = len(x)
    free = (~chest).float()
    angle = torch.from_numpy(rng.normal(0, 0.1 * strength, n).astype(np.float32)) * (1 + 5 * free)
    zoom = torch.exp(strength * _uniform(rng, -0.28, 0.2, n) + free * _uniform(rng, -0.1, 0.7, n))
    aspect = torch.exp(strength * _uniform(rng, -0.17, 0.17, n))
    c, s = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    shear, across, down = (strength * _uniform(rng, -r, r, n) for r in (0.08, 0.13, 0.13))
    theta = torch.stack([
        torch.stack([c * aspect, -s + shear, across], 1),
        torch.stack([s, c / aspect, down], 1),
    ], 1)  # fmt: skip
    grid = f.affine_grid(theta, [n, 1, SEEN, SEEN], align_corners=False)
    bend = torch.from_numpy(rng.normal(0, 0.045 * strength, (n, 2, 5, 5)).astype(np.float32))
    grid = grid + f.interpolate(bend, (SEEN, SEEN), mode="bicubic").permute(0, 2, 3, 1)
    edge = f.grid_sample(x, grid, padding_mode="border", align_corners=False)
    inside = (grid.abs() <= 1).all(3)[:, None].float()
    fill = torch.from_numpy(rng.choice([0.0, 0.0, 1.0, 0.1], n).astype(np.float32))[:, None, None, None]
    drawn_out = torch.from_numpy(rng.random(n) < 0.5)[:, None, None, None]
    return torch.where(drawn_out, edge, inside * edge + (1 - inside) * fill)


def _exposed(x: Any, rng: np.random.Generator, strength: float) -> Any:
    """Gamma, window, local contrast, blur, noise."""
    n = len(x)
    shape = (n, 1, 1, 1)
    x = x.clamp(0, 1) ** torch.exp(torch.from_numpy(rng.normal(0, 0.4 * strength, shape).astype(np.float32)))
    blurred = f.avg_pool2d(f.avg_pool2d(f.pad(x, (6,) * 4, mode="replicate"), (1, 13), 1), (13, 1), 1)
    x = (x - strength * _uniform(rng, -0.1, 0.75, *shape) * (blurred - 0.5)).clamp(0, 1)
    low = strength * _uniform(rng, -0.15, 0.2, *shape)
    width = 1 + strength * _uniform(rng, -0.4, 0.2, *shape)
    x = ((x - low) / width).clamp(0, 1)
    soft = f.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    x = torch.where(torch.from_numpy(rng.random(shape) < 0.3), soft, x)
    noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
    return x + noise * strength * _uniform(rng, 0, 0.06, *shape)


def _written_on(x: Any, rng: np.random.Generator) -> Any:
    """Collimated edges, lead letters and labels, tubes and electrodes; drawn into `x`."""
    for picture in x[:, 0]:
        if rng.random() < 0.25:
            _collimate(picture, rng)
        if rng.random() < 0.6:
            for _ in range(int(rng.integers(0, 4))):
                _mark(picture, rng)
        if rng.random() < 0.3:
            for _ in range(int(rng.integers(0, 3))):
                _line(picture, rng)
    return x


def _collimate(picture: Any, rng: np.random.Generator) -> None:
    top, low, left, right = (int(v) for v in rng.uniform(0, 0.11, 4) * SEEN)
    fill = float(rng.choice([0, 0, 0.05, 1]))
    picture[:top], picture[SEEN - low :], picture[:, :left], picture[:, SEEN - right :] = fill, fill, fill, fill


def _mark(picture: Any, rng: np.random.Generator) -> None:
    row = int(rng.integers(0, SEEN - 6))
    column = int(rng.choice([rng.integers(0, 15), rng.integers(SEEN - 20, SEEN - 3)]))
    letters = rng.random((int(rng.integers(1, 6)), int(rng.integers(1, 11)))) < 0.6
    there = picture[row : row + letters.shape[0], column : column + letters.shape[1]]
    lead = float(rng.uniform(0.7, 1)) * torch.from_numpy(letters.astype(np.float32))
    there[:] = torch.maximum(there, lead[: there.shape[0], : there.shape[1]])


def _line(picture: Any, rng: np.random.Generator) -> None:
    """A cubic curve."""
    t = np.linspace(0, 1, 120)[:, None]
    a, b, c, d = rng.uniform(-10, SEEN + 10, (4, 1, 2))
    path = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
    rows, columns = np.clip(path.round().astype(int), 0, SEEN - 1).T
    picture[rows, columns] = float(rng.uniform(0.6, 1))


def _disturbed(x: Any, chest: Any, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Turned by quarter turns, and black for white. Of what is no chest the same is done, to no purpose."""
    n = len(x)
    turn = torch.from_numpy(rng.choice(4, n, p=[0.58, 0.13, 0.16, 0.13]))
    for k in (1, 2, 3):
        chosen = turn == k
        x[chosen] = torch.rot90(x[chosen], k, (2, 3))
    negative = torch.from_numpy(rng.random(n) < 0.2)
    x = torch.where(negative[:, None, None, None], 1 - x, x)
    return x, torch.where(chest, turn, IGNORED), torch.where(chest, negative.long(), IGNORED)
