"""What is left of a sentence when words were taken out, put right: blanks, commas, articles, the first letter."""

from __future__ import annotations

import re

from agent.reading.grammar.words import FINITE
from agent.reading.guards.empty_nouns import lacks_noun

_FIXES = (
    (re.compile(r"\(\s*[,;]?\s*\)|\[\s*\]"), " "),
    (re.compile(r"\s+"), " "),
    (re.compile(r"\s+([,;:.)])"), r"\1"),
    (re.compile(r"([,;])(?:\s*[,;])+"), r"\1"),
    (re.compile(r"^(?:[\s,;:.)]|(?:and|but|with|while|which)\b(?=\s*(?:,|$|the\b|there\b|no\b)))+", re.IGNORECASE), ""),
    (re.compile(r"[\s,;:(]+$"), ""),
    (re.compile(r"(?:\s+(?:and|but|with|which|while))+$", re.IGNORECASE), ""),
    (re.compile(r"\b([Aa])n(?= (?!hour|honest|[xX]-?ray)[b-df-hj-np-tv-zB-DF-HJ-NP-TV-Z][a-z])"), r"\1"),
    (re.compile(r"\b([Aa])(?= (?!uni|use|eu|one|ure)[aeiou][a-z])"), r"\1n"),
)
_WORD = re.compile(r"[^\W\d_]+")
_CUT_SHORT = re.compile(
    r"(?:\b(?:is|are|be|measures?|measuring|at|by|approximately|about|in|on|to|than|as|it|which|that|may|might|could|can|will|should|slightly|mildly)|[-(,])\s*$"
    r"|^(?:above|below|from|in|than|as|to|by|which|that)\s*$|^(?:in|as)\s+(?:size|extent|appearance)\b|\b(?:is|are)\s+(?:is|are|from|suggesting|and|but|which)\b"
    r"|\b(?:has|have)\s+(?:this|over|from|in|on|at|and|but|with|the|due|following|as|to(?!\s+be))\b|\b(?:has|have|is|are)\s*,"
    r"|\b(?:has|have)\s+(?:all\b\s*)?(?:\w+ly\s*)?$|\bconsistent\s+(?!with\b)|\b(?:has|have)\s+appearance\b|\b(?:is|are)\s+in\s+(?:size|appearance|extent|volume|degree)\b",
    re.IGNORECASE,
)
_VERBS = FINITE | {
    "seen",
    "noted",
    "demonstrated",
    "sits",
    "lies",
    "courses",
    "overlies",
    "crosses",
    "enters",
    "passes",
}
_LETTER = re.compile(r"[^\W\d_]")


def tidied(sentence: str, original: str) -> str:
    """The sentence put right; it begins with a capital where the original did."""
    for wrong, right in _FIXES:
        sentence = wrong.sub(right, sentence)
    first, was = _LETTER.search(sentence), _LETTER.search(original)
    if first and was and was[0].isupper():
        sentence = sentence[: first.start()] + first[0].upper() + sentence[first.end() :]
    return sentence.strip()


def is_whole(sentence: str) -> bool:
    """Whether what is left can stand as a sentence: "The nodule", "is in size" cannot."""
    words = [w.lower() for w in _WORD.findall(sentence)]
    if not words or _CUT_SHORT.search(sentence) or lacks_noun(sentence):
        return False
    return words[0] != "the" or len(words) > 12 or not _VERBS.isdisjoint(words)
