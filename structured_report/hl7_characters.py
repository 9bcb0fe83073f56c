"""The character sets of HL7 v2 messages (MSH-18, table 0211), and what becomes of a character that one has not."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from structured_report.hl7_iso2022 import decode_iso2022

UTF_8 = "UNICODE UTF-8"
# Name in MSH-18 -> codec. Those of several bytes a character keep clear of VT, FS and CR, so that they can be framed; in
# BIG-5, GB 18030 and ISO IR87 a second byte may look like a separator, and whoever reads them decodes before it parses.
CHARACTER_SETS = {
    UTF_8: "utf-8",
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_1",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
}
# The first repetition of MSH-18 is the set at the beginning; the others are switched to by ISO 2022 escapes (2.5.1 2.15.9.18).
_BY_ESCAPE = ("ISO IR87", "ISO IR159")
# Names that are only read: table 0211 has them, and what is written here never needs them.
_ONLY_READ = {
    "": "ascii",
    "ISO IR6": "ascii",
    "ISO IR14": "shift_jis",
    "UNICODE": "utf-8",
    "UTF-8": "utf-8",
    "GB18030": "gb18030",
}
KNOWN_SETS = "ASCII, 8859/1 to 9 and 15, UNICODE UTF-8, ISO IR14, ISO IR87, ISO IR159, KS X 1001, GB 18030-2000, BIG-5"
"""Those that are read, in words."""
_HANGUL_FILLER = "\u3164"  # in KS X 1001 it begins a syllable made up of letters, and is no character of its own


def msh_18(character_set: str) -> str:
    """The field as it is written, separators included."""
    return f"ASCII~{character_set}" if character_set in _BY_ESCAPE else character_set


def codec_of(msh_18_field: str) -> str:
    """The codec for a message with that MSH-18. Raises `KeyError` for a set that is not known here."""
    sets = [s.strip() for s in msh_18_field.split("~") if s.strip() not in ("", "ASCII")]
    return CHARACTER_SETS[sets[0]] if sets else ("utf-8" if not msh_18_field.strip() else "ascii")


def reader_of(msh_18_field: str, separator: str = "~") -> tuple[Callable[[bytes], str], str]:
    """How the bytes of a message with that MSH-18 are read, and the codec for an answer in the same set.

    An empty field means ASCII, as the standard has it. With repetitions, and with the Japanese sets, escape sequences of ISO 2022 are
    understood. The reader raises `UnicodeError`: nothing is replaced.

    Raises:
        KeyError: a set that is not known here, or that MLLP cannot carry: UTF-16 and UTF-32 have bytes that end a frame.
    """
    names = [" ".join(name.split()).upper() for name in msh_18_field.split(separator)]
    codecs = [(CHARACTER_SETS | _ONLY_READ)[name] for name in names]
    switched = len(names) > 1 or names[0] in _BY_ESCAPE
    first = "ascii" if codecs[0].startswith("iso2022") else codecs[0]
    if not switched:
        return lambda content: content.decode(first), first
    written = next((c for c in codecs if c not in ("ascii", "shift_jis")), first)
    return lambda content: decode_iso2022(content, first), written


def fit(text: str, character_set: str) -> tuple[str, int]:
    """The text with ``[U+2265]`` in place of every character that the set has not, and how many those were."""
    codec = CHARACTER_SETS[character_set]
    if codec == "utf-8":
        return text, 0
    pieces = [c if _has(codec, c) else f"[U+{ord(c):04X}]" for c in text]
    return "".join(pieces), sum(len(p) > 1 for p in pieces)


@lru_cache(maxsize=65_536)
def _has(codec: str, character: str) -> bool:
    """Whether it comes back as itself."""
    if character == _HANGUL_FILLER and codec == "euc_kr":
        return False
    try:
        return character.encode(codec).decode(codec) == character
    except UnicodeError:
        return False
