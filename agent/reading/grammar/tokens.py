"""From a draft to sentences and from a sentence to tokens, with their places in the draft."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: `draft[start:end]`, without the mark that ends it unless it asks."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Token:
    """One word in lower case or one mark; `draft[start:end]` is what stands for it."""

    text: str
    start: int
    end: int


def wordset(words: str) -> frozenset[str]:
    """A class of words, from a text with blanks between them."""
    return frozenset(words.split())


_BREAK = re.compile(r"[.!?;]+|\n\s*")
_WORD = re.compile(r"[wW]/[oO]?(?![^\W_])|\d+(?:\.\d+)?(?![^\W_])|[^\W_]+(?:['’][^\W\d_]+)?|[^\w\s]")
_LAST_WORD = re.compile(r"([^\W_]+)\W*$")
_ABBREVIATIONS = wordset("vs dr mr mrs approx e.g i.e cf st ca incl resp")
# A line that ends so goes on in the next one, even if that starts with a capital.
_GOES_ON = wordset(
    "no not without of the a an in on at to for from with by and or nor is are was were be been left right bilateral "
    "there which that may than small moderate large mild severe evidence"
)
_ABBREVIATED_PLACES = {
    "rul": ("right", "upper", "lobe"), "rml": ("right", "middle", "lobe"), "rll": ("right", "lower", "lobe"),
    "lul": ("left", "upper", "lobe"), "lll": ("left", "lower", "lobe"), "lt": ("left",), "rt": ("right",),
    "&": ("and",), "cannot": ("can", "not"), "w/": ("with",), "w/o": ("without",),
}  # fmt: skip


def sentences(draft: str) -> tuple[Sentence, ...]:
    """The sentences of a draft, in order; marks without any letter are none."""
    found: list[Sentence] = []
    start = 0
    for mark in _BREAK.finditer(draft):
        if _ends_sentence(draft, start, mark):
            _add(found, draft, start, mark.start() + mark[0].startswith("?"))
            start = mark.end()
    _add(found, draft, start, len(draft))
    return tuple(found)


def _add(found: list[Sentence], draft: str, start: int, end: int) -> None:
    text = draft[start:end]
    if any(c.isalpha() for c in text):
        start += len(text) - len(text.lstrip())
        end = start + len(text.strip())
        found.append(Sentence(start, end, draft[start:end]))


def _ends_sentence(draft: str, start: int, mark: re.Match[str]) -> bool:
    before, after = draft[max(start, mark.start() - 30) : mark.start()], draft[mark.end() : mark.end() + 2]
    last = _LAST_WORD.search(before)
    if mark[0].startswith("\n"):
        blank = mark[0].count("\n") > 1
        new_line = not after[:1].islower() and not (last and last[1].lower() in _GOES_ON)
        return blank or (new_line and not before.rstrip().endswith(","))
    if mark[0] == "?" and after[:1].isalpha() and not before[-1:].isalnum():
        return False  # ?pneumothorax
    if mark[0] != ".":
        return True
    if after[:1].isdigit() and before[-1:].isdigit():
        return False  # 3.5 cm
    if after[:1].isalpha() and after[:1].islower():
        return False  # a.m
    return not (last and last[1].lower() in _ABBREVIATIONS)


def tokenize(sentence: Sentence) -> list[Token]:
    """The words and marks of a sentence. A hyphen inside a word parts it and is no token: "left-sided"."""
    shouted = sentence.text.isupper()
    tokens: list[Token] = []
    for found in _WORD.finditer(sentence.text):
        start, end = found.start() + sentence.start, found.end() + sentence.start
        if found[0] in "-‐‑" and _inside_word(sentence.text, found.start()):
            continue
        tokens.extend(Token(word, start, end) for word in _words(found[0], shouted))
    return tokens


def _inside_word(text: str, position: int) -> bool:
    return 0 < position < len(text) - 1 and text[position - 1].isalnum() and text[position + 1].isalnum()


def _words(raw: str, shouted: bool) -> Iterator[str]:
    word = raw.lower().replace("’", "'")
    if raw in ("L", "R") and not shouted:
        yield "left" if raw == "L" else "right"
    elif word in _ABBREVIATED_PLACES:
        yield from _ABBREVIATED_PLACES[word]
    elif word.endswith("n't"):
        yield {"ca": "can", "wo": "will"}.get(word[:-3], word[:-3])
        yield "not"
    else:
        yield word.removesuffix("'s")


def singular(word: str) -> str:
    """A word as names are compared: "opacities" like "opacity"."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("sses"):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "is", "us")):
        return word[:-1]
    return word
