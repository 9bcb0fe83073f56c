"""Comparison with a film that was not shown: the commonest thing a model of this family gets wrong.

A sentence is said again without its comparison where it stays true; where it says nothing else it is left out. What it
says of the findings is read before and after and has to be the same.
"""

from __future__ import annotations

import re

from agent.reading.grammar.words import FINITE
from agent.reading.guards.codes import Code
from agent.reading.guards.comparison_edits import plainly, without_asides
from agent.reading.guards.comparison_words import NO_NEW, compares, shielded, unshielded
from agent.reading.guards.evidence import Evidence
from agent.reading.guards.meaning import meaning, restated
from agent.reading.guards.passage import Passage, pieces, quote
from agent.reading.guards.patterns import any_of, phrase
from agent.reading.guards.tidy import is_whole, tidied
from agent.reading.statements import Statement, statements
from structured_report.content import Presence

__all__ = ["check_comparison", "compares", "comparison_in_trace", "denied_only_as_new"]

_WHY = "compares with a prior image, and none was shown"
_LONGEST = 600  # characters; what is longer is no sentence, and only its findings are said again
# A list mark or a heading ("Heart:"), and the words after it.
_HEADING = re.compile(r"^(\s*(?:[-*•]\s+)?(?:\d{1,2}[.)]\s+)?(?:[A-Z][A-Za-z/() ]{2,38}:\s+)?)(.*)$", re.DOTALL)
_CLAUSES = phrase(
    r"(\s*; |,? (?:but|while|whereas|although|though) |,? and (?=(?:there|no|the|an?|it) )|, (?=(?:there|no|the) )|,? with (?!respect))"
)
_HOLLOW = phrase(
    r"^(?:there is (?:an? )?|the )?(?:overall )?"
    + any_of(
        "aeration appearance inspiration inspiratory inflation expansion positioning position support clinical overall otherwise"
    )
    + r"\b"
)
_NEXT_THOUGHT = phrase(r"\b(?:no|there|but|however|although|is|are|without)\b|;")


def check_comparison(passage: Passage, evidence: Evidence) -> Passage:
    """Without comparisons, unless a prior image was shown."""
    return passage if evidence.has_prior else passage.mapped(_uncompared, Code.COMPARISON, _WHY)


def comparison_in_trace(trace: str) -> str:
    """What a reader is told of a trace that compares; it is never changed."""
    compared = [p.words for p in pieces(trace) if compares(p.words)]
    if not compared:
        return ""
    times = f" and in {len(compared) - 1} more sentences" if len(compared) > 1 else ""
    return f"compares with a prior image, and none was shown: {quote(compared[0])}{times}"


def denied_only_as_new(text: str, said: tuple[Statement, ...]) -> dict[str, str]:
    """The findings that a text denies only as new ("no new consolidation"), each with its sentence: without a prior that
    leaves open whether there is an old one, which is then as new as any."""
    sentences = [p.words for p in pieces(text)]
    starts, at = [], 0
    for piece in pieces(text):
        starts.append(at + len(piece.lead))
        at += len(piece.lead) + len(piece.words) + len(piece.tail)
    new: dict[str, str] = {}
    plain: set[str] = set()
    for one in said:
        before = sentences[one.sentence][: max(0, one.start - starts[one.sentence])]
        if one.presence is Presence.ABSENT and _reached_by_no_new(before):
            new.setdefault(one.concept, sentences[one.sentence])
        else:
            plain.add(one.concept)
    return {concept: sentence for concept, sentence in new.items() if concept not in plain}


def _reached_by_no_new(before: str) -> bool:
    found = list(NO_NEW.finditer(before))
    return bool(found) and not _NEXT_THOUGHT.search(before[found[-1].end() :])


def _uncompared(sentence: str) -> str | None:
    if not compares(sentence):
        return sentence
    before = statements(sentence)
    if len(sentence) <= _LONGEST:
        for candidate in (_in_clauses(sentence), _as_one(sentence)):
            if (
                candidate
                and not compares(candidate)
                and _says_something(candidate)
                and meaning(candidate) == meaning(sentence)
            ):
                return candidate
    return restated(before)


def _as_one(sentence: str) -> str:
    heading, words = _heading_apart(sentence)
    plain = _plain_clause(words)
    return tidied(heading + tidied(plain, words), sentence) if plain else ""


def _in_clauses(sentence: str) -> str:
    """Each clause by itself; one that does nothing but compare goes with the word that joins it."""
    heading, words = _heading_apart(sentence)
    covered, kept = shielded(words)
    parts = _clauses(unshielded(without_asides(covered), kept))
    text = ""
    for n in range(0, len(parts), 2):
        plain = _plain_clause(parts[n])
        if plain:
            text += parts[n - 1] + _lowered(plain) if n and text else plain
    return tidied(heading + tidied(text, words), sentence) if text else ""


def _heading_apart(sentence: str) -> tuple[str, str]:
    found = _HEADING.match(sentence)
    return (found[1], found[2]) if found else ("", sentence)


def _clauses(words: str) -> list[str]:
    """Clauses and, between them, what joins them. What has no verb shares that of the next: "a line and a tube are stable"."""
    parts = _CLAUSES.split(words)
    whole = [parts[0]]
    for n in range(2, len(parts), 2):
        if FINITE.isdisjoint(whole[-1].lower().split()):
            whole[-1] += parts[n - 1] + parts[n]
        else:
            whole += [parts[n - 1], parts[n]]
    return whole


def _lowered(clause: str) -> str:
    return clause[:1].lower() + clause[1:] if clause.startswith(("There ", "The ", "No ", "Possible ")) else clause


def _plain_clause(clause: str) -> str:
    """The clause without its comparison; nothing where nothing would be left."""
    if not compares(clause):
        return clause
    covered, kept = shielded(clause)
    plain = unshielded(plainly(covered), kept)
    if not compares(plain) and _says_something(tidied(plain, plain)):
        return plain
    return restated(statements(clause)) or ""


def _says_something(sentence: str) -> bool:
    """Whether what is left is worth a sentence: "Overall", "Aeration of the right lung" are not."""
    if not is_whole(sentence):
        return False
    return bool(meaning(sentence)) or (len(sentence.split()) > 1 and not _HOLLOW.match(sentence))
