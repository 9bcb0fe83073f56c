"""The size a picture has when the model sees it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CELL = 28  # pixels across one visual token: a patch of 14, merged two by two
MOST_CELLS = 64
LEAST_CELLS = 4


def model_size(rows: int, columns: int) -> tuple[int, int]:
    """(rows, columns) after the family's own resizing: multiples of `CELL`, `LEAST_CELLS` to `MOST_CELLS` of them, the
    aspect ratio kept as far as that goes."""
    high, wide = max(CELL, round(rows / CELL) * CELL), max(CELL, round(columns / CELL) * CELL)
    most, least = MOST_CELLS * CELL**2, LEAST_CELLS * CELL**2
    if high * wide > most:
        scale = math.sqrt(rows * columns / most)
        return tuple(max(CELL, math.floor(n / scale / CELL) * CELL) for n in (rows, columns))  # type: ignore[return-value]
    if high * wide < least:
        scale = math.sqrt(least / (rows * columns))
        return tuple(math.ceil(n * scale / CELL) * CELL for n in (rows, columns))  # type: ignore[return-value]
    return high, wide


def fitted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture as the model sees it."""
    rows, columns = model_size(*picture.shape)
    return np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BICUBIC))


def as_picture(density: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A drawn film as a picture: shape unchanged, 0 black to 255 white."""
    return (density * 255 + 0.5).astype(np.uint8)
