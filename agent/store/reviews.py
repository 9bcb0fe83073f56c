"""What radiologists said of drafts. Rows are only ever added; of those about one thing the newest counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select

from agent.store import studies
from agent.store.schema import review

ACCEPTED, CORRECTED, REJECTED, MISSED, TAKEN_BACK = "accepted", "corrected", "rejected", "missed", "taken-back"
VERDICTS = (ACCEPTED, CORRECTED, REJECTED, MISSED, TAKEN_BACK)
WHOLE = ""
"""In place of a finding: the draft as a whole."""


@dataclass(frozen=True, slots=True)
class Review:
    """One judgement.

    Attributes:
        revision: number of the study revision that was looked at.
        finding: key of the vocabulary, or `WHOLE`.
        stated: presence as the draft had it; empty where it said nothing of the finding, and for the whole.
        verdict: one of `VERDICTS`.
        presence, laterality: of a correction, or of what was missed; empty where they are not corrected.
        words: the radiologist's own.
        account: name of who judged.
        id: grows with every judgement; 0 before it is written down.
    """

    study_instance_uid: str
    revision: int
    finding: str
    stated: str
    verdict: str
    account: str
    at: datetime
    presence: str = ""
    laterality: str = ""
    words: str = ""
    id: int = 0


_COLUMNS = tuple(Review.__dataclass_fields__)


def add(tx: Connection, row: Review) -> None:
    """Write a judgement down, and in the history that there is one: the worklist shows it."""
    tx.execute(insert(review).values(**{c: getattr(row, c) for c in _COLUMNS if c != "id"}))
    about = row.finding or "the draft"
    studies.note(tx, row.study_instance_uid, "review", row.verdict, f"{about}, by {row.account}", now=row.at)


def newest(view: Connection, study_instance_uid: str, revision: int) -> dict[str, Review]:
    """The last word about each thing of one revision, by finding; that something was taken back is one too."""
    c = review.c
    rows = view.execute(_newest(c.study_instance_uid == study_instance_uid, c.revision == revision))
    return {row.finding: Review(*row) for row in rows}


def standing(view: Connection, study_instance_uid: str, revision: int) -> dict[str, Review]:
    """What counts at the moment about one revision, by finding; what was taken back is not among it."""
    return counting(newest(view, study_instance_uid, revision))


def counting(last_words: Mapping[str, Review]) -> dict[str, Review]:
    """Of the last words about each thing those that count: what was taken back is not among them."""
    return {finding: row for finding, row in last_words.items() if row.verdict != TAKEN_BACK}


def newest_of_others(view: Connection, study_instance_uid: str, revision: int, account: str) -> int:
    """Number of the last judgement about one revision that somebody else than `account` made; 0 where there is none."""
    c = review.c
    mine = (c.study_instance_uid == study_instance_uid, c.revision == revision)
    return int(view.execute(select(func.max(c.id)).where(*mine, c.account != account)).scalar() or 0)


def history(view: Connection, study_instance_uid: str) -> tuple[Review, ...]:
    """Every judgement about a study, oldest first."""
    c = review.c
    rows = view.execute(
        select(*(c[k] for k in _COLUMNS)).where(c.study_instance_uid == study_instance_uid).order_by(c.id)
    )
    return tuple(Review(*row) for row in rows)


def counted(view: Connection, since: datetime, until: datetime) -> tuple[Review, ...]:
    """Every judgement that counts and was made in that time, oldest first: the numbers over time are made of these."""
    c = review.c
    return tuple(
        Review(*row) for row in view.execute(_newest().where(c.at >= since, c.at < until, c.verdict != TAKEN_BACK))
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often radiologists agreed with what drafts stated of one finding (`WHOLE`: with drafts as a whole)."""

    finding: str
    accepted: int
    corrected: int
    rejected: int
    missed: int

    @property
    def judged(self) -> int:
        """Of how many statements; what was missed is none."""
        return self.accepted + self.corrected + self.rejected

    @property
    def share(self) -> float | None:
        """Accepted of judged, 0 to 1; None where nothing was judged."""
        return self.accepted / self.judged if self.judged else None


def agreement(view: Connection, since: datetime, until: datetime) -> tuple[Agreement, ...]:
    """By finding, in the order of their keys."""
    c = review.c
    rows = view.execute(
        select(c.finding, c.verdict, func.count())
        .where(c.id.in_(_newest_ids()), c.at >= since, c.at < until, c.verdict != TAKEN_BACK)
        .group_by(c.finding, c.verdict)
    )
    counts: dict[str, dict[str, int]] = {}
    for finding, verdict, number in rows:
        counts.setdefault(str(finding), {})[str(verdict)] = int(number)
    kinds: Sequence[str] = (ACCEPTED, CORRECTED, REJECTED, MISSED)
    return tuple(Agreement(name, *(counts[name].get(kind, 0) for kind in kinds)) for name in sorted(counts))


def _newest(*among: ColumnElement[bool]) -> Select[Any]:
    c = review.c
    return select(*(c[k] for k in _COLUMNS)).where(c.id.in_(_newest_ids(*among))).order_by(c.id)


def _newest_ids(*among: ColumnElement[bool]) -> Select[tuple[int]]:
    """Of each thing that was judged, the newest row; `among`: of which things, so that not all of them are looked through."""
    c = review.c
    return select(func.max(c.id)).where(*among).group_by(c.study_instance_uid, c.revision, c.finding)
