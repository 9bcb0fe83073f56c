"""What the model is trained on: films with what is known about them, drawn once and kept in a cache.

``python -m agent.commissioning.corpus --work DIR --shards N`` draws them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agent.commissioning.phantom import Box, Plant, Scene, cover, draw, random_pair, random_scene
from agent.commissioning.pictures import CELL, as_picture, fitted
from agent.commissioning.unlike import unlike

SHARD = 250  # studies
HELD_OUT_PERCENT = 15
# Films of several shapes: (rows, columns) they are drawn at before they are made as small as the model sees them.
SHAPES = ((384, 315), (384, 315), (384, 315), (384, 300), (360, 360), (400, 300), (400, 280), (320, 384))

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Film:
    """One film and what is known about it.

    Attributes:
        pixels: as the model sees it, shape (rows, columns), multiples of 28.
        source: ``phantom``, ``pediatric`` or ``unlike`` (no upright chest).
        scene: what was drawn, for a phantom.
        boxes: where the planted findings lie.
        pneumonia: for a pediatric film.
        cover: where the planted findings lie, cell by cell: see `phantom.cover`.
    """

    pixels: Pixels
    source: str
    scene: Scene | None = None
    boxes: tuple[Box, ...] = ()
    pneumonia: bool = False
    cover: Pixels | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """Films of one patient: the current frontal one, and what there is beside it. `course` is set with a prior."""

    current: Film
    lateral: Film | None = None
    prior: Film | None = None
    course: str = ""


def drawn_film(scene: Scene, rng: np.random.Generator) -> Film:
    """A phantom film of some shape."""
    rows, columns = SHAPES[int(rng.integers(len(SHAPES)))]
    drawing = draw(scene, rows, columns)
    pixels = fitted(as_picture(drawing.density))
    grid = pixels.shape[0] // CELL, pixels.shape[1] // CELL
    covered = cover(scene, (rows, columns), grid) if scene.plants else None
    return Film(pixels, "phantom", scene, drawing.boxes, cover=covered)


def unlike_film(rng: np.random.Generator) -> Film:
    """A picture that is no upright chest."""
    rows, columns = SHAPES[int(rng.integers(len(SHAPES)))]
    return Film(fitted(as_picture(unlike(rng, rows, columns))), "unlike")


def drawn_studies(seed: tuple[int, int], count: int) -> Iterator[Study]:
    """Studies of phantoms and of what is none; the same seed draws the same."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        kind = rng.random()
        if kind < 0.09:
            yield Study(unlike_film(rng))
        elif kind < 0.34:
            before, now, course = random_pair(rng)
            lateral = drawn_film(now.lateral(), rng) if rng.random() < 0.35 else None
            yield Study(drawn_film(now, rng), lateral, drawn_film(before, rng), course)
        else:
            scene = random_scene(rng)
            lateral = drawn_film(scene.lateral(), rng) if rng.random() < 0.3 else None
            yield Study(drawn_film(scene, rng), lateral)


def patient_key(name: str) -> str:
    """The patient in a file name of the pediatric set: ``person12_virus_3.jpeg`` and ``person12_bacteria_4.jpeg`` are
    of one patient."""
    found = re.match(r"person\d+|(?:NORMAL2-)?IM-\d+", Path(name).name)
    if found is None:
        raise ValueError(f"{name}: the file name does not say whose film it is")
    return found.group()


def is_held_out(patient: str) -> bool:
    """Whether a patient is kept for measuring: by a digest of the key, so that it is the same everywhere."""
    return int(hashlib.sha256(patient.encode()).hexdigest(), 16) % 100 < HELD_OUT_PERCENT


def pediatric_films(folder: Path, *, held_out: bool) -> Iterator[Film]:
    """The films of ``folder/normal`` and ``folder/pneumonia`` on one side of the split."""
    for label in ("normal", "pneumonia"):
        for path in sorted((folder / label).iterdir()):
            if path.suffix.lower() in (".jpeg", ".jpg", ".png") and is_held_out(patient_key(path.name)) == held_out:
                with Image.open(path) as image:
                    yield Film(fitted(np.asarray(image.convert("L"))), "pediatric", pneumonia=label == "pneumonia")


def write_shard(path: Path, studies: list[Study]) -> None:
    """Keep studies in one file, visible only when it is whole."""
    arrays: dict[str, Pixels] = {}
    notes = []
    for number, study in enumerate(studies):
        note: dict[str, object] = {"course": study.course}
        for role in ("current", "lateral", "prior"):
            film: Film | None = getattr(study, role)
            if film is not None:
                arrays[f"{number}-{role}"] = film.pixels
                if film.cover is not None:
                    arrays[f"{number}-{role}-cover"] = film.cover
                note[role] = {
                    "source": film.source,
                    "scene": asdict(film.scene) if film.scene else None,
                    "boxes": [asdict(b) for b in film.boxes],
                }
        notes.append(note)
    arrays["notes"] = np.frombuffer(json.dumps(notes).encode(), np.uint8)
    part = path.with_suffix(".part.npz")
    np.savez(part, **arrays)  # type: ignore[arg-type]
    part.rename(path)


def read_shard(path: Path) -> list[Study]:
    """What `write_shard` kept."""
    with np.load(path) as arrays:
        notes = json.loads(arrays["notes"].tobytes())
        return [
            Study(
                **{
                    role: _film(note[role], arrays[f"{n}-{role}"], arrays.get(f"{n}-{role}-cover"))
                    for role in ("current", "lateral", "prior")
                    if role in note
                },
                course=note["course"],
            )
            for n, note in enumerate(notes)
        ]


def _film(note: dict[str, Any], pixels: Pixels, covered: Pixels | None) -> Film:
    scene = note["scene"]
    if isinstance(scene, dict):
        scene = Scene(scene["seed"], tuple(Plant(**p) for p in scene["plants"]), scene["view"], scene["patient"])
    boxes = tuple(Box(**b) for b in note["boxes"])
    return Film(pixels, str(note["source"]), scene, boxes, cover=covered)


def shard_path(work: Path, number: int) -> Path:
    """Where a shard of training studies lies."""
    return work / f"studies-{number:04d}.npz"


def main(arguments: list[str] | None = None) -> None:
    """Draw the shards that are not there yet."""
    parser = argparse.ArgumentParser(prog="python -m agent.commissioning.corpus", description=__doc__)
    parser.add_argument("--work", type=Path, default=default_work(), help="the cache of drawn films")
    parser.add_argument("--shards", type=int, default=64, help=f"how many, of {SHARD} studies each")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    for number in range(options.shards):
        path = shard_path(options.work, number)
        if not path.exists():
            write_shard(path, list(drawn_studies((1, number), SHARD)))
            sys.stderr.write(f"{path.name}\n")


def default_work() -> Path:
    """`$XDG_CACHE_HOME/cxr-preread/commissioning` or the same below `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cxr-preread" / "commissioning"


if __name__ == "__main__":
    main()
