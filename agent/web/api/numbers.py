"""`/api/v1/numbers`: what the line did in a period."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query

from agent.numbers.figures import LONGEST_DAYS, Figures, Period, Rate, Took, figures_of
from agent.store.reviews import ACCEPTED, CORRECTED, MISSED, REJECTED
from agent.web.api.models import numbers as models
from agent.web.context import WebContext

_USUAL_DAYS = 30
_Last = Annotated[date | None, Query(description="The last day, of the site's zone, ISO 8601; default: today.")]
_Days = Annotated[int, Query(ge=1, le=LONGEST_DAYS, description="How many days, the last included.")]


def add(routes: APIRouter, context: WebContext) -> None:
    """The routes of this module."""

    @routes.get("/numbers", tags=["numbers"])
    def numbers(last: _Last = None, days: _Days = _USUAL_DAYS) -> models.Numbers:
        """Volumes, turn-around times, flag and finding rates, why studies were not read, and how radiologists judged drafts over time.
        No patient is named."""
        today = context.clock.now().astimezone(context.settings.web.zone).date()
        with context.ledger.read() as view:
            return _answer(figures_of(view, Period.up_to(last or today, days)))


def _answer(figures: Figures) -> models.Numbers:
    return models.Numbers(
        first=figures.period.first,
        last=figures.period.last,
        counted_since=figures.counted_since,
        days=tuple(models.Day.model_validate(d) for d in figures.days),
        hours=figures.hours,
        times=tuple(_times(t) for t in figures.took),
        flagged_by_scanner=tuple(_rate(r) for r in figures.flagged_by_scanner),
        findings=tuple(_rate(r) for r in figures.findings),
        agreement=tuple(_rate(r) for r in figures.agreement),
        judged=_judged(figures),
        reasons=tuple(models.Reason.model_validate(r) for r in figures.reasons),
    )


def _judged(figures: Figures) -> tuple[models.Judged, ...]:
    counts = figures.judged
    days = sorted({day for by_day in counts.values() for day, n in by_day.items() if n})
    return tuple(
        models.Judged(
            day=day,
            accepted=counts.get(ACCEPTED, {}).get(day, 0),
            corrected=counts.get(CORRECTED, {}).get(day, 0),
            rejected=counts.get(REJECTED, {}).get(day, 0),
            missed=counts.get(MISSED, {}).get(day, 0),
        )
        for day in days
    )


def _times(took: Took) -> models.Times:
    return models.Times.model_validate(took)


def _rate(rate: Rate) -> models.Rate:
    return models.Rate.model_validate(rate)
