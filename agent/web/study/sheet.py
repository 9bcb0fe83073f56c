"""A case as the template wants it: findings in the order in which one looks at them, words in pieces, films with their boxes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.store.reviews import Review, counting
from agent.web.study.case import PRIOR, Case, Film
from agent.web.study.evidence import Piece, pieces_of
from structured_report.content import Finding, Presence, Probability, Region
from structured_report.vocabulary import vocabulary

Translate = Callable[[str], str]
_MOST_FILMS = 4


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding of the draft.

    Attributes:
        only_asked: the draft does not mention it; what is known comes from the short question alone.
        review: what counts of the judgements about it.
    """

    finding: Finding
    probability: Probability | None
    regions: tuple[Region, ...]
    only_asked: bool
    review: Review | None


@dataclass(frozen=True, slots=True)
class FilmView:
    """A film with the boxes that lie in it, as JSON for the viewer."""

    film: Film
    boxes: str
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the page shows. `texts`: name of each part that has words, and its pieces, in the order of the page;
    `could_be_missed`: findings that the draft does not state as present."""

    findings: tuple[FindingRow, ...]
    asked: tuple[FindingRow, ...]
    texts: tuple[tuple[str, tuple[Piece, ...]], ...]
    films: tuple[FilmView, ...]
    missed: tuple[Review, ...]
    whole: Review | None
    could_be_missed: tuple[str, ...]


def sheet_of(case: Case, t: Translate, last_words: Mapping[str, Review]) -> Sheet:
    """Put the page of a case together.

    Args:
        t: texts in the reader's language.
        last_words: of `agent.store.reviews.newest`, about this revision.
    """
    said, reviews = case.said, counting(last_words)
    findings = () if said is None else _rows(case, said.findings, reviews, only_asked=False)
    asked = () if said is None else _rows(case, said.checked, reviews, only_asked=True)
    shown = {row.finding.concept for row in (*findings, *asked)}
    missed = tuple(r for concept, r in reviews.items() if concept and (r.verdict == "missed" or concept not in shown))
    present = {row.finding.concept for row in findings if row.finding.presence is Presence.PRESENT}
    could_be = tuple(c for c in vocabulary() if c not in present)
    return Sheet(findings, asked, _texts(case), _films(case, t), missed, reviews.get(""), could_be)


def _rows(
    case: Case, findings: tuple[Finding, ...], reviews: Mapping[str, Review], *, only_asked: bool
) -> tuple[FindingRow, ...]:
    assert case.said is not None
    probabilities = {p.concept: p for p in case.said.probabilities}
    rows = [
        FindingRow(
            f,
            probabilities.get(f.concept),
            tuple(r for r in case.said.regions if r.concept == f.concept),
            only_asked,
            reviews.get(f.concept),
        )
        for f in findings
    ]
    return tuple(
        sorted(rows, key=lambda r: (_rank(r.finding.presence), -(r.probability.value if r.probability else 0)))
    )


def _rank(presence: Presence) -> int:
    return [Presence.PRESENT, Presence.UNDETERMINED, Presence.ABSENT].index(presence)


def _texts(case: Case) -> tuple[tuple[str, tuple[Piece, ...]], ...]:
    if case.said is None:
        return ()
    narrative = case.said.narrative
    parts = (
        ("impression", narrative.impression),
        ("findings", narrative.findings),
        ("comparison", narrative.comparison),
        ("reasoning", narrative.reasoning),
    )
    return tuple((name, pieces_of(text)) for name, text in parts if text)


def _films(case: Case, t: Translate) -> tuple[FilmView, ...]:
    """Those of the study that were read, or, where none was, all that it has; beside them the earlier one."""
    own = [f for f in case.own_films if f.role] or list(case.own_films)
    chosen = [*own[: _MOST_FILMS - len(case.priors)], *case.priors]
    return tuple(_film_view(case, film, t) for film in chosen)


def _film_view(case: Case, film: Film, t: Translate) -> FilmView:
    regions = () if case.said is None else case.said.regions
    here = tuple(r for r in regions if r.sop_instance_uid == film.sop_instance_uid and film.role != PRIOR)
    return FilmView(film, json.dumps([_box(r, t) for r in here]), here)


def _box(region: Region, t: Translate) -> dict[str, Any]:
    side = f", {t(f'findings.side.{region.laterality}')}" if region.laterality else ""
    return {
        "concept": region.concept,
        "label": t(f"findings.name.{region.concept}") + side,
        "box": [region.x0, region.y0, region.x1, region.y1],
    }
