"""Data sets as seekable streams, the deflated ones too (PS3.5 A.5), within bounds that no sender can push.

A deflated megabyte may hold a gigabyte. What comes before the pixel data is inflated into a temporary file; the rest is
only counted.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.errors import Permanent
from dicom_nodes.contexts import DEFLATED, IMPLICIT_LE

MAX_INFLATED = 512 << 20  # bytes; beyond that a deflated data set is no radiograph
MAX_PREFIX = 64 << 20  # bytes that are kept of it: every header, and most of the image of many
_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class PlainDataSet:
    """A data set that is not deflated. `start` and `end` are its bounds in bytes; of a deflated one `file` holds only the
    first `MAX_PREFIX` bytes, whatever `end` says."""

    file: BinaryIO
    start: int
    end: int
    implicit: bool


@contextmanager
def plain_data_set(path: Path, offset: int, transfer_syntax_uid: str) -> Iterator[PlainDataSet]:
    """The data set that starts at `offset` in a file.

    Raises:
        Permanent: it is deflated and cannot be inflated (``unparsable``), ends too early (``truncated``), or never ends
            (``inflates-too-far``).
    """
    with path.open("rb") as file:
        if transfer_syntax_uid != DEFLATED:
            yield PlainDataSet(file, offset, file.seek(0, 2), transfer_syntax_uid == IMPLICIT_LE)
            return
        file.seek(offset)
        with tempfile.TemporaryFile(dir=path.parent) as prefix:
            end = _inflate(file, prefix)
            yield PlainDataSet(prefix, 0, end, False)


def _inflate(source: BinaryIO, prefix: BinaryIO) -> int:
    """Inflate in steps of bounded size; returns how many bytes there are. The stream may be padded with one byte."""
    inflater, length = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        while not inflater.eof:
            data = inflater.unconsumed_tail or source.read(_STEP)
            if not data:
                raise Permanent("the deflated data set ends before its last block", code="truncated")
            piece = inflater.decompress(data, _STEP)
            if length < MAX_PREFIX:
                prefix.write(piece[: MAX_PREFIX - length])
            length += len(piece)
            if length > MAX_INFLATED:
                raise Permanent("the deflated data set is larger than any radiograph", code="inflates-too-far")
    except zlib.error as error:
        raise Permanent("the data set is not a deflate stream", code="unparsable") from error
    return length
