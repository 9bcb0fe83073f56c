"""The labeller against the corpus of `radlabels`: precision and recall for each finding.

The corpus is no gold standard: its labels come from another program. Three things follow for the numbers.

* It calls most hedged findings ("may represent pneumonia") *definitely present*; this program files them as undetermined.
  So *named* compares "present or in doubt" on both sides, and *present* compares the firm ones only.
* It says nothing of many findings that its own aliases do not name ("the heart is normal", "left jugular line"), and
  its authors ask not to take silence for absence. So precision comes twice: silence counted as an error of ours, and
  only where the corpus says something.
* Its sections on why and how the film was made are left out; a draft has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from agent.evaluation.corpus import Half, Labelled, corpus
from agent.evaluation.mapping import CHEXPERT, FINDINGS, MEASURED_ONLY, NO_FINDING, Mapped
from agent.evaluation.sides import Sides, check_sides
from agent.reading.grammar.names import Lexicon
from agent.reading.labels import label
from agent.reading.statements import statements
from structured_report.content import Presence
from structured_report.vocabulary import whole_vocabulary

_FEW = 5
_SAID = {
    "definitely present": Presence.PRESENT,
    "uncertain": Presence.UNDETERMINED,
    "definitely absent": Presence.ABSENT,
}
_NAMED = frozenset({Presence.PRESENT, Presence.UNDETERMINED})
# Of several words on one finding the corpus keeps the first of these.
_FIRST = (Presence.PRESENT, Presence.UNDETERMINED, Presence.ABSENT)
Reading = Mapping[str, Presence]


@dataclass(frozen=True, slots=True)
class Count:
    """How often we said it: rightly, against the corpus, where the corpus says nothing; and how often we missed it."""

    right: int = 0
    wrong: int = 0
    silent: int = 0
    missed: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.right + other.right, self.wrong + other.wrong, self.silent + other.silent, self.missed + other.missed
        )

    @property
    def precision(self) -> float | None:
        """With silence of the corpus counted against us."""
        return _ratio(self.right, self.wrong + self.silent)

    @property
    def precision_where_said(self) -> float | None:
        """Where the corpus says anything of the finding."""
        return _ratio(self.right, self.wrong)

    @property
    def recall(self) -> float | None:
        return _ratio(self.right, self.missed)


@dataclass(frozen=True, slots=True)
class Row:
    """One finding: named (present or in doubt), present, absent."""

    finding: str
    named: Count
    present: Count
    absent: Count


@dataclass(frozen=True, slots=True)
class Measured:
    """One half of the corpus, or all of it."""

    half: str
    reports: int
    rows: tuple[Row, ...]
    chexpert: tuple[Row, ...]
    sides: Sides

    @property
    def micro(self) -> Row:
        """All findings of the vocabulary together."""
        return _sum("micro", self.rows)


def measure(half: Half | None = None) -> Measured:
    """Label the reports of one half, or of both, and compare.

    Raises:
        Permanent: the corpus is not installed.
    """
    reports = [report for report in corpus() if half is None or report.half is half]
    theirs = [_of_corpus(report, FINDINGS) for report in reports]
    chexpert_theirs = [_with_no_finding(_of_corpus(report, CHEXPERT)) for report in reports]
    return Measured(
        "all" if half is None else half,
        len(reports),
        _rows(FINDINGS, theirs, [_ours(report.text) for report in reports]),
        _rows((*CHEXPERT, NO_FINDING), chexpert_theirs, [_chexpert(report.text) for report in reports]),
        _all_sides(reports),
    )


def macro(rows: Sequence[Row], kind: str, number: str) -> float | None:
    """The mean over the findings that the corpus has in at least five reports."""
    counts = [getattr(row, kind) for row in rows]
    values = [getattr(c, number) for c in counts if c.right + c.missed >= _FEW]
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _ratio(right: int, other: int) -> float | None:
    return right / (right + other) if right + other else None


def _sum(name: str, rows: Iterable[Row]) -> Row:
    named, present, absent = Count(), Count(), Count()
    for row in rows:
        named, present, absent = named + row.named, present + row.present, absent + row.absent
    return Row(name, named, present, absent)


def _ours(text: str) -> Reading:
    found = {f.concept: f.presence for f in label(text)}
    return _combined(FINDINGS, {concept: [presence] for concept, presence in found.items()})


def _chexpert(text: str) -> Reading:
    said: dict[str, list[Presence]] = {}
    for statement in statements(text, _measuring_lexicon()):
        said.setdefault(statement.concept, []).append(statement.presence)
    return _with_no_finding(_combined(CHEXPERT, said))


@cache
def _measuring_lexicon() -> Lexicon:
    whole = whole_vocabulary()
    words = {**{c.key: c.words for c in whole.concepts.values()}, **MEASURED_ONLY}
    return Lexicon(words, {c.key: c.denied_by for c in whole.concepts.values()}, whole.not_findings)


def _combined(table: Mapping[str, Mapped], said: Mapping[str, Sequence[Presence]]) -> Reading:
    every = {row: [p for concept in mapped.concepts for p in said.get(concept, ())] for row, mapped in table.items()}
    return {row: _first(presences) for row, presences in every.items() if presences}


def _of_corpus(report: Labelled, table: Mapping[str, Mapped]) -> Reading:
    every = {
        row: [_SAID[said] for name, alias, said in report.said if name in mapped.labels and mapped.labels[name](alias)]
        for row, mapped in table.items()
    }
    return {row: _first(presences) for row, presences in every.items() if presences}


def _first(presences: Sequence[Presence]) -> Presence:
    return next(p for p in _FIRST if p in presences)


def _with_no_finding(reading: Reading) -> Reading:
    none = all(reading.get(row) not in _NAMED for row in CHEXPERT if row != "Support Devices")
    return {**reading, NO_FINDING: Presence.PRESENT if none else Presence.ABSENT}


def _rows(names: Iterable[str], theirs: Sequence[Reading], ours: Sequence[Reading]) -> tuple[Row, ...]:
    pairs = list(zip(theirs, ours, strict=True))
    return tuple(
        Row(
            name,
            _count(name, pairs, _NAMED),
            _count(name, pairs, frozenset({Presence.PRESENT})),
            _count(name, pairs, frozenset({Presence.ABSENT})),
        )
        for name in names
    )


def _count(name: str, pairs: Iterable[tuple[Reading, Reading]], wanted: frozenset[Presence]) -> Count:
    total = Count()
    for theirs, ours in pairs:
        expected, said = theirs.get(name) in wanted, ours.get(name) in wanted
        total += Count(
            right=expected and said,
            wrong=said and not expected and name in theirs,
            silent=said and name not in theirs,
            missed=expected and not said,
        )
    return total


def _all_sides(reports: Iterable[Labelled]) -> Sides:
    checked = [check_sides(report.text) for report in reports]
    return Sides(sum(c.stated for c in checked), sum(c.swapped for c in checked))
