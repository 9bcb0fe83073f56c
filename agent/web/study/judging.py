"""What a radiologist says of a draft: checked against what the draft states, then written down. Nothing that was sent changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from agent.store import reviews
from agent.store.reviews import ACCEPTED, CORRECTED, MISSED, REJECTED, TAKEN_BACK, WHOLE, Review
from agent.web.refused import Refused
from agent.web.study.case import Case
from structured_report.content import Laterality, Outcome, Presence
from structured_report.vocabulary import vocabulary

LONGEST_WORDS = 1000
_JUDGED = (Outcome.READ, Outcome.ABSTAINED)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the form says.

    Attributes:
        finding: key of the vocabulary, or empty for the draft as a whole.
        seen: number of the last review that was on the page, whichever it was about.
        despite: number of the review by somebody else that was shown in answer to the same judgement before.
    """

    finding: str
    verdict: str
    presence: str
    laterality: str
    words: str
    seen: int = 0
    despite: int = 0


class Meanwhile(Exception):
    """Somebody else has judged the same since the page was made; nothing was written down. `newer`: what was said."""

    def __init__(self, newer: Review) -> None:
        super().__init__(newer.verdict)
        self.newer = newer


def may_be_judged(case: Case) -> bool:
    """Whether there is a draft to judge."""
    return case.said is not None and case.said.outcome in _JUDGED


def judge(tx: Connection, case: Case, said: Judgement, *, account: str, now: datetime) -> Review:
    """Write the judgement down, unless its author cannot know what it would take the place of.

    Raises:
        Meanwhile: somebody else has judged the same since.
        Refused: as `review_of`.
    """
    made = review_of(case, said, account=account, now=now)
    newer = reviews.newest(tx, made.study_instance_uid, made.revision).get(made.finding)
    if newer is not None and newer.account != account and newer.id > said.seen and newer.id != said.despite:
        raise Meanwhile(newer)
    reviews.add(tx, made)
    return made


def review_of(case: Case, said: Judgement, *, account: str, now: datetime) -> Review:
    """The judgement as it is kept.

    Raises:
        Refused: the draft states no such finding, or the form says nothing that could be kept.
    """
    if not may_be_judged(case):
        raise _impossible()
    stated = _stated(case, said)
    fits = {
        ACCEPTED: True,
        REJECTED: True,
        TAKEN_BACK: True,
        CORRECTED: bool(said.words.strip()) or bool(said.finding and (said.presence or said.laterality)),
        MISSED: bool(said.finding) and stated != Presence.PRESENT,
    }.get(said.verdict, False)
    known = said.presence in ("", *Presence) and said.laterality in ("", "none", *Laterality)
    if not fits or not known:
        raise _impossible()
    keeps = said.verdict in (CORRECTED, MISSED)
    assert case.revision is not None
    return Review(
        case.line.study_instance_uid,
        case.revision.number,
        said.finding,
        stated,
        said.verdict,
        account,
        now,
        presence=(Presence.PRESENT if said.verdict == MISSED else said.presence) if keeps and said.finding else "",
        laterality=said.laterality if keeps and said.finding else "",
        words="" if said.verdict == TAKEN_BACK else said.words.strip()[:LONGEST_WORDS],
    )


def _stated(case: Case, said: Judgement) -> str:
    """Presence of the finding as the draft has it; empty where it says nothing of it."""
    assert case.said is not None
    if said.finding == WHOLE:
        return ""
    found = next((f for f in (*case.said.findings, *case.said.checked) if f.concept == said.finding), None)
    if found is None and (said.finding not in vocabulary() or said.verdict not in (MISSED, TAKEN_BACK)):
        raise _impossible()
    return "" if found is None else str(found.presence)


def _impossible() -> Refused:
    return Refused(422, "cannot-be-judged")
