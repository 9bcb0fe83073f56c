r"""HL7 v2 escaping, both ways (2.5.1 section 2.7).

``\F\`` is ``|``, ``\S\`` is ``^``, ``\T\`` is ``&``, ``\R\`` is ``~``, ``\E\`` is the backslash; ``\.br\`` is a line
end in FT, ``\X0D0A\`` in any other text. Control characters never get into a message: an FS CR inside a text would
end the MLLP frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_ESCAPES = {"|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\\": "\\E\\"}
STANDARD = "|^~\\&"
_SEPARATORS = "FSRET"  # the letters of their escape sequences, in the order of MSH-1 and MSH-2
_LINE_END = re.compile(r"\.br|\.ce|\.sp(\+?\d+)?|X0D0A|X0A|X0D")
_LAYOUT = re.compile(r"[HN]|\.(fi|nf)|\.(in|ti)[+-]?\d*|\.sk\d*")
_HEXADECIMAL = re.compile(r"X([0-9A-Fa-f]{2})+")
_SEQUENCE = re.compile(r"\\([^\\]*)\\")
_PIECE = re.compile(r"\\[^\\]*\\|\[U\+[0-9A-F]{4,6}\]|[^\\]", re.DOTALL)


def escape(text: str, *, formatted: bool, line_end: str | None = None) -> str:
    """Escape normalised text (`text.normalise_text`) for a field.

    Args:
        formatted: True for FT, where line ends become ``\\.br\\``; False for ST and TX, where they become
            ``\\X0D0A\\``.
        line_end: what they become instead.
    """
    if line_end is None:
        line_end = "\\.br\\" if formatted else "\\X0D0A\\"
    return "".join(line_end if c == "\n" else _ESCAPES.get(c, c if c >= " " else " ") for c in text)


def unescape(text: str, *, separators: str = STANDARD, decode: Callable[[bytes], str] | None = None) -> str:
    r"""The text that was escaped.

    Line ends of FT (``\.br\``, ``\.sp\``, ``\.ce\``) and those in hexadecimal become line ends, highlighting and indents go. Sequences
    that are not known here, those that switch the character set among them, are left as they stand.

    Args:
        separators: MSH-1 and MSH-2 of the message: field, component, repetition, escape, subcomponent.
        decode: makes text of the bytes of ``\Xdd..\``; without it only line ends are understood. Raises `UnicodeError`.
    """
    mark = separators[3:4]
    if not mark or mark not in text:
        return text
    pattern = _SEQUENCE if mark == "\\" else re.compile(f"{re.escape(mark)}([^{re.escape(mark)}]*){re.escape(mark)}")
    return pattern.sub(lambda found: _unescaped(found, separators, decode), text)


def _unescaped(match: re.Match[str], separators: str, decode: Callable[[bytes], str] | None) -> str:
    code = match.group(1)
    place = _SEPARATORS.find(code) if len(code) == 1 else -1
    if 0 <= place < len(separators):
        return separators[place]
    if _LINE_END.fullmatch(code):
        return "\n"
    if _LAYOUT.fullmatch(code):
        return ""
    if decode is not None and _HEXADECIMAL.fullmatch(code):
        try:
            text = decode(bytes.fromhex(code[1:]))
        except UnicodeError:
            return match.group(0)
        if all(c.isprintable() or c in "\r\n\t" for c in text):
            return text.replace("\r\n", "\n").replace("\r", "\n")
    return match.group(0)


def cap(escaped: str, limit: int, mark: str) -> str:
    """At most `limit` characters of an escaped text, never cut inside an escape sequence, nor inside what stands for a
    character (`hl7_characters.fit`); a text that was cut ends with `mark`."""
    if len(escaped) <= limit:
        return escaped
    kept, length = [], 0
    room = limit - len(mark)
    for piece in _PIECE.findall(escaped):
        if length + len(piece) > room:
            break
        kept.append(piece)
        length += len(piece)
    return "".join(kept) + mark
