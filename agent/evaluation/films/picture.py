"""A PNG or JPEG file as a film. It has no header: view, body part, polarity, orientation and side are taken on trust."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from agent.errors import Permanent
from agent.imaging.geometry import Turn, transform_of
from agent.imaging.render import Rendered
from agent.imaging.views import FRONTAL, LEAST_MATRIX, MOST_PIXELS
from agent.reading.pictures import Prepared, passed
from agent.settings import Gate

NO_HEADER = "no header: that it is a frontal chest film, its polarity and its sides are taken on trust"
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def is_picture(path: Path) -> bool:
    """Whether the file is PNG or JPEG by its first bytes. Raises `OSError`."""
    with path.open("rb") as file:
        return file.read(8).startswith(_MAGIC)


def prepare_picture(path: Path, gate: Gate) -> Prepared:
    """The file as the only, frontal picture of a study. Of the gate only what looks at pixels applies.

    Raises:
        Permanent: it cannot be decoded, is too small or too large, shows nothing, or does not pass the gate.
    """
    gray, notes = _decoded(path)
    rows, columns = gray.shape
    if min(rows, columns) < LEAST_MATRIX:
        raise Permanent(f"the picture has only {columns} x {rows} pixels", code="matrix-too-small")
    if gray.max() == gray.min():
        raise Permanent("all pixels have the same value", code="constant-image")
    transform = transform_of(Turn(), stored_size=(columns, rows), squared_size=(columns, rows))
    rendered = passed(Rendered(gray, transform, notes), FRONTAL, gate)
    return Prepared((rendered,), (0,), (), (NO_HEADER, *rendered.notes), None)


def _decoded(path: Path) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Permanent(
                    f"the picture has {image.width} x {image.height} pixels, too many", code="matrix-too-large"
                )
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                return _from_16_bit(np.asarray(upright, np.float64))
            return np.ascontiguousarray(upright.convert("L"), np.uint8), ()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Permanent(f"the picture cannot be decoded ({type(error).__name__})", code="undecodable") from error


def _from_16_bit(values: NDArray[np.float64]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """How many of the 16 bits are used is not said anywhere."""
    low, high = np.percentile(values, [0.5, 99.5])
    gray = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1)
    note = "more than 8 bits a pixel: the contrast was set from the picture itself (0.5 to 99.5 percentile)"
    return (gray * 255 + 0.5).astype(np.uint8), (note,)
