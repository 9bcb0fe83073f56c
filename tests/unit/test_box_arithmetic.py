"""A box that is half a pixel off is a box; one that is on the other side is a wrong report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.imaging.geometry import transform_of, upright

ORIENTATIONS = [
    ("L", "F"),
    ("R", "F"),
    ("L", "H"),
    ("R", "H"),
    ("F", "L"),
    ("H", "R"),
    ("F", "R"),
    ("H", "L"),
    ("A", "F"),
    (),
]
CORNERS = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))


@given(st.sampled_from(ORIENTATIONS), st.integers(64, 4000), st.integers(64, 4000), st.floats(0.2, 5), CORNERS)
def test_a_box_comes_back_to_half_a_pixel_through_aspect_turn_and_flip(
    orientation: tuple[str, ...], columns: int, rows: int, ratio: float, box: tuple[float, float, float, float]
) -> None:
    """Forward by hand, as a film is turned: resampled, transposed, mirrored, put on its feet."""
    turn = upright(orientation)
    squared = (columns, round(rows * ratio)) if ratio > 1 else (round(columns / ratio), rows)
    back = transform_of(turn, stored_size=(columns, rows), squared_size=squared)
    for u, v in (box[:2], box[2:]):
        x, y = (v, u) if turn.transpose else (u, v)
        x = 1 - x if turn.flip_columns else x
        y = 1 - y if turn.flip_rows else y
        assert back.fraction_to_stored(x, y) == pytest.approx((u * columns, v * rows), abs=0.5)


@given(st.sampled_from(ORIENTATIONS), st.floats(-3, 4), st.floats(-3, 4))
def test_no_box_leaves_its_image(orientation: tuple[str, ...], u: float, v: float) -> None:
    back = transform_of(upright(orientation), stored_size=(70, 90), squared_size=(70, 90))
    column, row = back.fraction_to_stored(u, v)
    assert 0 <= column <= 70
    assert 0 <= row <= 90
