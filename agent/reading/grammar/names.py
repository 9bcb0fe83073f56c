"""Where a sentence names a finding of the vocabulary, or something normal that denies one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from agent.reading.grammar.tokens import Sentence, Token, singular, tokenize, wordset
from structured_report.vocabulary import whole_vocabulary

GAP = "..."
_LONGEST_GAP = 8
# What may stand for `...` in a name: words that change neither what is named nor where another clause begins.
_FILLERS = wordset(
    "is are was were be been has have remain remains appear appears appearing remaining size sized silhouette contour "
    "contours shadow the of in a at both bilateral bilaterally left right lateral posterior anterior again still now "
    "also overall not no longer stable unchanged top upper limit limits within borderline otherwise likely probably may "
    "might could can well relatively fully expanded inflated aerated mostly largely essentially somewhat quite "
    "persistently chronically mediastinal mediastinum hilar pulmonary field fields zone zones hyperinflated "
    "hyperexpanded mild mildly small minimal minimally slight slightly moderate moderately severe severely marked "
    "markedly massively grossly significantly volume volumes low high very sided upper middle lower entire least to : *"
)
_JOINED = wordset("mediastinal mediastinum hilar clear normal unremarkable enlarged well sharp")


@dataclass(frozen=True, slots=True)
class Mention:
    """Tokens `[start, end)` of a sentence name these findings; `denied` when they name their absence."""

    start: int
    end: int
    concepts: tuple[str, ...]
    denied: bool = False


@dataclass(slots=True)
class _Name:
    words: tuple[str, ...]
    concepts: list[str] = field(default_factory=list)
    denied: bool = False

    @property
    def weight(self) -> int:
        return sum(word != GAP for word in self.words)


class Lexicon:
    """The names that are looked for. The default one is made of `vocabulary.toml`."""

    def __init__(
        self,
        words: Mapping[str, Iterable[str]],
        denied_by: Mapping[str, Iterable[str]],
        not_findings: Iterable[str] = (),
    ) -> None:
        names: dict[tuple[tuple[str, ...], bool], _Name] = {}
        for table, denied in ((words, False), (denied_by, True)):
            for concept, phrases in table.items():
                for phrase in phrases:
                    parts = _parts(phrase)
                    names.setdefault((parts, denied), _Name(parts, denied=denied)).concepts.append(concept)
        for phrase in not_findings:
            names[_parts(phrase), False] = _Name(_parts(phrase))
        self._by_first: dict[str, list[_Name]] = {}
        for name in names.values():
            self._by_first.setdefault(name.words[0], []).append(name)

    def mentions(self, tokens: Sequence[Token]) -> list[Mention]:
        """The findings that the tokens name, in order; a longer name covers a shorter one inside it."""
        stems = [singular(t.text) for t in tokens]
        found: list[tuple[int, int, int, _Name]] = []
        for start, stem in enumerate(stems):
            for name in self._by_first.get(stem, ()):
                end = _match(name.words, tokens, stems, start)
                of_something = end is not None and name.denied and end < len(tokens) and tokens[end].text == "of"
                if end is not None and not of_something:  # clear of consolidation
                    found.append((-name.weight, start, end, name))
        found.sort(key=lambda f: f[:3])
        taken: set[int] = set()
        mentions: list[Mention] = []
        for _, start, end, name in found:
            if taken.isdisjoint(range(start, end)):
                taken.update(range(start, end))
                mentions.append(Mention(start, end, tuple(dict.fromkeys(name.concepts)), name.denied))
        return sorted((m for m in mentions if m.concepts), key=lambda m: m.start)


@cache
def vocabulary_lexicon() -> Lexicon:
    """The names of `vocabulary.toml`."""
    whole = whole_vocabulary()
    concepts = whole.concepts.values()
    return Lexicon({c.key: c.words for c in concepts}, {c.key: c.denied_by for c in concepts}, whole.not_findings)


def _parts(phrase: str) -> tuple[str, ...]:
    parts: list[str] = []
    for piece in phrase.split():
        if piece == GAP:
            parts.append(GAP)
        else:
            parts.extend(singular(t.text) for t in tokenize(Sentence(0, len(piece), piece)))
    return tuple(parts)


def _match(words: tuple[str, ...], tokens: Sequence[Token], stems: Sequence[str], start: int) -> int | None:
    """Where the name that starts here ends, or None."""
    at = start + 1
    n = 1
    while n < len(words):
        if words[n] == GAP:
            n += 1
            limit = min(at + _LONGEST_GAP, len(tokens) - 1)
            while at < limit and stems[at] != words[n] and _fills(tokens, at):
                at += 1
        if at >= len(tokens) or stems[at] != words[n]:
            return None
        at += 1
        n += 1
    return at


def _fills(tokens: Sequence[Token], at: int) -> bool:
    word = tokens[at].text
    if word in ("and", "but"):
        return at + 1 < len(tokens) and tokens[at + 1].text in _JOINED
    return word in _FILLERS or singular(word) in _FILLERS or word.endswith("ly")
