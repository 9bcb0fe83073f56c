"""What each sentence of a draft says of the findings of the vocabulary.

This is the level guards work on: every statement knows its sentence and its words. `agent.reading.labels` settles the
statements to one finding each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.reading.grammar.joined import joined
from agent.reading.grammar.line import Line
from agent.reading.grammar.names import Lexicon, vocabulary_lexicon
from agent.reading.grammar.presence import Presences
from agent.reading.grammar.said import Said
from agent.reading.grammar.tokens import Sentence, sentences, tokenize
from agent.reading.grammar.whereabouts import whereabouts
from structured_report.content import Laterality, Presence, Severity
from structured_report.vocabulary import vocabulary

_PRESENCE = {
    Said.AFFIRMED: Presence.PRESENT,
    Said.DENIED: Presence.ABSENT,
    Said.DOUBTED: Presence.UNDETERMINED,
}


@dataclass(frozen=True, slots=True)
class Statement:
    """What one sentence says of one finding.

    Attributes:
        sentence: index into `sentences(draft)`.
        start / end: the words that name the finding are `draft[start:end]`.
        concept: key of `vocabulary.toml`.
        laterality: the side the sentence states, never a guessed one. Of a denial: the side it is denied for; None is
            the whole chest.
        severity: of what is there or in doubt; None for a denial.
        place: key of the place table, or empty.
        partial: a denial of a kind, a size or a place of the finding only: "no large effusion", "no new nodule". It
            contradicts nothing. A denial of one side is not partial: it contradicts that side.
    """

    sentence: int
    start: int
    end: int
    concept: str
    presence: Presence
    laterality: Laterality | None = None
    severity: Severity | None = None
    place: str = ""
    partial: bool = False


def statements(draft: str, lexicon: Lexicon | None = None) -> tuple[Statement, ...]:
    """Everything a draft says of findings, in the order of its words.

    Args:
        draft: the findings text in English.
        lexicon: the names to look for; those of the vocabulary unless given.
    """
    names = lexicon or vocabulary_lexicon()
    return tuple(
        statement for index, sentence in enumerate(sentences(draft)) for statement in _said(index, sentence, names)
    )


def _said(index: int, sentence: Sentence, lexicon: Lexicon) -> list[Statement]:
    tokens = joined(tokenize(sentence))
    line = Line(tokens, lexicon.mentions(tokens))
    if not line.mentions:
        return []
    places, presences = whereabouts(line), Presences(line)
    found: list[list[Statement]] = []
    for n, mention in enumerate(line.mentions):
        said, at = presences.of(n), places[n]
        if said is Said.NOTHING:
            found.append([])
            continue
        statement = Statement(
            sentence=index,
            start=tokens[mention.start].start,
            end=tokens[mention.end - 1].end,
            concept="",
            presence=_PRESENCE[said],
            laterality=at.laterality,
            severity=None if presences.negated(n) else at.severity,
            place=at.place,
            partial=presences.partial(n),
        )
        found.append([_fitted(replace(statement, concept=concept)) for concept in mention.concepts])
    _spread(found, line)
    return [statement for group in found for statement in group]


def _fitted(said: Statement) -> Statement:
    """A statement without what its finding or its kind does not have."""
    concept = vocabulary().get(said.concept)
    side = said.laterality if concept is None or concept.sided else None
    if said.presence is not Presence.ABSENT:
        return replace(said, laterality=side, partial=False)
    if side is Laterality.BILATERAL:
        side = None  # denied on both sides: denied
    return replace(said, laterality=side, severity=None, partial=said.partial or bool(said.place))


def _spread(found: list[list[Statement]], line: Line) -> None:
    """ "No effusion or pneumothorax on the right" and "no right effusion or pneumothorax" deny neither of the whole
    chest."""
    listed: list[int] = []
    for n in range(len(found)):
        listed.append(n)
        if not line.joined(n):
            _spread_in_list(found, listed)
            listed = []


def _spread_in_list(found: list[list[Statement]], listed: list[int]) -> None:
    if any(s.laterality for n in listed for s in found[n] if s.presence is Presence.ABSENT):
        for n in listed:
            found[n] = [
                replace(s, partial=True) if s.presence is Presence.ABSENT and s.laterality is None else s
                for s in found[n]
            ]
