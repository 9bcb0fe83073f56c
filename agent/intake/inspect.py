"""Is what has arrived an image, whole, and the one that was announced? The header is parsed; the pixels are stepped
over, never loaded.

pydicom parses a data set that was cut anywhere without any error, so completeness is checked here: native pixel data
against rows, columns and bits, encapsulated pixel data by walking its fragments to the sequence delimiter (PS3.5
A.4).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from agent.errors import Permanent, PrereadError
from agent.imaging.decode import same_stored_values
from agent.imaging.facts import TAGS, InstanceFacts, facts_of
from agent.imaging.inflate import PlainDataSet, plain_data_set
from dicom_nodes.contexts import DEFLATED, TRANSFER_SYNTAXES
from dicom_nodes.status import CANNOT_UNDERSTAND, DATA_SET_DOES_NOT_MATCH

_PIXEL_DATA = 0x7FE00010
_ITEM, _SEQUENCE_DELIMITER = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
_UNDEFINED = 0xFFFFFFFF
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")
_COMPRESSED = {t.uid for t in TRANSFER_SYNTAXES if t.compressed}
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
    path: Path,
    offset: int,
    transfer_syntax_uid: str,
    *,
    sop_class_uid: str = "",
    sop_instance_uid: str = "",
    undeclared: str = "",
) -> InstanceFacts:
    """Check the data set that starts at `offset` in the file, and say what it is.

    Args:
        sop_class_uid: what the C-STORE-RQ announced; empty when nothing was.
        sop_instance_uid: likewise.
        undeclared: the character set that is meant where the image declares none.

    Raises:
        Refused: C000 for what is unparsable, truncated, without pixel data, or has missing or invalid UIDs; A900 for
            what is not what was announced.
    """
    with _plain(path, offset, transfer_syntax_uid) as plain:
        facts = facts_of(_header(plain), undeclared=undeclared)
        _check_uids(facts)
        _check_announced(facts, sop_class_uid, sop_instance_uid)
        _pixel_span(plain, transfer_syntax_uid in _COMPRESSED, facts)
    return facts


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """Where pixel data are: a DICOM file, the offset of its data set, and its transfer syntax."""

    path: Path
    offset: int
    transfer_syntax_uid: str

    @property
    def compressed(self) -> bool:
        """Whether the pixel data are encapsulated."""
        return self.transfer_syntax_uid in _COMPRESSED

    def comparable_with(self, other: StoredPixels) -> bool:
        """Whether the same pixels are the same bytes in both."""
        syntaxes = {self.transfer_syntax_uid, other.transfer_syntax_uid}
        return DEFLATED not in syntaxes and (len(syntaxes) == 1 or not (self.compressed or other.compressed))


def same_pixel_data(one: StoredPixels, other: StoredPixels) -> bool:
    """Whether two data sets hold the same pixels, in whatever transfer syntax: a modality and a PACS may send one image
    in two of them. Pixels that cannot be compared are not the same."""
    try:
        if one.comparable_with(other):
            return _same_bytes(one, other)
        return same_stored_values(one.path, other.path)
    except (PrereadError, Refused, OSError):
        return False


def _same_bytes(one: StoredPixels, other: StoredPixels) -> bool:
    """Whether the pixel data elements hold the same values; what pads a native one to an even length does not count."""
    with ExitStack() as stack:
        places = []
        for pixels in (one, other):
            plain = stack.enter_context(_plain(pixels.path, pixels.offset, pixels.transfer_syntax_uid))
            facts = facts_of(_header(plain))
            span = _pixel_span(plain, pixels.compressed, facts)
            places.append((plain.file, span.offset, span.length if pixels.compressed else _native_length(facts)))
        (a, a_offset, a_length), (b, b_offset, b_length) = places
        if a_length != b_length:
            return False
        a.seek(a_offset)
        b.seek(b_offset)
        steps = [min(_STEP, a_length - done) for done in range(0, a_length, _STEP)]
        return all(a.read(step) == b.read(step) for step in steps)


@contextmanager
def _plain(path: Path, offset: int, transfer_syntax_uid: str) -> Iterator[PlainDataSet]:
    try:
        with plain_data_set(path, offset, transfer_syntax_uid) as plain:
            yield plain
    except Permanent as error:
        raise Refused(CANNOT_UNDERSTAND, error.code, str(error)) from error


def _header(plain: PlainDataSet) -> Dataset:
    """The attributes of `facts.TAGS`; afterwards the file stands at the pixel data element."""

    def at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return int(tag) >= _PIXEL_DATA

    plain.file.seek(plain.start)
    try:
        return read_dataset(
            plain.file, plain.implicit, True, stop_when=at_pixels, specific_tags=[BaseTag(t) for t in TAGS]
        )
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


def _pixel_span(plain: PlainDataSet, encapsulated: bool, facts: InstanceFacts) -> PixelSpan:
    file, end = plain.file, plain.end
    tag, length = _element(file, plain.implicit)
    if tag != (_PIXEL_DATA >> 16, _PIXEL_DATA & 0xFFFF):
        raise Refused(CANNOT_UNDERSTAND, "truncated", "there is no pixel data, or the data set was cut before it")
    start = file.tell()
    if encapsulated or length == _UNDEFINED:
        if not encapsulated:
            raise Refused(CANNOT_UNDERSTAND, "unparsable", "encapsulated pixel data in a native transfer syntax")
        return _walk_fragments(file, start, end)
    needed = _native_length(facts)
    if start + length > end:
        raise Refused(CANNOT_UNDERSTAND, "truncated", f"pixel data cut: {end - start} of {length} bytes")
    if length < needed or length == 0:
        raise Refused(CANNOT_UNDERSTAND, "truncated", f"pixel data has {length} of {needed} bytes")
    return PixelSpan(start, length)


def _native_length(facts: InstanceFacts) -> int:
    """Bytes that native pixel data of that shape have (PS3.5 8.1.1)."""
    samples = facts.rows * facts.columns * facts.samples_per_pixel * facts.number_of_frames
    return samples * ((facts.bits_allocated + 7) // 8)


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
