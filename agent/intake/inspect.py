"""Is what has arrived an image, whole, and the one that was announced? The header is parsed; the pixels are stepped
over, never loaded.

pydicom parses a data set that was cut anywhere without any error, so completeness is checked here: native pixel data
against rows, columns and bits, encapsulated pixel data by walking its fragments to the sequence delimiter (PS3.5
A.4).
"""

from __future__ import annotations

import re
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from agent.imaging.facts import TAGS, InstanceFacts, facts_of
from dicom_nodes.contexts import DEFLATED, IMPLICIT_LE, TRANSFER_SYNTAXES
from dicom_nodes.status import CANNOT_UNDERSTAND, DATA_SET_DOES_NOT_MATCH

_PIXEL_DATA = 0x7FE00010
_ITEM, _SEQUENCE_DELIMITER = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
_UNDEFINED = 0xFFFFFFFF
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")
_COMPRESSED = {t.uid for t in TRANSFER_SYNTAXES if t.compressed}
MAX_INFLATED = 2 << 30  # bytes; beyond that a deflated data set is no radiograph
_STEP = 1 << 20


class Refused(Exception):
    """The data set is not accepted. `status` is the DIMSE status, `reason` a stable code, `comment` words for the
    sender without patient data."""

    def __init__(self, status: int, reason: str, comment: str) -> None:
        super().__init__(comment)
        self.status, self.reason, self.comment = status, reason, comment


@dataclass(frozen=True, slots=True)
class PixelSpan:
    """Where the pixel data element's value lies: offset and length in bytes, of the data set as it is after
    inflating."""

    offset: int
    length: int


def inspect(
    path: Path, offset: int, transfer_syntax_uid: str, *, sop_class_uid: str = "", sop_instance_uid: str = ""
) -> InstanceFacts:
    """Check the data set that starts at `offset` in the file, and say what it is.

    Args:
        sop_class_uid: what the C-STORE-RQ announced; empty when nothing was.
        sop_instance_uid: likewise.

    Raises:
        Refused: C000 for what is unparsable, truncated, without pixel data, or has missing or invalid UIDs; A900 for
            what is not what was announced.
    """
    with _plain(path, offset, transfer_syntax_uid) as (file, start, implicit):
        header = _header(file, start, implicit)
        facts = facts_of(header)
        _check_uids(facts)
        _check_announced(facts, sop_class_uid, sop_instance_uid)
        _pixel_span(file, implicit, transfer_syntax_uid in _COMPRESSED, facts)
    return facts


def same_pixel_data(one: tuple[Path, int, str], other: tuple[Path, int, str]) -> bool:
    """Whether two data sets, given as (file, offset, transfer syntax), carry the same pixel data bytes in the same
    transfer syntax."""
    if one[2] != other[2]:
        return False
    with _plain(*one) as (a, a_start, a_implicit), _plain(*other) as (b, b_start, b_implicit):
        spans = []
        for file, start, implicit in ((a, a_start, a_implicit), (b, b_start, b_implicit)):
            facts = facts_of(_header(file, start, implicit))
            spans.append(_pixel_span(file, implicit, one[2] in _COMPRESSED, facts))
        if spans[0].length != spans[1].length:
            return False
        a.seek(spans[0].offset)
        b.seek(spans[1].offset)
        left = spans[0].length
        while left:
            step = min(left, _STEP)
            if a.read(step) != b.read(step):
                return False
            left -= step
    return True


@contextmanager
def _plain(path: Path, offset: int, transfer_syntax_uid: str) -> Iterator[tuple[BinaryIO, int, bool]]:
    """The data set as a seekable stream that is not deflated: (file, where it starts, whether it is Implicit VR)."""
    with path.open("rb") as file:
        if transfer_syntax_uid != DEFLATED:
            yield file, offset, transfer_syntax_uid == IMPLICIT_LE
            return
        file.seek(offset)
        with tempfile.TemporaryFile(dir=path.parent) as inflated:
            _inflate(file, inflated)
            yield inflated, 0, False


def _inflate(source: BinaryIO, target: BinaryIO) -> None:
    """Inflate in steps of bounded size (PS3.5 A.5: a raw deflate stream, perhaps padded with one byte)."""
    inflater, written = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        while not inflater.eof:
            data = inflater.unconsumed_tail or source.read(_STEP)
            if not data:
                raise Refused(CANNOT_UNDERSTAND, "truncated", "the deflated data set ends before its last block")
            piece = inflater.decompress(data, _STEP)
            written += len(piece)
            if written > MAX_INFLATED:
                raise Refused(
                    CANNOT_UNDERSTAND, "inflates-too-far", "the deflated data set is larger than any radiograph"
                )
            target.write(piece)
    except zlib.error as error:
        raise Refused(CANNOT_UNDERSTAND, "unparsable", "the data set is not a deflate stream") from error


def _header(file: BinaryIO, start: int, implicit: bool) -> Dataset:
    """The attributes of `facts.TAGS`; afterwards the file stands at the pixel data element."""

    def at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return int(tag) >= _PIXEL_DATA

    file.seek(start)
    try:
        return read_dataset(file, implicit, True, stop_when=at_pixels, specific_tags=[BaseTag(t) for t in TAGS])
    except Exception as error:
        raise Refused(CANNOT_UNDERSTAND, "unparsable", "the data set cannot be parsed") from error


def _check_uids(facts: InstanceFacts) -> None:
    for name, uid in (
        ("SOP Class UID", facts.sop_class_uid),
        ("SOP Instance UID", facts.sop_instance_uid),
        ("Study Instance UID", facts.study_instance_uid),
        ("Series Instance UID", facts.series_instance_uid),
    ):
        if not uid:
            raise Refused(CANNOT_UNDERSTAND, "uid-missing", f"{name} is missing, or the data set is not DICOM")
        if len(uid) > 64:
            raise Refused(CANNOT_UNDERSTAND, "uid-too-long", f"{name} has {len(uid)} characters, 64 are allowed")
        if not _UID.fullmatch(uid):
            raise Refused(CANNOT_UNDERSTAND, "uid-invalid", f"{name} is not a UID (PS3.5 9.1)")


def _check_announced(facts: InstanceFacts, sop_class_uid: str, sop_instance_uid: str) -> None:
    if sop_class_uid and sop_class_uid != facts.sop_class_uid:
        raise Refused(
            DATA_SET_DOES_NOT_MATCH, "sop-class-differs", "SOP Class UID differs between command and data set"
        )
    if sop_instance_uid and sop_instance_uid != facts.sop_instance_uid:
        raise Refused(DATA_SET_DOES_NOT_MATCH, "sop-instance-differs", "SOP Instance UID differs: command and data set")


def _pixel_span(file: BinaryIO, implicit: bool, encapsulated: bool, facts: InstanceFacts) -> PixelSpan:
    tag, length = _element(file, implicit)
    if tag != (_PIXEL_DATA >> 16, _PIXEL_DATA & 0xFFFF):
        raise Refused(CANNOT_UNDERSTAND, "truncated", "there is no pixel data, or the data set was cut before it")
    start = file.tell()
    end = file.seek(0, 2)
    file.seek(start)
    if encapsulated or length == _UNDEFINED:
        if not encapsulated:
            raise Refused(CANNOT_UNDERSTAND, "unparsable", "encapsulated pixel data in a native transfer syntax")
        return _walk_fragments(file, start, end)
    needed = (
        facts.rows
        * facts.columns
        * facts.samples_per_pixel
        * facts.number_of_frames
        * ((facts.bits_allocated + 7) // 8)
    )
    if start + length > end:
        raise Refused(CANNOT_UNDERSTAND, "truncated", f"pixel data cut: {end - start} of {length} bytes")
    if length < needed or length == 0:
        raise Refused(CANNOT_UNDERSTAND, "truncated", f"pixel data has {length} of {needed} bytes")
    return PixelSpan(start, length)


def _element(file: BinaryIO, implicit: bool) -> tuple[tuple[int, int], int]:
    """Tag and length of the element header at the file's position; group 0 at the end of the file."""
    head = file.read(8)
    if len(head) < 8:
        return (0, 0), 0
    group, element = struct.unpack_from("<HH", head)
    if implicit:
        return (group, element), int(struct.unpack_from("<I", head, 4)[0])
    if head[4:6] in (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", b"SQ", b"UT", b"UC", b"UR"):
        rest = file.read(4)
        return (group, element), int(struct.unpack("<I", rest)[0]) if len(rest) == 4 else 0
    return (group, element), int(struct.unpack_from("<H", head, 6)[0])


def _walk_fragments(file: BinaryIO, start: int, end: int) -> PixelSpan:
    """From the Basic Offset Table over at least one fragment to the sequence delimiter."""
    items, position = 0, start
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            raise Refused(CANNOT_UNDERSTAND, "truncated", "encapsulated pixel data without its sequence delimiter")
        group, element, length = struct.unpack("<HHI", head)
        position += 8
        if (group, element) == _SEQUENCE_DELIMITER:
            break
        if (group, element) != _ITEM or length == _UNDEFINED:
            raise Refused(
                CANNOT_UNDERSTAND, "unparsable", "encapsulated pixel data holds something that is not a fragment"
            )
        position += length
        if position > end:
            raise Refused(CANNOT_UNDERSTAND, "truncated", "a fragment of the pixel data was cut")
        items += 1
    if items < 2:
        raise Refused(CANNOT_UNDERSTAND, "truncated", "encapsulated pixel data without a fragment")
    return PixelSpan(start, position - start)
