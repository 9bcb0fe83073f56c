"""Films in batches: the cache in memory, with contrast, brightness and noise varied; never a flip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agent.commissioning.corpus import Film, Pixels, Study, pediatric_films, read_shard
from agent.commissioning.unlike import disturbed

Grays = NDArray[np.float32]


@dataclass(frozen=True)
class Library:
    """Everything to train on. `by_size` has every film of a phantom study or of what is none, by (rows, columns)."""

    studies: list[Study]
    pediatric: list[Film]
    by_size: dict[tuple[int, int], list[Film]]


def load_library(work: Path, pediatric: Path | None, *, shards: int | None = None) -> Library:
    """Read the shards that are there, and the training side of the pediatric films."""
    paths = sorted(work.glob("studies-*.npz"))
    paths = [p for p in paths if not p.name.endswith(".part.npz")][:shards]
    studies = [study for path in paths for study in read_shard(path)]
    by_size: dict[tuple[int, int], list[Film]] = {}
    for study in studies:
        for film in (study.current, study.lateral, study.prior):
            if film is not None:
                by_size.setdefault((film.pixels.shape[0], film.pixels.shape[1]), []).append(film)
    children = list(pediatric_films(pediatric, held_out=False)) if pediatric else []
    return Library(studies, children, by_size)


def varied(pixels: Pixels, rng: np.random.Generator) -> Grays:
    """Another exposure of the same film: 0 to 1."""
    low, high = float(rng.uniform(-0.12, 0.12)), float(rng.uniform(0.85, 1.12))
    gray = np.clip((pixels.astype(np.float32) / 255 - low) / (high - low), 0, 1) ** np.float32(
        np.exp(rng.uniform(-0.35, 0.35))
    )
    gray += float(rng.uniform(0, 0.02)) * rng.standard_normal(gray.shape, dtype=np.float32)
    return np.clip(gray, 0, 1)


def moved(pixels: Pixels, size: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """A real film, slightly turned, shifted and enlarged, at another size (rows, columns)."""
    rows, columns = size
    turn, zoom = float(rng.normal(0, 0.06)), float(np.exp(rng.uniform(-0.16, 0.05)))
    stretch = float(np.exp(rng.normal(0, 0.06)))
    high, wide = pixels.shape
    a, b = zoom * stretch * np.cos(turn) * wide / columns, -zoom * np.sin(turn) * wide / columns
    d, e = zoom * np.sin(turn) * high / rows, zoom / stretch * np.cos(turn) * high / rows
    cx, cy = wide * (0.5 + rng.uniform(-0.05, 0.05)), high * (0.5 + rng.uniform(-0.05, 0.05))
    data = (a, b, cx - a * columns / 2 - b * rows / 2, d, e, cy - d * columns / 2 - e * rows / 2)
    image = Image.fromarray(pixels).transform((columns, rows), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return np.asarray(image)


def child(library: Library, size: tuple[int, int], rng: np.random.Generator) -> Film:
    """A pediatric film at some size, as often normal as not; now and then one that must not be read."""
    wanted = rng.random() < 0.5
    while True:
        film = library.pediatric[int(rng.integers(len(library.pediatric)))]
        if film.pneumonia == wanted:
            break
    shown = moved(film.pixels, size, rng)
    if rng.random() < 0.1:
        bad = disturbed(rng, shown.astype(np.float32) / 255)
        if bad.shape == shown.shape:
            return Film((bad * 255).astype(np.uint8), "unlike")
    return replace(film, pixels=shown)


def film_batch(library: Library, count: int, children: int, rng: np.random.Generator) -> tuple[Grays, list[Film]]:
    """(pictures, films) of one size: shape (count, rows, columns), 0 to 1."""
    sizes = list(library.by_size)
    weights = np.array([len(library.by_size[s]) for s in sizes], float)
    size = sizes[int(rng.choice(len(sizes), p=weights / weights.sum()))]
    pool = library.by_size[size]
    films = [pool[int(n)] for n in rng.integers(len(pool), size=count - children)]
    films += [child(library, size, rng) for _ in range(children if library.pediatric else 0)]
    return stacked(films, rng), films


def stacked(films: Sequence[Film], rng: np.random.Generator) -> Grays:
    """Films of one size as one array, each exposed anew."""
    return np.stack([varied(f.pixels, rng) for f in films])
