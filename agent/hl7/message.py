"""A message taken apart, as hospitals send it: by hand, because a library that insists on the standard refuses half of them.

HL7 v2.5.1 chapter 2. Put up with: segments ended by LF or CRLF, line ends inside a text, other separators than the usual,
segments of any name in any place, blanks and a byte order mark before MSH.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.hl7.faults import Condition, Fault, Place
from structured_report.hl7_characters import KNOWN_SETS, UTF_8, reader_of
from structured_report.hl7_text import STANDARD, unescape

_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"M\x00S\x00H\x00", b"\x00M\x00S\x00H")
_LONGEST_CONTROL_ID = 199


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. `fields` are as they came, MSH-1 counted as a field; `sequence` counts those of its name from 1.

    Attributes:
        separators: MSH-1 and MSH-2: field, component, repetition, escape, subcomponent.
        decode: makes text of bytes that are written in hexadecimal.
    """

    name: str
    sequence: int
    fields: tuple[str, ...]
    separators: str
    decode: Callable[[bytes], str]

    def place(self, field: int = 0) -> Place:
        return Place(self.name, self.sequence, field)

    def raw(self, field: int) -> str:
        """The field as it came; empty when there is none, or when it is the null value ``""``."""
        found = self.fields[field].strip(" ") if field < len(self.fields) else ""
        return "" if found == '""' else found

    def repetitions(self, field: int) -> list[str]:
        """As they came, without the empty ones."""
        return [r for r in self.raw(field).split(self.separators[2]) if r.strip(" ")]

    def part(self, repetition: str, component: int, subcomponent: int = 1) -> str:
        """A component of a repetition as text; the null value is empty."""
        components = repetition.split(self.separators[1])
        if component > len(components):
            return ""
        inner = components[component - 1]
        parts = inner.split(self.separators[4]) if len(self.separators) > 4 else [inner]
        found = parts[subcomponent - 1].strip(" ") if subcomponent <= len(parts) else ""
        return "" if found == '""' else self.text(found)

    def value(self, field: int, component: int = 1, subcomponent: int = 1) -> str:
        """A component of the first repetition as text."""
        return self.part(next(iter(self.repetitions(field)), ""), component, subcomponent)

    def whole(self, field: int) -> str:
        """A field without structure (ST, TX, FT) as text, its repetitions on a line each."""
        return "\n".join(self.text(r.strip(" ")) for r in self.repetitions(field) if r.strip(" ") != '""')

    def text(self, escaped: str) -> str:
        """Without escape sequences, and without control characters but for line ends and tabs."""
        found = unescape(escaped, separators=self.separators, decode=self.decode)
        return "".join(c for c in found if c in "\n\t" or unicodedata.category(c) != "Cc")


@dataclass(frozen=True, slots=True)
class Header:
    """What an answer needs of MSH, and who wants to know. Every text is as it came, escape sequences included.

    Attributes:
        codec: for the answer.
        sender: MSH-3 and MSH-4, receiver: MSH-5 and MSH-6.
        wants_commit, wants_application: MSH-15 and MSH-16; both empty is original mode.
    """

    separators: str = STANDARD
    codec: str = "latin-1"
    sender: tuple[str, str] = ("", "")
    receiver: tuple[str, str] = ("", "")
    type: str = ""
    event: str = ""
    control_id: str = ""
    processing_id: str = ""
    version: str = ""
    wants_commit: str = ""
    wants_application: str = ""
    character_set: str = ""

    @property
    def kind(self) -> str:
        """For example ``ORM^O01``."""
        return f"{self.type}^{self.event}" if self.event else self.type


@dataclass(frozen=True, slots=True)
class Message:
    """The header and every segment, MSH first."""

    header: Header
    segments: tuple[Segment, ...]

    def first(self, name: str) -> Segment | None:
        return next((s for s in self.segments if s.name == name), None)


def peek(content: bytes) -> Header:
    """The header as far as it can be told without knowing the character set; never raises. What is not there is empty."""
    start = _start(content)
    if start.startswith(_UTF_16):  # it is not taken, but its sender is told which message that was
        start = _start(
            start.decode("utf-16-be" if start[:1] in b"\x00\xfe" else "utf-16-le", "replace").encode(
                "latin-1", "replace"
            )
        )
        start = start.removeprefix(b"?")  # the byte order mark
    if not start.startswith(b"MSH") or len(start) < 5:
        return Header()
    line = re.split(rb"[\r\n]", start, maxsplit=1)[0].decode("latin-1")
    return _header(line, "latin-1") if _usable(_separators(line)) else Header()


def must_begin(content: bytes) -> None:
    """Whether it begins as a message does. Raises `Fault`."""
    start = _start(content)
    if start.startswith(_UTF_16):
        raise _utf_16()
    if not start.startswith(b"MSH"):
        batch = start.startswith((b"FHS", b"BHS"))
        words = "batches are not taken, send each message by itself" if batch else "it does not begin with MSH"
        raise Fault(Condition.SEGMENT_SEQUENCE, Place("MSH"), words)
    if not _usable(_separators(start[:16].decode("latin-1"))):
        raise Fault(Condition.REQUIRED_FIELD, Place("MSH", 1, 2), "MSH-1 and MSH-2 do not name the separators")


def read(content: bytes, *, default_set: str = "") -> Message:
    """Take a message apart.

    Args:
        default_set: of the site, for bytes above 127 of a sender that does not fill MSH-18 and does not write UTF-8.

    Raises:
        Fault: there is no header, the character set is not known, or the bytes are not text in it.
    """
    must_begin(content)
    start, known = _start(content), peek(content)
    decode, codec = _reader(start, known, default_set)
    try:
        text = decode(start)
    except UnicodeError as error:
        named = "that MSH-18 names" if known.character_set else "ASCII (MSH-18 is empty)"
        words = f"the message is not text in the character set {named}; fill MSH-18 with the set that is used"
        raise Fault(Condition.DATA_TYPE, Place("MSH", 1, 18), words) from error
    segments = _segments(text, known.separators, decode)
    if (second := next((s for s in segments[1:] if s.name == "MSH"), None)) is not None:
        raise Fault(Condition.SEGMENT_SEQUENCE, second.place(), "there is more than one message in the frame")
    return Message(replace(_header(text.split("\r", 1)[0].split("\n", 1)[0], codec), codec=codec), segments)


def _separators(line: str) -> str:
    """MSH-1 and at most four characters of MSH-2."""
    return line[3:4] + line[4:9].split(line[3:4] or "|", 1)[0][:4]


def _usable(separators: str) -> bool:
    distinct = len(set(separators)) == len(separators) >= 3
    return distinct and all(c.isascii() and c.isprintable() and not c.isalnum() and c != " " for c in separators)


def _start(content: bytes) -> bytes:
    return content.removeprefix(_BOM).lstrip(b" \t\r\n\x00").removeprefix(_BOM)


def _utf_16() -> Fault:
    words = "UTF-16 cannot be framed by MLLP, its bytes may end the frame; send UNICODE UTF-8"
    return Fault(Condition.TABLE_VALUE, Place("MSH", 1, 18), words)


def _reader(content: bytes, known: Header, default_set: str) -> tuple[Callable[[bytes], str], str]:
    """Raises `Fault` for a set that is not known here."""
    name = known.character_set
    if not name and not content.isascii():
        # Never guessed from how it looks: UTF-8 proves itself by its form, anything else is said by the site or not taken.
        name = UTF_8 if _is_utf_8(content) else default_set
    try:
        return reader_of(name, known.separators[2])
    except KeyError as error:
        if "UTF-16" in name.upper() or "UTF-32" in name.upper():
            raise _utf_16() from error
        # The field may hold anything, a patient too where a sender has shifted its fields: it is not repeated.
        words = f"the character set is not known here (table 0211); known are {KNOWN_SETS}"
        raise Fault(Condition.TABLE_VALUE, Place("MSH", 1, 18), words) from error


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeError:
        return False
    return True


def _segments(text: str, separators: str, decode: Callable[[bytes], str]) -> tuple[Segment, ...]:
    rows: list[list[str]] = []
    for line in re.split(r"\r\n|\r|\n", text):
        name, after = line[:3], line[3:4]
        if _NAME.fullmatch(name) and after in ("", separators[0]):
            rows.append([line])
        elif rows:
            rows[-1].append(line)  # a line end inside a text
    made, counts = [], dict[str, int]()
    for lines in rows:
        row = "\n".join(lines).rstrip("\n")
        name = row[:3]
        counts[name] = counts.get(name, 0) + 1
        fields = row.split(separators[0])
        if name == "MSH":
            fields.insert(1, separators[0])
        made.append(Segment(name, counts[name], tuple(fields), separators, decode))
    return tuple(made)


def _header(line: str, codec: str) -> Header:
    field_separator = line[3:4]
    fields = line.split(field_separator)
    separators = _separators(line)

    def field(number: int) -> str:
        found = fields[number - 1].strip() if number <= len(fields) else ""
        return "" if found == '""' else found

    component = separators[1:2] or "^"
    kind = [*field(9).split(component), "", ""]
    return Header(
        separators=separators,
        codec=codec,
        sender=(field(3), field(4)),
        receiver=(field(5), field(6)),
        type=kind[0].strip(),
        event=kind[1].strip(),
        control_id=field(10),
        processing_id=field(11).split(component)[0].strip(),
        version=field(12).split(component)[0].strip(),
        wants_commit=field(15),
        wants_application=field(16),
        character_set=field(18),
    )


def check(header: Header, *, processing_ids: Sequence[str]) -> None:
    """Whether a message of that header may be taken at all. Raises `Fault`."""

    def fault(condition: Condition, field: int, words: str) -> Fault:
        return Fault(condition, Place("MSH", 1, field), words)

    for field, given in ((9, header.type), (10, header.control_id), (11, header.processing_id)):
        if not given:
            raise fault(Condition.REQUIRED_FIELD, field, f"MSH-{field} is missing")
    if len(header.control_id) > _LONGEST_CONTROL_ID:
        raise fault(Condition.DATA_TYPE, 10, f"MSH-10 has more than {_LONGEST_CONTROL_ID} characters")
    if header.version and not re.fullmatch(r"2\.\d(\.\d)?", header.version):
        raise fault(Condition.VERSION, 12, "only versions 2.1 to 2.8 are understood")
    if header.processing_id not in processing_ids:
        taken = ", ".join(processing_ids)
        raise fault(Condition.PROCESSING_ID, 11, f"MSH-11 is not among those that are taken here ({taken})")
