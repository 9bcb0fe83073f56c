"""The report that a person has finished, beside the draft: its words, and where the two agree by the labeller of this program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from agent.hl7.faults import Fault
from agent.hl7.message import read
from agent.hl7.report_text import report_text
from agent.intake.case import case_of
from agent.orders.reports import FinishedReport
from agent.reading.labels import label
from agent.settings import Settings
from agent.store import heard, orders
from agent.web.study.evidence import LONGEST, Piece, pieces_of
from structured_report.content import Finding, Laterality, Presence
from structured_report.vocabulary import vocabulary

AGREE, DIFFER, SIDE, UNDECIDED = "agree", "differ", "side_differs", "undecided"
ONLY_DRAFT, ONLY_REPORT = "only_draft", "only_report"
_SIDES = (Laterality.LEFT, Laterality.RIGHT)


@dataclass(frozen=True, slots=True)
class Compared:
    """One finding in both. `verdict` is one of the codes above."""

    concept: str
    draft: Finding | None
    report: Finding | None
    verdict: str


@dataclass(frozen=True, slots=True)
class FinalReport:
    """The newest finished report about a study. `text` is empty where the message holds none, `gone` says that the message was let
    go."""

    status: str
    heard_at: datetime
    text: str
    gone: bool
    pieces: tuple[Piece, ...] = ()
    compared: tuple[Compared, ...] = ()


def final_report(view: Connection, uid: str, settings: Settings, drafted: Sequence[Finding]) -> FinalReport | None:
    """The newest report about the study that a person has finished; None when none is known.

    Args:
        drafted: what the draft states.
    """
    if not orders.newest_report(view, uid):
        return None
    # Weighed as for what is sent: a report that names the same number and another patient is not this study's.
    reports = case_of(view, uid, settings.gate, settings.identity).weighed.reports
    return _read(view, reports[-1], settings, drafted) if reports else None


def _read(view: Connection, report: FinishedReport, settings: Settings, drafted: Sequence[Finding]) -> FinalReport:
    message = heard.message(view, report.message_id)
    text = ""
    if message.content:
        its = report.order
        numbers = (its.accession_number, its.placer_order_number, its.filler_order_number)
        try:
            segments = read(message.content, default_set=settings.orders.character_set).segments
            text = report_text(segments, numbers)
        except Fault:  # it was understood when it came; the settings of today read it otherwise
            text = ""
    return FinalReport(
        report.status,
        message.received_at,
        text,
        not message.content,
        pieces_of(text),
        compare(drafted, label(text[:LONGEST])),
    )


def compare(drafted: Sequence[Finding], reported: Sequence[Finding]) -> tuple[Compared, ...]:
    """Every finding that one of the two claims or both speak of, in the order of the vocabulary. That a report does not mention
    what a draft denies is no difference."""
    ours, theirs = {f.concept: f for f in drafted}, {f.concept: f for f in reported}
    rows = []
    for concept in vocabulary():
        mine, its = ours.get(concept), theirs.get(concept)
        if mine is not None and its is not None:
            rows.append(Compared(concept, mine, its, _verdict(mine, its)))
        elif mine is not None and mine.presence is not Presence.ABSENT:
            rows.append(Compared(concept, mine, None, ONLY_DRAFT))
        elif its is not None and its.presence is not Presence.ABSENT:
            rows.append(Compared(concept, None, its, ONLY_REPORT))
    return tuple(rows)


def _verdict(mine: Finding, its: Finding) -> str:
    if Presence.UNDETERMINED in (mine.presence, its.presence):
        return UNDECIDED
    if mine.presence is not its.presence:
        # "No effusion on the right" says nothing against an effusion on the left.
        denied, stated = (mine, its) if mine.presence is Presence.ABSENT else (its, mine)
        elsewhere = {denied.laterality, stated.laterality} == set(_SIDES)
        return UNDECIDED if elsewhere else DIFFER
    if mine.presence is Presence.PRESENT and mine.laterality and its.laterality and mine.laterality != its.laterality:
        return SIDE
    return AGREE
