"""Two messages that become one, or one that becomes none: what a stream in pieces must not do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hl7.frames import FrameReader, FrameTooLong
from tests.support.hl7_sender import CR, FS, VT

BODY = st.binary(max_size=30).map(lambda b: b.replace(VT, b"").replace(FS, b""))
NOISE = st.binary(max_size=10).map(lambda b: b.replace(VT, b""))


@given(st.lists(st.tuples(NOISE, BODY, st.booleans()), max_size=6), st.data())
def test_every_message_comes_out_whole_however_the_stream_is_cut(
    sent: list[tuple[bytes, bytes, bool]], data: st.DataObject
) -> None:
    stream = b"".join(noise + VT + body + FS + (CR if ended else b"") for noise, body, ended in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader, found = FrameReader(), list[bytes]()
    for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[a:b])
    assert found == [body for _, body, _ in sent]
    assert not reader.is_inside


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=40))
def test_no_stream_is_kept_for_longer_than_it_may_be(pieces: list[bytes]) -> None:
    reader, kept = FrameReader(longest=100), 0
    try:
        for piece in pieces:
            kept = sum(map(len, reader.feed(piece)))
            assert len(reader.beginning) <= 100
            assert kept <= 100 + len(piece)
    except FrameTooLong:
        assert sum(map(len, pieces)) > 100


def test_what_came_whole_before_the_message_that_is_too_long_is_not_lost() -> None:
    reader = FrameReader(longest=10)
    with pytest.raises(FrameTooLong):
        reader.feed(VT + b"whole" + FS + CR + VT + b"x" * 11)
    assert reader.leftover() == [b"whole"]
    assert reader.beginning == b"x" * 11


@pytest.mark.parametrize("pieces", [[VT + b"broken", VT + b"whole" + FS], [VT + b"broken" + VT + b"whole" + FS]])
def test_a_message_that_is_begun_again_is_not_mixed_with_its_first_try(pieces: list[bytes]) -> None:
    reader = FrameReader()
    assert [m for piece in pieces for m in reader.feed(piece)] == [b"whole"]
