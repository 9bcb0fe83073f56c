"""What radiologists said of drafts. Rows are only ever added; of those about one thing the newest counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

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
    mine = (c.study_instance_uid == study_instance_uid, c.revision == revision)
    last_words = select(func.max(c.id)).where(*mine).group_by(c.finding)
    rows = view.execute(select(*(c[k] for k in _COLUMNS)).where(c.id.in_(last_words)).order_by(c.id))
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
