"""Runaway repetition: the same sentence again and again, or the same words in a loop."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby

from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.meaning import meaning
from agent.reading.guards.passage import Passage, joined, pieces, quote

SAME_SENTENCE = 3  # so often it is a loop; twice is only clumsy
SAME_WORDS = 4  # in a row
LONGEST_LOOP = 12  # words
HEAVY_WORDS = 60  # an answer this long ...
HEAVY_SHARE = 0.5  # ... of which so much repeats is the product of a loop and not of looking
_WORD = re.compile(r"\S+")


def is_heavy(text: str) -> bool:
    """Whether an answer is mostly repetition."""
    words = _WORD.findall(text)
    if len(words) < HEAVY_WORDS:
        return False
    left = _without_loops(_without_sentences(text)[0])
    return len(_WORD.findall(left)) < (1 - HEAVY_SHARE) * len(words)


def check_repetition(passage: Passage) -> Passage:
    """Each repeated sentence and each loop of words once."""
    text, repeated = _without_sentences(passage.text)
    for sentence, times in repeated:
        words = f"{quote(sentence)} stood there {times} times and was kept once."
        passage = passage.rewritten(text, Code.REPETITION, Effect.REPAIRED, words)
    return passage.mapped(_unlooped, Code.REPETITION, "repeats its words")


def repetition_in_trace(trace: str) -> str:
    """What a reader is told of a trace that runs in circles; empty when it does not."""
    repeated = _without_sentences(trace)[1]
    if repeated:
        return f"says {quote(repeated[0][0])} {repeated[0][1]} times"
    return "runs in a loop of words" if any(_without_loops(p.words) != p.words for p in pieces(trace)) else ""


def _without_sentences(text: str) -> tuple[str, list[tuple[str, int]]]:
    """The text with each sentence that is there too often kept once, and which those are."""
    parts = pieces(text)
    times = Counter(_plain(p.words) for p in parts)
    many = {words for words, n in times.items() if n >= SAME_SENTENCE}
    if not many:
        return text, []
    seen: set[str] = set()
    kept, repeated = [], []
    for part in parts:
        words = _plain(part.words)
        if words not in seen:
            kept.append(part)
            if words in many:
                repeated.append((part.words, times[words]))
        elif words not in many:
            kept.append(part)
        seen.add(words)
    return joined(kept), repeated


def _plain(words: str) -> str:
    return " ".join(re.findall(r"\w+", words.lower()))


def _unlooped(sentence: str) -> str | None:
    """The sentence without its loops; nothing when they hid what it says."""
    plain = _without_loops(sentence)
    if plain == sentence:
        return sentence
    plain = plain.rstrip(" ,;:")
    return plain if meaning(plain) == meaning(sentence) else None


def _without_loops(text: str) -> str:
    words = _WORD.findall(text)
    kept = words
    for length in range(1, LONGEST_LOOP + 1):
        kept = _without_runs(kept, length)
    return text if kept == words else " ".join(kept)


def _without_runs(words: list[str], length: int) -> list[str]:
    """The words with each run of `length` words that stands `SAME_WORDS` times or more in a row kept once.

    A run shows as a stretch in which every word is the one `length` places before.
    """
    plain = [w.lower().strip(",;:") for w in words]
    same = [n >= length and plain[n] == plain[n - length] for n in range(len(words))]
    kept: list[str] = []
    at = 0
    for repeats, group in groupby(same):
        n = sum(1 for _ in group)
        extra = length * (n // length) if repeats and n >= length * (SAME_WORDS - 1) else 0
        kept += words[at : at + n - extra]
        at += n
    return kept
