"""What is answered about volumes, times and agreement."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from agent.web.api.models.base import Answer


class Times(Answer):
    """How long after the last image: seconds within which half, and 95 of 100, were done (right to 5 %); and how many."""

    what: str
    destination: str
    count: int
    median_s: float | None
    p95_s: float | None


class Rate(Answer):
    """How many of how many, with the 95 % interval of the share (Wilson); `few`: too few to say much."""

    name: str
    n: int
    of: int
    share: float | None
    low: float | None
    high: float | None
    few: bool


class Day(Answer):
    """What one day of the site brought."""

    day: date
    studies: int
    read: int
    abstained: int
    not_analysed: int


class Reason(Answer):
    """Why so many studies have no reading."""

    outcome: str
    code: str
    n: int


class Judged(Answer):
    """How many judgements that count were made on one day, of drafts and of findings, by verdict."""

    day: date
    accepted: int
    corrected: int
    rejected: int
    missed: int


class Numbers(Answer):
    """What the line did on these days, both included. Films of the constancy test are not counted."""

    first: date
    last: date
    counted_since: date | None
    days: tuple[Day, ...]
    hours: tuple[int, ...] = Field(description="Studies by the hour of their first image, 0 to 23, in the site's zone.")
    times: tuple[Times, ...]
    flagged_by_scanner: tuple[Rate, ...]
    findings: tuple[Rate, ...]
    reasons: tuple[Reason, ...]
    agreement: tuple[Rate, ...] = Field(description="Accepted of those judged, by finding; `-`: of drafts as a whole.")
    judged: tuple[Judged, ...] = Field(
        description="Days on which something was judged; in a long period months, each by its first day."
    )
