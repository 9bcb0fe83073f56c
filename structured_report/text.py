"""Text that survives a DICOM UT, an HL7 FT and a terminal alike.

A narrative is normalised once, when it is stored; what stands in the SR, in the ORU and on the screen is then the
same text.
"""

from __future__ import annotations

import hashlib
import unicodedata

MAX_NARRATIVE = 32_000  # characters; the rest of a runaway text is represented by its digest


def normalise_text(text: str) -> str:
    """NFC; LF line ends; TAB as four spaces; other control characters, lone surrogates and noncharacters dropped;
    blank ends trimmed; capped.

    PS3.5 6.2 allows CR, LF, FF and ESC in UT and nothing else below 0x20; HL7 v2 framing allows none of them.
    Idempotent.
    """
    lines = unicodedata.normalize("NFC", "".join(_allowed(c) for c in text.replace("\r\n", "\n").replace("\r", "\n")))
    trimmed = "\n".join(line.rstrip() for line in lines.split("\n")).strip("\n")
    if len(trimmed) <= MAX_NARRATIVE:
        return trimmed
    digest = hashlib.sha256(trimmed.encode()).hexdigest()
    mark = f"\n[truncated, sha256={digest}]"
    return trimmed[: MAX_NARRATIVE - len(mark)].rstrip() + mark


def _allowed(character: str) -> str:
    if character == "\t":
        return "    "
    if character == "\n":
        return character
    if character in "\x85\u2028\u2029":
        return "\n"  # line ends of other worlds
    kind = unicodedata.category(character)
    code = ord(character)
    return "" if kind in ("Cc", "Cs") or _is_noncharacter(code) else character


def _is_noncharacter(code: int) -> bool:
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def exactly(text: str) -> str:
    """An identifier or a name as it is, but for what no document can carry: control characters, line and paragraph separators,
    lone surrogates and noncharacters. An ideographic space, a joiner and a mark of direction are part of a name."""
    return "".join(
        c for c in text if unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") and not _is_noncharacter(ord(c))
    )


def to_dicom(text: str) -> str:
    """Normalised text with the CR LF line ends of a DICOM text value."""
    return text.replace("\n", "\r\n")


def from_dicom(text: str) -> str:
    """The normalised text that :func:`to_dicom` was given."""
    return text.replace("\r\n", "\n")


def one_line(text: str, limit: int) -> str:
    """Normalised, on one line, at most `limit` characters: fit for LO and ST."""
    return " ".join(normalise_text(text).replace("\\", "/").split())[:limit].rstrip()
