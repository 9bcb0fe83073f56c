"""Foreign script: the model falls into another language. English reports need Latin letters, single Greek ones and signs."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.passage import Passage, quote

MOST_FOREIGN = 0.3  # of the letters of an answer; above, what is left cannot be trusted to be whole
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_GREEK_WORD = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]{2,}")
_FULL_STOP = re.compile(r"[。．！？；]\s*")
_FIRST_EASTERN = 0x2E80  # from here on: CJK, Hangul, full width forms, private use


def foreign_share(text: str) -> float:
    """The share of foreign characters in all letters and foreign characters."""
    foreign = len(_foreign(text))
    letters = sum(c.isalpha() for c in text)
    return foreign / max(1, letters, foreign)


def check_script(passage: Passage) -> Passage:
    """Without the sentences that hold foreign script: what stands between its words cannot be read."""
    if not _foreign(passage.text):
        return passage
    text = _FULL_STOP.sub(". ", passage.text).strip()
    if text != passage.text:
        passage = passage.rewritten(
            text, Code.FOREIGN_SCRIPT, Effect.REPAIRED, "full stops of another script were replaced."
        )
    return passage.mapped(lambda s: None if _foreign(s) else s, Code.FOREIGN_SCRIPT, "is partly in another script")


def trace_in_foreign_script(trace: str) -> str:
    """What a reader is told of a trace that holds foreign script; empty when it holds none."""
    if not (found := _foreign(trace)):
        return ""
    return f"holds {len(found)} characters of another script, for example {quote(''.join(found[:20]))}"


def _foreign(text: str) -> list[str]:
    found = [c for c in _NOT_ASCII.findall(text) if _is_foreign(c)]
    for word in _GREEK_WORD.findall(text):
        found.extend(word)
    return found


@lru_cache(maxsize=4096)
def _is_foreign(character: str) -> bool:
    if ord(character) >= _FIRST_EASTERN:
        return True
    if not unicodedata.category(character).startswith(("L", "M")):
        return False
    name = unicodedata.name(character, "")
    return not name.startswith(("LATIN", "GREEK", "MICRO SIGN", "MODIFIER LETTER", "FEMININE", "MASCULINE"))
