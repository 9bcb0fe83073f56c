"""`/numbers`: what the line did in a period, and each chart of it as a file."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup

from agent.numbers.figures import LONGEST_DAYS, Figures, Period, figures_of
from agent.web.context import WebContext
from agent.web.numbers.charts import Chart, charts_of, finding_name, scanner_name
from agent.web.numbers.table import as_csv
from agent.web.numbers.tongue import Tongue
from agent.web.pages.render import Pages
from agent.web.refused import Refused

CHOICES = (7, 30, 90, 365, 1825)
_USUAL = 30
_Last = Annotated[str, Query(max_length=10)]
_Days = Annotated[int, Query(ge=1, le=LONGEST_DAYS)]
_KINDS = {"csv": "text/csv; charset=utf-8", "svg": "image/svg+xml"}


def router(context: WebContext, pages: Pages) -> APIRouter:
    """The page, and what can be downloaded from it."""
    routes = APIRouter()

    def figures(last: str, days: int) -> Figures:
        today = context.clock.now().astimezone(context.settings.web.zone).date()
        with context.ledger.read() as view:
            return figures_of(view, Period.up_to(_day(last) if last else today, days))

    def tongue(request: Request) -> Tongue:
        return Tongue(pages.words(request), pages.language(request))

    @routes.get("/numbers")
    def numbers(request: Request, last: _Last = "", days: _Days = _USUAL) -> Response:
        found, t = figures(last, days), tongue(request)
        asked = {"days": str(days)} | ({"last": last} if last else {})
        return pages.html(
            request, "numbers.html", figures=found, charts=[(c, Markup(c.svg)) for c in charts_of(found, t)],  # noqa: S704  escaped where it is drawn
            choices=CHOICES, chosen=days, last=last, asked=urlencode(asked), tongue=t, quoted=lambda name: quote(name, safe=""),
            finding=lambda concept: finding_name(concept, t), scanner_name=lambda name: scanner_name(name, t),
        )  # fmt: skip

    @routes.get("/numbers/{name}")
    def file(request: Request, name: str, last: _Last = "", days: _Days = _USUAL) -> Response:
        found = figures(last, days)
        what, _, kind = name.rpartition(".")
        chart = next((c for c in charts_of(found, tongue(request)) if c.name == what), None)
        if chart is None or kind not in _KINDS:
            raise Refused(404, "not-found")
        return _download(chart, kind, found.period)

    return routes


def _day(text: str) -> date:
    """A day in ISO 8601, as a browser's form sends it. Raises `Refused`."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused(422, "not-understood") from error


def _download(chart: Chart, kind: str, period: Period) -> Response:
    body = as_csv(chart.columns, chart.rows) if kind == "csv" else chart.svg.encode()
    called = quote(f"preread-{chart.name}-{period.first}-{period.last}.{kind}")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{called}"}  # RFC 6266 4.3
    return Response(body, media_type=_KINDS[kind], headers=headers)
