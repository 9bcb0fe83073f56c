"""Text that switches its character set with the escape sequences of ISO 2022, as MSH-18 announces with repetitions.

What is designated to G0 stands for the bytes below 128, what is designated to G1 for those above. A segment begins in the
set of the first repetition again (HL7 v2.5.1 2.15.9.18 to 20).
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\x1b([\x20-\x2f]+[\x30-\x7e])")
# Sets of several bytes, or of half-width katakana, in G0; the codec reads them with their escape sequence before them.
_G0 = {
    b"(B": "ascii", b"(J": "iso2022_jp_ext", b"(I": "iso2022_jp_ext", b"$B": "iso2022_jp_ext", b"$@": "iso2022_jp_ext",
    b"$(D": "iso2022_jp_ext", b"$A": "iso2022_jp_2", b"$(C": "iso2022_jp_2",
}  # fmt: skip
_G1 = {
    b"-A": "iso8859-1", b"-B": "iso8859-2", b"-C": "iso8859-3", b"-D": "iso8859-4", b"-L": "iso8859-5", b"-G": "iso8859-6",
    b"-F": "iso8859-7", b"-H": "iso8859-8", b"-M": "iso8859-9", b"$)C": "euc_kr", b"$)A": "gb2312", b")I": "shift_jis",
}  # fmt: skip


def decode_iso2022(content: bytes, first: str) -> str:
    """The text.

    Args:
        first: codec of the first repetition of MSH-18; ASCII in its lower half.

    Raises:
        UnicodeError: a byte that its set has not, or an escape sequence that is not known here.
    """
    return "".join(_segment(piece, first) for piece in re.split(rb"([\r\n])", content))


def _segment(content: bytes, first: str) -> str:
    pieces = _ESCAPE.split(content)
    text, low, high = [pieces[0].decode(first)], b"(B", first
    for escape, run in zip(pieces[1::2], pieces[2::2], strict=True):
        if escape in _G0:
            low = escape
        elif escape in _G1:
            high = _G1[escape]
        else:
            raise UnicodeDecodeError("iso2022", run, 0, 0, "an escape sequence that is not known here")
        text.append(run.decode(high) if _G0[low] == "ascii" else (b"\x1b" + low + run).decode(_G0[low]))
    return "".join(text)
