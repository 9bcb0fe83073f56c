r"""HL7 v2 escaping, both ways (2.5.1 section 2.7).

``\F\`` is ``|``, ``\S\`` is ``^``, ``\T\`` is ``&``, ``\R\`` is ``~``, ``\E\`` is the backslash; ``\.br\`` is a line
end in FT, ``\X0D0A\`` in any other text. Control characters never get into a message: an FS CR inside a text would
end the MLLP frame.
"""

from __future__ import annotations

import re

_ESCAPES = {"|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\\": "\\E\\"}
_PLAIN = {code.strip("\\"): character for character, code in _ESCAPES.items()}
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


def unescape(text: str) -> str:
    """The text that was escaped. Sequences that are not ours are left as they stand."""
    return _SEQUENCE.sub(_unescaped, text)


def _unescaped(match: re.Match[str]) -> str:
    code = match.group(1)
    if code in _PLAIN:
        return _PLAIN[code]
    if code in (".br", "X0D0A", "X0A", "X0D"):
        return "\n"
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
