"""Gather the pictures that the gate learns from and is measured on into one file of numbers.

Nothing that is gathered is part of the project: only the trained numbers are. Whole patients, whole kinds of picture
and whole seeds are held out, never single pictures of what is trained on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread

from agent.demo.films import pydicom_data_file
from agent.errors import Permanent
from agent.gate_maker import diagram
from agent.gate_maker.drawn import DRAWN, drawn
from agent.gate_maker.volumes import Volume, chest_ct, projected, read_nifti, skull_ct
from agent.imaging.render import render_file

Gray = NDArray[np.uint8]
SIDE = 128  # rows and columns of a gathered picture
FRONTAL_KINDS = ("pediatric", "adult-film", "phantom-frontal", "demo-frontal", "ct-frontal")
LATERAL_KINDS = ("phantom-lateral", "demo-lateral", "ct-lateral")
CHEST_KINDS = FRONTAL_KINDS + LATERAL_KINDS
# Kinds of what is no chest that the network never sees before it is measured on them.
HELD_OUT_KINDS = ("photo:animals", "photo:people", "photo:vehicles", "dicom:MR", "dicom:US", "mr-slice")
_HELD_OUT_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Item:
    """One picture, shape (128, 128), uint8; its kind; and whether it is kept for measuring."""

    picture: Gray
    kind: str
    held_out: bool


def small(picture: Gray) -> Gray:
    """Made 128 rows and columns, whatever its shape was."""
    box = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(box, np.uint8)


def stretched(values: NDArray[np.generic]) -> Gray:
    """Any numbers as a picture: the 0.5 and 99.5 percentiles become black and white."""
    numbers = np.nan_to_num(np.asarray(values, np.float32))
    low, high = np.percentile(numbers, [0.5, 99.5])
    return np.asarray(np.clip((numbers - low) / max(float(high - low), 1e-6), 0, 1) * 255, np.uint8)


def patient_of(name: str) -> str:
    """The patient that a file of the pediatric set is of."""
    found = re.match(r"(person\d+)_|((?:NORMAL\d*-)?IM-\d+)-", name)
    return found.group(1) or found.group(2) if found else name


def _held_out(key: str) -> bool:
    return int.from_bytes(hashlib.sha256(f"gate:{key}".encode()).digest()[:4]) / 2**32 < _HELD_OUT_SHARE


def pediatric(folder: Path) -> Iterator[Item]:
    for path in sorted(folder.rglob("*.jp*g")):
        yield Item(small(np.asarray(Image.open(path).convert("L"))), "pediatric", _held_out(patient_of(path.name)))


def phantoms(folder: Path, held_out: bool) -> Iterator[Item]:
    """PNG files in ``frontal``, ``lateral`` and, of what is no chest, ``unlike`` (named by kind)."""
    for path in sorted(folder.rglob("*.png")):
        where, picture = path.parent.name, small(np.asarray(Image.open(path).convert("L")))
        if where in ("frontal", "lateral"):
            yield Item(picture, f"phantom-{where}", held_out)
        elif held_out:
            yield Item(picture, f"unlike:{path.name.rpartition('-')[0]}", True)


def demonstration() -> Iterator[Item]:
    """Diagrams."""
    for kind in diagram.KINDS:
        for seed in range(40):
            for view, name in (("PA", "frontal"), ("LL", "lateral")):
                picture = (diagram.draw(kind, view, seed=seed) >> 4).astype(np.uint8)
                yield Item(small(picture), f"demo-{name}", _held_out(f"demo {seed}"))


def from_ct(chest: Volume, rng: np.random.Generator, *, views: int, held_out: bool) -> Iterator[Item]:
    """Chests, each projection collimated in several ways; and what a chest is not: the part below the diaphragm."""
    for n in range(views):
        for kind in ("ct-frontal", "ct-lateral"):
            density = projected(chest, rng, lateral=kind == "ct-lateral")
            for _ in range(3):
                yield Item(small(_framed(density, rng, 0.0, 0.1, 0.66, 0.95)), kind, held_out)
            if n % 3 == 0:
                yield Item(small(_framed(density, rng, 0.58, 0.66, 0.93, 0.97)), "ct-abdomen", held_out)


def _framed(density: NDArray[np.float32], rng: np.random.Generator, a: float, b: float, c: float, d: float) -> Gray:
    """The rows from somewhere in [a, b] to somewhere in [c, d], and the columns of the body, more or less."""
    body = np.nonzero(density.mean(0) > 0.15)[0]
    left, right = int(body[0]), int(body[-1]) + 1
    spare = 0.12 * (right - left)
    left, right = max(0, round(left + rng.uniform(-spare, spare))), min(SIDE, round(right + rng.uniform(-spare, spare)))
    part = density[int(rng.uniform(a, b) * SIDE) : int(rng.uniform(c, d) * SIDE), left:right]
    return stretched(part)


def heads(skull: Volume, rng: np.random.Generator, count: int) -> Iterator[Item]:
    for n in range(count):
        density = projected(skull, rng, lateral=n % 2 == 0, wild=n % 3 == 0)
        yield Item(small(stretched(np.rot90(density, 2))), "head-radiograph", False)


def slices(path: Path, kind: str, axes: tuple[int, ...], held_out: bool) -> Iterator[Item]:
    values, _ = read_nifti(path)
    for axis in axes:
        for at in np.linspace(0.1, 0.9, 40) * values.shape[axis]:
            plane = np.take(values, int(at), axis)
            if plane.std() > 0:
                yield Item(small(stretched(np.clip(np.rot90(plane), -1000, None))), kind, held_out)


def drawings(rng: np.random.Generator, each: int) -> Iterator[Item]:
    for kind in DRAWN:
        for _ in range(each):
            yield Item(small(drawn(rng, kind)), f"drawn:{kind}", False)


def photographs(folder: Path, rng: np.random.Generator) -> Iterator[Item]:
    """Pictures below `folder`, of the kind that the first folder names; cut-outs are put on a plain ground, and parts
    of large pictures are pictures too."""
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif")):
        kind = f"photo:{path.relative_to(folder).parts[0]}"
        opened = Image.open(path).convert("RGBA")
        for _ in range(3):
            ground = Image.new("RGBA", opened.size, (int(rng.integers(256)),) * 3 + (255,))
            whole = np.asarray(Image.alpha_composite(ground, opened).convert("L"))
            yield Item(small(whole), kind, kind in HELD_OUT_KINDS)
            rows, columns = (int(n * rng.uniform(0.4, 0.8)) + 1 for n in whole.shape)
            top, left = (int(rng.integers(0, n - m + 1)) for n, m in zip(whole.shape, (rows, columns), strict=True))
            yield Item(small(whole[top : top + rows, left : left + columns]), kind, kind in HELD_OUT_KINDS)


def dicom_files() -> Iterator[Item]:
    """The images in pydicom's own test files and in pydicom-data, other than the radiographs."""
    # Not through pydicom.data: it would try to fetch what is not installed.
    own = Path(pydicom.__file__).parent / "data" / "test_files"
    for path in sorted((*own.glob("*.dcm"), *pydicom_data_file("RG3_UNCR.dcm").parent.glob("*.dcm"))):
        if path.name.startswith("RG") or (read := _frames(path)) is None:
            continue
        modality, gray = read
        kind = f"dicom:{modality}"
        for plane in gray[:: max(1, len(gray) // 4)] if gray.ndim == 3 else (gray,):
            if min(plane.shape) >= 32 and plane.std() > 0:
                yield Item(small(stretched(plane)), kind, kind in HELD_OUT_KINDS)


def _frames(path: Path) -> tuple[str, NDArray[Any]] | None:
    """Modality, and gray values of one or many frames. None for a file without any."""
    try:
        image = dcmread(path)
        frames = np.asarray(image.pixel_array)
    except Exception:  # noqa: BLE001  many of these files are broken on purpose
        return None
    color = int(image.get("SamplesPerPixel", 1)) == 3
    return str(image.get("Modality", "OT")), frames.mean(-1) if color else frames


def films() -> Iterator[Item]:
    """The adult chest and the tibia of pydicom-data, as the line renders them."""
    for name, kind in (("RG1_UNCR.dcm", "adult-film"), ("RG3_UNCR.dcm", "tibia")):
        try:
            yield Item(small(render_file(pydicom_data_file(name)).picture), kind, False)
        except Permanent as error:
            raise click.ClickException(str(error)) from error


@click.command()
@click.option(
    "--pediatric", "pediatric_dir", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--phantoms", "phantom_dir", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--phantoms-held-out", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--chest-ct", "chest_ct_", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--head-ct", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--brain-mr", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option(
    "--photographs", "photo_dir", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
def collect(
    pediatric_dir: Path, phantom_dir: Path, phantoms_held_out: Path, chest_ct_: Path, head_ct: Path, brain_mr: Path,
    photo_dir: Path, out: Path,
) -> None:  # fmt: skip
    """Gather the pictures for the gate's network. docs/gate.md says where each folder comes from."""
    rng = np.random.default_rng(3)
    chest = chest_ct(chest_ct_)
    items: list[Item] = []
    for part in (
        films(), pediatric(pediatric_dir), dicom_files(), photographs(photo_dir, rng), drawings(rng, 160),
        slices(chest_ct_, "ct-slice", (2,), False), slices(brain_mr, "mr-slice", (0, 1, 2), True),
        heads(skull_ct(head_ct), rng, 90), from_ct(chest, rng, views=90, held_out=False),
        from_ct(chest, np.random.default_rng(77), views=25, held_out=True),
        phantoms(phantom_dir, False), phantoms(phantoms_held_out, True), demonstration(),
    ):  # fmt: skip
        items += part
        click.echo(f"{len(items)} pictures, the last of {items[-1].kind}")
    np.savez(
        out,
        pictures=np.stack([i.picture for i in items]),
        kinds=np.array([i.kind for i in items]),
        held_out=np.array([i.held_out for i in items]),
    )


if __name__ == "__main__":
    collect()
