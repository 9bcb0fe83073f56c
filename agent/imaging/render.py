"""From a stored image to the picture the model sees (PS3.4 N.2 order): modality, value of interest, polarity,
shutter, upright.

Everything that was not as the header promised is said in the notes: they stand in the report.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from agent.errors import Permanent
from agent.imaging.decode import decode_stored
from agent.imaging.facts import facts_of
from agent.imaging.geometry import Transform, apply_turn, transform_of, upright
from agent.imaging.headers import load_header
from agent.imaging.views import pixel_problem
from agent.model.protocol import Picture

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MOST_CLIPPED = 0.95  # a window that leaves less than 5 % of the pixels between black and white is not meant
_FLATTEST = 0.05  # of the gray scale: a window that leaves less between the darkest and the brightest is not meant


@dataclass(frozen=True, slots=True)
class Contrast:
    """How values become gray (PS3.3 C.11.2): by the first VOI LUT of the header (``table``), by its first window (``window``), or
    by what the image itself holds (``image``). The last two have a window, in modality units."""

    kind: str
    center: float = 0.0
    width: float = 0.0
    function: str = "LINEAR"


@dataclass(frozen=True, slots=True)
class Rendered:
    """The picture (uint8, rows x columns, 0 black), the way back to the stored image, and remarks for the reader.

    Attributes:
        window: (center, width) as of the function LINEAR (PS3.3 C.11.2.1.2.1) in modality units, where the contrast was set
            from the image itself; None where it is as the header says.
    """

    picture: Picture
    transform: Transform
    notes: tuple[str, ...]
    window: tuple[float, float] | None = None


def render_file(path: Path) -> Rendered:
    """Render a kept image.

    Raises:
        Permanent: the header or the pixels do not allow it; the code says why.
        Transient: the decoder cannot be started at the moment.
    """
    header = load_header(path)
    facts = facts_of(header)
    if (problem := pixel_problem(facts)) is not None:
        raise Permanent(problem.explanation, code=problem.reason)
    return render(header, decode_stored(path))


def render(header: Dataset, stored: NDArray[Any]) -> Rendered:
    """Render stored values.

    Args:
        header: the attributes of the image; pixel data are not looked at.
        stored: shape (rows, columns), integer dtype.

    Raises:
        Permanent: the image is constant.
    """
    notes: list[str] = []
    padding = padding_of(header, stored)
    _check_range(header, stored, notes)
    values = modality_values(header, stored, notes)
    contrast, seen = contrast_of(header, values, padding, notes)
    window = (contrast.center, contrast.width) if contrast.kind == "image" else None
    gray = np.clip(seen, 0.0, 1.0)
    if is_inverted(header):
        gray = 1.0 - gray
    _check_polarity(header, notes)
    hidden = shutter_of(header, gray.shape)
    for mask in (padding, hidden):
        if mask is not None:
            gray[mask] = 0.0
    picture = (gray * 255 + 0.5).astype(np.uint8)
    _remark(header, notes)
    return replace(_geometry(header, picture, notes), window=window)


def _geometry(header: Dataset, picture: Picture, notes: list[str]) -> Rendered:
    rows, columns = picture.shape
    squared = square(header, picture)
    if squared.shape != picture.shape:
        notes.append("the pixels are not square; the image was resampled")
    turn = upright([str(v) for v in header.get("PatientOrientation") or []])
    if turn.note:
        notes.append(turn.note)
    transform = transform_of(turn, stored_size=(columns, rows), squared_size=(squared.shape[1], squared.shape[0]))
    return Rendered(apply_turn(squared, turn), transform, tuple(notes))


def square(header: Dataset, picture: Picture) -> Picture:
    """Resampled so that pixels are square (Pixel Aspect Ratio: vertical to horizontal size)."""
    ratio = header.get("PixelAspectRatio")
    try:
        vertical, horizontal = (float(v) for v in ratio or (1, 1))
    except (TypeError, ValueError):
        return picture
    if vertical == horizontal or vertical <= 0 or horizontal <= 0 or not 0.1 < vertical / horizontal < 10:
        return picture
    rows, columns = picture.shape
    tall = vertical > horizontal
    size = (columns, round(rows * vertical / horizontal)) if tall else (round(columns * horizontal / vertical), rows)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


def padding_of(header: Dataset, stored: NDArray[Any]) -> Mask | None:
    """Pixels that are padding (PS3.3 C.7.5.1.1.2). A mask of everything is a wrong header, not an empty image."""
    value = first_number(header, "PixelPaddingValue")
    if value is None:
        return None
    limit = first_number(header, "PixelPaddingRangeLimit")
    first, last = int(value), int(value if limit is None else limit)
    mask: Mask = (stored >= min(first, last)) & (stored <= max(first, last))
    return mask if mask.any() and not mask.all() else None


def _check_range(header: Dataset, stored: NDArray[Any], notes: list[str]) -> None:
    """Values that Bits Stored (PS3.3 C.7.6.3.1) does not allow: header and pixels are not of one mind."""
    bits, signed = first_number(header, "BitsStored"), first_number(header, "PixelRepresentation") == 1
    if bits is None or not 1 <= bits <= 32:
        return
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    beyond = int(np.count_nonzero((stored < low) | (stored > high)))
    if beyond:
        notes.append(
            f"{beyond} pixels have values beyond Bits Stored ({bits:.0f}); check the picture against the image"
        )


def modality_values(header: Dataset, stored: NDArray[Any], notes: list[str]) -> Values:
    """Modality LUT or rescale (PS3.3 C.11.1)."""
    try:
        values = np.asarray(apply_modality_lut(stored, header), dtype=np.float64)
        if np.isfinite(values).all():
            return values
    except Exception:  # noqa: BLE001, S110  whatever is wrong with the table: what follows is the honest fallback, and the note says so
        pass
    notes.append("the modality LUT or rescale values are unusable and were left out")
    return stored.astype(np.float64)


def contrast_of(header: Dataset, values: Values, padding: Mask | None, notes: list[str]) -> tuple[Contrast, Values]:
    """VOI LUT before window (PS3.3 C.11.2), each only if it works; what the image holds when neither does. With the values as
    they are then, 0 black and 1 white and not yet clipped.

    Raises:
        Permanent: the image is constant.
    """
    shown = values if padding is None else values[~padding]
    if float(shown.max()) == float(shown.min()):
        raise Permanent("all pixels have the same value", code="constant-image")
    if header.get("VOILUTSequence"):
        try:
            contrast = Contrast("table")
            return contrast, looked_at(header, contrast, values)
        except Exception:  # noqa: BLE001  a truncated or misdeclared table; the window, or the image itself, is used instead
            notes.append("the VOI LUT is unusable and was left out")
    window = _window(header, notes)
    if window is not None:
        windowed = looked_at(header, window, values)
        inside = windowed if padding is None else windowed[~padding]
        if np.mean((inside > 0) & (inside < 1)) < 1 - _MOST_CLIPPED:
            notes.append("the window of the image clips almost everything and was left out")
        elif np.ptp(np.percentile(inside, [0.5, 99.5])) < _FLATTEST:
            notes.append("the window of the image is so wide that hardly any contrast is left, and was left out")
        else:
            return window, windowed
    low, high = (float(v) for v in np.percentile(shown, [0.5, 99.5]))
    wide = max(high - low, 1e-6)
    notes.append("no usable window: the contrast was set from the image itself (0.5 to 99.5 percentile)")
    return Contrast("image", low + wide / 2 + 0.5, wide + 1), np.asarray((values - low) / wide)


def looked_at(header: Dataset, contrast: Contrast, values: Values) -> Values:
    """Modality values in that contrast: 0 is black, 1 is white, and beyond is beyond.

    Raises:
        Exception: whatever a VOI LUT that cannot be used makes pydicom raise.
    """
    if contrast.kind == "table":
        table = apply_voi_lut(values.astype(np.int64), header, index=0, prefer_lut=True)
        bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
        return np.asarray(table, dtype=np.float64) / float((1 << bits) - 1)
    center, width = contrast.center, contrast.width
    if contrast.function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -500, 500))))
    if contrast.function == "LINEAR_EXACT":
        return np.asarray((values - center) / width + 0.5)
    if width == 1:
        return np.asarray(values > center - 0.5, dtype=np.float64)
    return (values - (center - 0.5)) / (width - 1) + 0.5


def _window(header: Dataset, notes: list[str]) -> Contrast | None:
    center, width = first_number(header, "WindowCenter"), first_number(header, "WindowWidth")
    if center is None or width is None:
        return None
    function = first_text(header, "VOILUTFunction") or "LINEAR"
    if width < 1 if function == "LINEAR" else width <= 0:
        notes.append("the window of the image is invalid and was left out")
        return None
    return Contrast("window", center, width, function)


def is_inverted(header: Dataset) -> bool:
    """Whether the lowest value is meant to be white (PS3.3 C.7.6.3.1.2)."""
    return first_text(header, "PhotometricInterpretation") == "MONOCHROME1"


def _check_polarity(header: Dataset, notes: list[str]) -> None:
    """Presentation LUT Shape INVERSE goes with MONOCHROME1; it is not a second inversion."""
    shape = first_text(header, "PresentationLUTShape")
    inverted = is_inverted(header)
    if shape in ("INVERSE", "IDENTITY") and (shape == "INVERSE") != inverted:
        notes.append("Presentation LUT Shape contradicts Photometric Interpretation; the latter was believed")


def shutter_of(header: Dataset, shape: tuple[int, ...]) -> Mask | None:
    """Pixels outside the display shutter (PS3.3 C.7.6.11); rows and columns there count from 1."""
    kinds = header.get("ShutterShape")
    names = {str(k) for k in ([kinds] if isinstance(kinds, str) else kinds or [])}
    open_area = Image.new("L", (shape[1], shape[0]), 255)
    try:
        for name in names & {"RECTANGULAR", "CIRCULAR", "POLYGONAL"}:
            aperture = Image.new("L", open_area.size, 0)
            _draw_aperture(ImageDraw.Draw(aperture), header, name)
            open_area = Image.fromarray(np.minimum(np.asarray(open_area), np.asarray(aperture)))
    except (AttributeError, TypeError, ValueError, IndexError):
        return None  # a shutter that is not described hides nothing
    hidden: Mask = np.asarray(open_area) == 0
    return hidden if hidden.any() and not hidden.all() else None


def _draw_aperture(canvas: ImageDraw.ImageDraw, header: Dataset, kind: str) -> None:
    if kind == "RECTANGULAR":
        left, right = int(header.ShutterLeftVerticalEdge), int(header.ShutterRightVerticalEdge)
        top, bottom = int(header.ShutterUpperHorizontalEdge), int(header.ShutterLowerHorizontalEdge)
        canvas.rectangle((left - 1, top - 1, right - 1, bottom - 1), fill=255)
    elif kind == "CIRCULAR":
        row, column = (int(v) - 1 for v in header.CenterOfCircularShutter)
        radius = int(header.RadiusOfCircularShutter)
        canvas.ellipse((column - radius, row - radius, column + radius, row + radius), fill=255)
    else:
        numbers = [int(v) - 1 for v in header.VerticesOfThePolygonalShutter]
        canvas.polygon([(c, r) for r, c in zip(numbers[::2], numbers[1::2], strict=True)], fill=255)


def _remark(header: Dataset, notes: list[str]) -> None:
    if first_text(header, "LossyImageCompression") == "01":
        notes.append("the image was compressed with loss before it came here")
    if first_text(header, "BurnedInAnnotation") == "YES":
        notes.append("the image has burned in annotation")


def first_text(header: Dataset, keyword: str) -> str:
    """The first value of an attribute, in upper case; empty when there is none."""
    value = header.get(keyword)
    first = value[0] if isinstance(value, list | tuple) and value else value
    return "" if first is None else str(first).strip().upper()


def first_number(header: Dataset, keyword: str) -> float | None:
    """The first value of an attribute as a finite number."""
    value = header.get(keyword)
    try:
        number = float(value[0] if hasattr(value, "__iter__") and not isinstance(value, str) else value)
    except (TypeError, ValueError, IndexError):
        return None
    return number if np.isfinite(number) else None
