"""A finished document as a person reads it on a terminal: the same content, a line for each part of it.

No character in it moves the cursor, turns the direction of the text or rings a bell: such characters stand as escapes.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.multival import MultiValue

from structured_report.hl7_characters import codec_of
from structured_report.text import from_dicom

_DICOM = ("sr", "sc", "gsps", "plain-sr", "ko")


def hl7_lines(message: bytes) -> str:
    """The segments of a message, one a line, in the character set that it names (MSH-18). A byte that is not of it stands as
    an escape, and so does every byte that is not ASCII where the set is not known."""
    fields = message.partition(b"\r")[0].split(b"|")
    try:
        codec = codec_of(fields[17].decode("latin-1") if len(fields) > 17 else "")
    except KeyError:
        codec = "ascii"
    return _visible(message.decode(codec, "backslashreplace").replace("\r", "\n"))


def dicom_dump(content: bytes) -> str:
    """The elements of a DICOM file, one a line, sequences indented, texts in full. Raises
    `pydicom.errors.InvalidDicomError`."""
    data_set = dcmread(BytesIO(content))
    return "\n".join(_visible(line) for line in (*_lines(data_set.file_meta), *_lines(data_set))) + "\n"


def _lines(data_set: Dataset, depth: int = 0) -> Iterator[str]:
    indent = "    " * depth
    for element in data_set:
        head = f"{indent}{element.tag} {element.VR} {element.name}"
        if element.VR == "SQ":
            yield f"{head}: {len(element.value)} items"
            for number, item in enumerate(element.value, 1):
                yield f"{indent}  item {number}"
                yield from _lines(item, depth + 1)
        elif isinstance(element.value, bytes):
            yield f"{head}: {len(element.value)} bytes"
        else:
            values = element.value if isinstance(element.value, MultiValue) else [element.value]
            text = from_dicom("\\".join("" if v is None else str(v) for v in values))
            yield f"{head}: " + text.replace("\n", f"\n{indent}    ")


def json_lines(content: bytes) -> str:
    """A result for programs, indented."""
    return _visible(json.dumps(json.loads(content), indent=2, ensure_ascii=False)) + "\n"


def readable(kind: str, content: bytes) -> str:
    """A document of that kind: ``json``, one of DICOM, or one of HL7."""
    if kind in _DICOM:
        return dicom_dump(content)
    return json_lines(content) if kind == "json" else hl7_lines(content)


def _visible(text: str) -> str:
    return "".join(
        c if c == "\n" or not unicodedata.category(c).startswith("C") else f"\\u{{{ord(c):X}}}" for c in text
    )
