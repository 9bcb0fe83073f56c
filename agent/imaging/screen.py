"""What a screen needs to show an image as it was read: a small picture at once, and how stored values become gray, so that
whoever has the values can window them without asking again.

Gray is a function of the stored value alone, but for the shutter. So the picture is made through a table of all values, and equals
`agent.imaging.render` wherever both use the same contrast; which contrast that is, is decided on every so many pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

from agent.imaging.geometry import Turn, apply_turn, transform_of, upright
from agent.imaging.render import (
    Contrast,
    contrast_of,
    first_number,
    first_text,
    is_inverted,
    looked_at,
    modality_values,
    padding_of,
    shutter_of,
    square,
)
from agent.model.protocol import Picture

_JUDGED_ON = 512  # rows and columns, at most, by which the contrast is decided
_MOST_PRESETS = 12
_OPPOSITE = str.maketrans("LRAPHF", "RLPAFH")


@dataclass(frozen=True, slots=True)
class Screened:
    """One image, ready to be shown.

    Attributes:
        preview: uint8, rows x columns, upright, 0 black, no side longer than was asked for.
        about: JSON values: how the stored values are shown, where they lie, what the header tells of sides and sizes.
    """

    preview: Picture
    about: dict[str, Any]


def screened(header: Dataset, stored: NDArray[Any], *, longest: int = 1024) -> Screened:
    """Make an image ready to be shown.

    Args:
        header: the attributes of the image; pixel data are not looked at.
        stored: shape (rows, columns), an integer dtype of at most 16 bits.
        longest: rows and columns of the preview at most.

    Raises:
        Permanent: the image is constant.
    """
    notes: list[str] = []
    step = max(1, max(stored.shape) // _JUDGED_ON)
    some = stored[::step, ::step]
    contrast, _ = contrast_of(header, modality_values(header, some, notes), padding_of(header, some), notes)
    low, high = int(stored.min()), int(stored.max())
    domain = np.arange(low, high + 1, dtype=np.int64).astype(stored.dtype)
    values = modality_values(header, domain, [])
    # As `padding_of`, of the whole image: a value that is everywhere is no padding.
    padding = None if padding_of(header, stored) is None else padding_of(header, domain)
    table = _grays(header, contrast, values, padding)
    picture = np.take(table, stored.astype(np.int64) - low)
    if (hidden := shutter_of(header, picture.shape)) is not None:
        picture[hidden] = 0
    turn = _turn(header)
    squared = square(header, picture)
    rows, columns = stored.shape
    transform = transform_of(turn, stored_size=(columns, rows), squared_size=(squared.shape[1], squared.shape[0]))
    about = {
        "rows": rows,
        "columns": columns,
        "signed": bool(stored.dtype.kind == "i"),
        "bits_stored": int(first_number(header, "BitsStored") or 8 * stored.dtype.itemsize),
        "least": low,
        "most": high,
        "inverted": is_inverted(header),
        "padding": None if padding is None else [int(v) for v in (domain[padding].min(), domain[padding].max())],
        "modality": _modality(header, values, low),
        "tables": _tables(header, values, low),
        "windows": _windows(header),
        "initial": _initial(contrast),
        "shown": _shown_range(values, padding),
        "matrix": [list(row) for row in transform.from_stored()],
        "size": list(transform.picture_size),
        "turn": {
            "known": turn.transpose or turn.flip_columns or turn.flip_rows or not turn.note,
            "turned": turn.transpose,
            "mirrored": turn.flip_columns,
            "upside_down": turn.flip_rows,
        },
        "letters": letters(_orientation(header), turn),
        "laterality": first_text(header, "ImageLaterality") or first_text(header, "Laterality"),
        "spacing": _spacing(header),
        "shutter": _shutters(header) if hidden is not None else [],
        "notes": notes,
    }
    return Screened(apply_turn(_smaller(squared, longest), turn), about)


def letters(orientation: Sequence[str], turn: Turn) -> dict[str, str] | None:
    """What lies at each edge of the upright picture, in the letters of Patient Orientation (PS3.3 C.7.6.1.1.1); None where the
    header does not say."""
    if len(orientation) != 2 or not all(orientation):
        return None
    right, bottom = orientation[::-1] if turn.transpose else orientation
    right = right.translate(_OPPOSITE) if turn.flip_columns else right
    bottom = bottom.translate(_OPPOSITE) if turn.flip_rows else bottom
    return {
        "left": right.translate(_OPPOSITE),
        "right": right,
        "top": bottom.translate(_OPPOSITE),
        "bottom": bottom,
    }


def _orientation(header: Dataset) -> list[str]:
    return [str(v).strip().upper() for v in header.get("PatientOrientation") or []]


def _turn(header: Dataset) -> Turn:
    return upright([str(v) for v in header.get("PatientOrientation") or []])


def _grays(
    header: Dataset, contrast: Contrast, values: NDArray[np.float64], padding: NDArray[np.bool_] | None
) -> Picture:
    gray = np.clip(looked_at(header, contrast, values), 0.0, 1.0)
    if is_inverted(header):
        gray = 1.0 - gray
    if padding is not None:
        gray[padding] = 0.0
    return (gray * 255 + 0.5).astype(np.uint8)


def _smaller(picture: Picture, longest: int) -> Picture:
    if max(picture.shape) <= longest:
        return picture
    small = Image.fromarray(picture)
    small.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    return np.asarray(small)


def _modality(header: Dataset, values: NDArray[np.float64], low: int) -> dict[str, Any]:
    """The way from stored values to modality values: a line, or a table by stored value."""
    unit = str(header.get("RescaleType") or "").strip()
    if header.get("ModalityLUTSequence"):
        return {"table": {"first": low, "values": values.tolist()}, "unit": ""}
    slope, intercept = first_number(header, "RescaleSlope"), first_number(header, "RescaleIntercept")
    if slope is None or intercept is None:
        return {"slope": 1.0, "intercept": 0.0, "unit": unit}
    return {"slope": slope, "intercept": intercept, "unit": unit}


def _tables(header: Dataset, values: NDArray[np.float64], low: int) -> list[dict[str, Any]]:
    """VOI LUTs, evaluated for every stored value that occurs: 0 is black, 65535 white."""
    if not header.get("VOILUTSequence"):
        return []
    try:
        seen = np.clip(looked_at(header, Contrast("table"), values), 0.0, 1.0)
    except Exception:  # noqa: BLE001  a table that cannot be used is none, as where images are rendered
        return []
    name = str(header.VOILUTSequence[0].get("LUTExplanation") or "")
    return [{"name": name, "first": low, "values": np.round(seen * 65535).astype(int).tolist()}]


def _windows(header: Dataset) -> list[dict[str, Any]]:
    """The windows of the header that can be used, in its order."""
    function = first_text(header, "VOILUTFunction") or "LINEAR"
    centers, widths = _numbers(header, "WindowCenter"), _numbers(header, "WindowWidth")
    names = _texts(header, "WindowCenterWidthExplanation")
    least = 1.0 if function == "LINEAR" else 1e-9
    return [
        {"name": names[n] if n < len(names) else "", "center": center, "width": width, "function": function}
        for n, (center, width) in enumerate(zip(centers, widths, strict=False))
        if width >= least
    ][:_MOST_PRESETS]


def _initial(contrast: Contrast) -> dict[str, Any]:
    if contrast.kind == "table":
        return {"kind": "table"}
    return {
        "kind": contrast.kind,
        "center": contrast.center,
        "width": contrast.width,
        "function": contrast.function,
    }


def _shown_range(values: NDArray[np.float64], padding: NDArray[np.bool_] | None) -> list[float]:
    """Lowest and highest modality value that is no padding."""
    inside = values if padding is None or padding.all() else values[~padding]
    return [float(inside.min()), float(inside.max())]


def _spacing(header: Dataset) -> dict[str, Any] | None:
    """Millimetres between pixels, down and across (PS3.3 10.7.1.3); `at` says whether that is in the patient or at the
    detector."""
    for keyword, at in (("PixelSpacing", "patient"), ("ImagerPixelSpacing", "detector")):
        found = _numbers(header, keyword)
        if len(found) == 2 and min(found) > 0:
            # Without a calibration, Pixel Spacing of a projection is that of the detector as well (PS3.3 10.7.1.1).
            calibrated = at == "patient" and bool(first_text(header, "PixelSpacingCalibrationType"))
            return {"row": found[0], "column": found[1], "at": "patient" if calibrated else "detector"}
    return None


def _shutters(header: Dataset) -> list[dict[str, Any]]:
    """Openings of the shutter, in corners of stored pixels: what lies outside any of them is hidden. Rows and columns in the
    header count from 1 and name pixels, not corners (PS3.3 C.7.6.11)."""
    kinds = header.get("ShutterShape")
    names = {str(k) for k in ([kinds] if isinstance(kinds, str) else kinds or [])}
    found: list[dict[str, Any]] = []
    if "RECTANGULAR" in names:
        found.append(
            {
                "kind": "rectangle",
                "left": int(header.ShutterLeftVerticalEdge) - 1,
                "right": int(header.ShutterRightVerticalEdge),
                "top": int(header.ShutterUpperHorizontalEdge) - 1,
                "bottom": int(header.ShutterLowerHorizontalEdge),
            }
        )
    if "CIRCULAR" in names:
        row, column = (int(v) for v in header.CenterOfCircularShutter)
        found.append(
            {
                "kind": "circle",
                "column": column - 0.5,
                "row": row - 0.5,
                "radius": int(header.RadiusOfCircularShutter) + 0.5,
            }
        )
    if "POLYGONAL" in names:
        numbers = [int(v) for v in header.VerticesOfThePolygonalShutter]
        points = [[c - 0.5, r - 0.5] for r, c in zip(numbers[::2], numbers[1::2], strict=True)]
        found.append({"kind": "polygon", "points": points})
    return found


def _numbers(header: Dataset, keyword: str) -> list[float]:
    value = header.get(keyword)
    values = value if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    try:
        numbers = [float(v) for v in values if v is not None]
    except (TypeError, ValueError):
        return []
    return [n for n in numbers if np.isfinite(n)]


def _texts(header: Dataset, keyword: str) -> list[str]:
    value = header.get(keyword)
    values = [value] if isinstance(value, str) else list(value or [])
    return [str(v).strip() for v in values]
