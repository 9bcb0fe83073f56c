"""The texts of a header in their own letters, or not at all: a name is never guessed (PS3.3 C.12.1.1.2, PS3.5 6.1).

pydicom reads what it cannot decode as Latin-1 or with replacement characters, takes ISO-IR 13 for Shift JIS and leaves a
switch of sets in force over the delimiters of a name. All of that makes a plausible name of another one. What is decoded
here is exactly what the header declares; everything else counts as not readable, and is said to be so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

UNICODE = "ISO_IR 192"
_CHARACTER_SET = BaseTag(0x00080005)
# VRs of which the Specific Character Set is said (PS3.5 6.1.2.2), and what ends a switch of sets in each beside control
# characters: the set of value 1 is in force again after it (PS3.5 6.1.2.5.3).
_DELIMITERS = {"PN": b"\\^=", "SH": b"\\", "LO": b"\\", "UC": b"\\", "ST": b"", "LT": b"", "UT": b""}
_MULTIPLE = ("PN", "SH", "LO", "UC")
_ESC = 0x1B
_RESETTING = b"\t\n\f\r"


def extended_sets() -> tuple[str, ...]:
    """The defined terms of the sets that are read with code extension."""
    return tuple(f"ISO 2022 IR {n}" for n in sorted({"6", "87", "159", *_G1}, key=int))


class Undecodable(ValueError):
    """The bytes are not text of the character sets that are declared."""


@dataclass(frozen=True, slots=True)
class _Set:
    """A set of graphic characters: the codec that knows it, what that wants before each, and bytes a character."""

    codec: str
    width: int = 1
    before: bytes = b""


_ASCII, _JIS_ROMAN, _KATAKANA = _Set("ascii"), _Set("jis-roman"), _Set("katakana")
_JIS_ROMAN_OWN = {0x5C: "\u00a5", 0x7E: "\u203e"}  # ISO-IR 14 has yen and overline there
# Registration number -> the set that is in G1 at the beginning of a value (PS3.3 Tables C.12-2 to C.12-4).
_G1 = {
    "100": _Set("iso8859-1"), "101": _Set("iso8859-2"), "109": _Set("iso8859-3"), "110": _Set("iso8859-4"),
    "144": _Set("iso8859-5"), "127": _Set("iso8859-6"), "126": _Set("iso8859-7"), "138": _Set("iso8859-8"),
    "148": _Set("iso8859-9"), "203": _Set("iso8859-15"), "166": _Set("tis-620"), "13": _KATAKANA,
    "149": _Set("euc_kr", 2), "58": _Set("gb2312", 2),
}  # fmt: skip
# Escape sequence -> whether it is for G1, and the set that it puts there.
_ESCAPES = {
    b"\x1b(B": (False, _ASCII), b"\x1b(J": (False, _JIS_ROMAN), b"\x1b)I": (True, _KATAKANA),
    b"\x1b$B": (False, _Set("euc_jp", 2)), b"\x1b$(D": (False, _Set("euc_jp", 2, b"\x8f")),
    b"\x1b$)C": (True, _G1["149"]), b"\x1b$)A": (True, _G1["58"]),
    **{
        b"\x1b-" + final: (True, _G1[number])
        for final, number in (
            (b"A", "100"), (b"B", "101"), (b"C", "109"), (b"D", "110"), (b"L", "144"), (b"G", "127"), (b"F", "126"),
            (b"H", "138"), (b"M", "148"), (b"b", "203"), (b"T", "166"),
        )
    },
}  # fmt: skip
_ALONE = {UNICODE: "utf-8", "GB18030": "gb18030", "GBK": "gbk"}  # no code extension with these (PS3.5 6.1.2.5.4)
_TERM = re.compile(r"ISO[ _-]?(?P<extended>2022)?[ _-]?IR[ _-]?(?P<number>\d+)")  # also as devices misspell it
# What a site may say that its devices mean when they declare nothing.
SINGLE_BYTE = ("ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 144", "ISO_IR 127", "ISO_IR 126",
               "ISO_IR 138", "ISO_IR 148", "ISO_IR 203", "ISO_IR 13", "ISO_IR 166")  # fmt: skip
WHOLE_SETS = (*SINGLE_BYTE, *_ALONE)


def decode(value: bytes, declared: Sequence[str], *, vr: str) -> str:
    """The text of an element's value.

    Args:
        value: as it stands in the data set, padding included.
        declared: the values of Specific Character Set; empty for the default repertoire, ISO-IR 6.
        vr: one of PN, SH, LO, UC, ST, LT, UT.

    Raises:
        Undecodable: a byte is no character of the sets that are declared, a set or an escape sequence is unknown, or there
            are escape sequences and no code extension is declared. The message holds none of the text.
    """
    terms = [t.strip(" \0").upper() for t in declared] or [""]
    padded = value.rstrip(b" \0")
    if (codec := _ALONE.get(UNICODE if _number(terms[0]) == "192" else terms[0])) is not None:
        if _ESC in padded:
            raise Undecodable("an escape sequence, with a character set that has no code extension")
        return _with(codec, padded)
    return "".join(_characters(padded, _start(terms), _DELIMITERS[vr], extended=_is_extended(terms)))


def make_readable(header: Dataset, *, undeclared: str = "") -> tuple[str, ...]:
    """Decode every text of a header that has just been parsed, in place; afterwards it is one of ISO_IR 192. What cannot be
    decoded is taken out.

    Args:
        undeclared: the character set that is meant where none is declared; empty: ISO-IR 6, as the standard has it.

    Returns:
        The keywords of what was taken out, each once, those in sequences included.
    """
    lost = dict.fromkeys(_readable(header, [undeclared] if undeclared else [], undeclared))
    return tuple(lost)


def _readable(header: Dataset, inherited: list[str], undeclared: str) -> Iterator[str]:
    declared = _declared(header) or inherited
    for tag in list(header.keys()):
        raw = header.get_item(tag)
        if raw is None or not dictionary_has_tag(tag):
            continue
        vr = raw.VR if raw.VR not in (None, "UN") else dictionary_VR(tag)
        if vr == "SQ":
            for item in _items(header, tag):
                yield from _readable(item, declared, undeclared)
        elif vr in _DELIMITERS and isinstance(raw, RawDataElement):
            if (text := _text(raw, declared, vr)) is None:
                del header[tag]
                yield keyword_for_tag(tag)
            else:
                header[tag] = DataElement(tag, vr, text, validation_mode=IGNORE)
    if _CHARACTER_SET in header:
        header[_CHARACTER_SET] = DataElement(_CHARACTER_SET, "CS", UNICODE)


def _text(raw: RawDataElement, declared: Sequence[str], vr: str) -> str | list[str] | None:
    if raw.value is None and raw.length:
        return None  # left in the file, because it is longer than any text
    try:
        text = decode(raw.value or b"", declared, vr=vr)
    except Undecodable:
        return None
    if vr not in _MULTIPLE or "\\" not in text:
        return text
    return [part.strip(" \0") for part in text.split("\\")]


def _declared(header: Dataset) -> list[str]:
    raw = header.get_item(_CHARACTER_SET)
    if raw is None or not raw.value:
        return []
    if isinstance(raw, RawDataElement):
        terms = raw.value.decode("latin-1").split("\\")
    else:
        terms = [raw.value] if isinstance(raw.value, str) else [str(t) for t in raw.value]
    return terms if any(t.strip(" \0") for t in terms) else []


def _items(header: Dataset, tag: BaseTag) -> list[Dataset]:
    try:
        value = header[tag].value
    except Exception:  # noqa: BLE001  a sequence that cannot be parsed counts as absent, as everywhere
        return []
    return [item for item in value or () if isinstance(item, Dataset)]


def _start(terms: Sequence[str]) -> tuple[_Set, _Set | None]:
    """What is in G0 and G1 at the beginning of a value: it is value 1 that says so."""
    number = _number(terms[0])  # of a set that is not known nothing but ASCII can be read
    return (_JIS_ROMAN if number == "13" else _ASCII), _G1.get(number)


def _number(term: str) -> str:
    found = _TERM.fullmatch(term)
    return found["number"] if found else ""


def _is_extended(terms: Sequence[str]) -> bool:
    found = [_TERM.fullmatch(t) for t in terms if t]
    return len(terms) > 1 or any(f is not None and f["extended"] for f in found)


def _characters(value: bytes, start: tuple[_Set, _Set | None], delimiters: bytes, *, extended: bool) -> Iterator[str]:
    (low, high), position = start, 0
    while position < len(value):
        byte = value[position]
        if byte == _ESC:
            sequence = next((s for s in _ESCAPES if value.startswith(s, position)), None)
            if sequence is None or not extended:
                raise Undecodable("an escape sequence that is not known, or not declared")
            in_high, chosen = _ESCAPES[sequence]
            low, high = (low, chosen) if in_high else (chosen, high)
            position += len(sequence)
            continue
        if byte < 0x21 or byte == 0x7F or (low.width == 1 and byte in delimiters):
            if byte in _RESETTING or byte in delimiters:
                low, high = start
            yield chr(byte)
            position += 1
            continue
        graphic = low if byte < 0x80 else high
        if graphic is None:
            raise Undecodable("a byte beyond ASCII, and no character set that has it is declared")
        yield _character(value[position : position + graphic.width], graphic)
        position += graphic.width


def _character(code: bytes, graphic: _Set) -> str:
    if graphic is _JIS_ROMAN:
        return _JIS_ROMAN_OWN.get(code[0], chr(code[0]))
    if graphic is _KATAKANA:
        if not 0xA1 <= code[0] <= 0xDF:
            raise Undecodable("a byte that is not in JIS X 0201")
        return chr(0xFF61 + code[0] - 0xA1)
    if graphic.width == 2 and not (len(code) == 2 and {b & 0x80 for b in code} == {code[0] & 0x80} and _graphic(code)):
        raise Undecodable("half of a character of two bytes")
    if code[0] in range(0x80, 0xA0):
        raise Undecodable("a control character of C1")
    return _with(graphic.codec, graphic.before + (bytes(b | 0x80 for b in code) if graphic.width == 2 else code))


def _graphic(code: bytes) -> bool:
    return all(0x21 <= b & 0x7F <= 0x7E for b in code)


def _with(codec: str, value: bytes) -> str:
    try:
        return value.decode(codec)
    except UnicodeDecodeError as error:
        raise Undecodable(f"bytes that are not {codec}") from error
