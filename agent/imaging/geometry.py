"""Where a point of the picture lies in the stored image: every turn and flip on the way is kept, because a flipped
side is the worst mistake but one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Transform:
    """From the picture back to the stored image: ``stored = matrix @ (x, y, 1)``.

    Coordinates are (column, row) with the origin at the top left *corner* of the first pixel (PS3.3 C.18.6.1.1), so a
    picture of W x H pixels spans 0 to W and 0 to H. `matrix` is two rows of three numbers; `picture_size` is
    (columns, rows).
    """

    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]
    picture_size: tuple[int, int]
    stored_size: tuple[int, int]

    def to_stored(self, x: float, y: float) -> tuple[float, float]:
        """(column, row) in the stored image of a point of the picture, clipped to the image."""
        (a, b, c), (d, e, f) = self.matrix
        columns, rows = self.stored_size
        return min(max(a * x + b * y + c, 0.0), float(columns)), min(max(d * x + e * y + f, 0.0), float(rows))

    def from_stored(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """The way there: ``(x, y) = matrix @ (column, row, 1)``."""
        inverse = np.linalg.inv(np.array([*self.matrix, (0.0, 0.0, 1.0)]))
        (a, b, c), (d, e, f) = inverse[:2].tolist()
        return (a, b, c), (d, e, f)

    def fraction_to_stored(self, u: float, v: float) -> tuple[float, float]:
        """The same for a point given as fractions 0 to 1 of the picture's width and height, whatever size the model
        made of it."""
        return self.to_stored(u * self.picture_size[0], v * self.picture_size[1])


@dataclass(frozen=True, slots=True)
class Turn:
    """How stored pixels become an upright picture: transpose first, then flip. `note` says so in words when something
    was done."""

    transpose: bool = False
    flip_columns: bool = False
    flip_rows: bool = False
    note: str = ""


def upright(patient_orientation: Sequence[str]) -> Turn:
    """How to turn an image so that the patient's head is up and, in a frontal view, the patient's right is on the
    picture's left.

    Args:
        patient_orientation: Patient Orientation (0020,0020): the direction of the rows, then of the columns (PS3.3
            C.7.6.1.1.1).
    """
    if len(patient_orientation) != 2 or not all(patient_orientation):
        return Turn(note="Patient Orientation is missing; the image was read as it is stored")
    along_row, along_column = patient_orientation[0][0], patient_orientation[1][0]
    transpose = along_row in "HF"
    if transpose:
        along_row, along_column = along_column, along_row
    if along_column not in "HF" or along_row not in "LRAP":
        return Turn(note="Patient Orientation says nothing usable; the image was read as it is stored")
    flip_rows = along_column == "H"
    flip_columns = along_row == "R"  # a lateral may face either way
    words = []
    if transpose:
        words.append("turned")
    if flip_rows:
        words.append("flipped upside down")
    if flip_columns:
        words.append("mirrored")
    note = f"the stored image was {' and '.join(words)} to be upright (Patient Orientation)" if words else ""
    return Turn(transpose, flip_columns, flip_rows, note)


def apply_turn(pixels: NDArray[np.uint8], turn: Turn) -> NDArray[np.uint8]:
    """The turned picture; shape (rows, columns), or exchanged when transposed."""
    turned = pixels.T if turn.transpose else pixels
    turned = turned[:, ::-1] if turn.flip_columns else turned
    turned = turned[::-1] if turn.flip_rows else turned
    return np.ascontiguousarray(turned)


def transform_of(turn: Turn, *, stored_size: tuple[int, int], squared_size: tuple[int, int]) -> Transform:
    """The way back for a picture that was first resampled from `stored_size` to `squared_size`, both (columns, rows),
    and then turned."""
    scale_x, scale_y = stored_size[0] / squared_size[0], stored_size[1] / squared_size[1]
    size = squared_size[::-1] if turn.transpose else squared_size
    to_squared = np.eye(3)
    if turn.flip_rows:
        to_squared = np.array([[1, 0, 0], [0, -1, size[1]], [0, 0, 1]]) @ to_squared
    if turn.flip_columns:
        to_squared = np.array([[-1, 0, size[0]], [0, 1, 0], [0, 0, 1]]) @ to_squared
    if turn.transpose:
        to_squared = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]]) @ to_squared
    whole = np.diag([scale_x, scale_y, 1.0]) @ to_squared
    (a, b, c), (d, e, f) = whole[:2].tolist()
    return Transform(((a, b, c), (d, e, f)), size, stored_size)
