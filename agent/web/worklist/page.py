"""`/`, and what it asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy import Connection

from agent.store import listing, listing_progress, saved_views
from agent.store.listing import Cursor, Page, Wanted
from agent.store.listing_rows import STAGES, STANDINGS
from agent.store.saved_views import SavedView
from agent.web.asked import Asked
from agent.web.context import WebContext
from agent.web.keys import RowInQuery
from agent.web.live import late_since
from agent.web.pages.render import Pages
from agent.web.person import person
from agent.web.refused import Refused
from agent.web.worklist.lines import Line, lines_of
from agent.web.worklist.searches import Searches
from agent.web.worklist.sent import Filled, Shown
from agent.web.worklist.wanted import PRIORITIES, address, of_kept, said, wanted_of
from structured_report.vocabulary import vocabulary


def router(context: WebContext, pages: Pages) -> APIRouter:
    """The worklist, its searches, and its rows one by one."""
    routes, searches, asked = APIRouter(), Searches(context.clock), Asked(context)

    @routes.get("/")
    def worklist(
        request: Request,
        s: Annotated[str, Query(max_length=32)] = "",
        view: RowInQuery = 0,
        after: Annotated[str, Query(max_length=200)] = "",
        at: Annotated[str, Query(max_length=80)] = "",
    ) -> Response:
        me = person(request)
        text = searches.text(me.account_id, s) if s else ""
        if text is None and (after or at):
            # What comes after the patient who was searched for is not what comes after nobody.
            raise Refused(409, "search-lost")
        with context.ledger.read() as ledger:
            mine = saved_views.of_account(ledger, me.account_id)
            chosen = _chosen(mine, view, begins=not request.query_params)
            wanted = of_kept(chosen.wanted) if chosen is not None else wanted_of(request.query_params)
            wanted = replace(wanted, text=text or "")
            found = listing.page(ledger, wanted, after=_cursor(ledger, wanted, after, at))
            progress, late = listing_progress.progress(ledger), late_since(ledger, context.clock.now())
            counts, scanners = listing.waiting(ledger), listing.scanners(ledger)
        asked.note(request, wanted)
        lines = lines_of(found.rows, wanted, pages.words(request), context.clock.now())
        return pages.html(
            request, "worklist.html", lines=lines, wanted=wanted, said=said(wanted), s=s if text else "", lost=text is None,
            more=_more(wanted, found, s), partly=found.partly, counts=counts, counted=listing.COUNTED, scanners=scanners,
            findings=tuple(vocabulary()), standings=STANDINGS, priorities=PRIORITIES, stages=STAGES, views=mine, chosen=chosen,
            heard=progress.event_id if progress is not None else 0, whole=progress is not None and progress.is_whole,
            late=late, going_on=bool(after or at), here=_here(wanted, s if text else ""),
        )  # fmt: skip

    @routes.post("/worklist/search")
    def search(request: Request, form: Annotated[Filled, Form()]) -> Response:
        """Sent and not asked for: what is searched for may name a patient, and addresses are kept in many places."""
        values, text = form.model_dump(), form.text.strip()
        token = searches.keep(person(request).account_id, text) if text else ""
        return RedirectResponse(address(wanted_of(values), s=token), 303)

    @routes.post("/worklist/rows")
    def rows(request: Request, shown: Shown) -> Response:
        """The lines of studies that a page shows, or might show, as they are by now."""
        s = shown.wanted.get("s", "")
        text = searches.text(person(request).account_id, s) if s else ""
        if text is None:
            raise Refused(409, "search-lost")
        wanted = replace(wanted_of(shown.wanted), text=text)
        asked.note(request, wanted)
        with context.ledger.read() as ledger:
            inside = listing.where_is(ledger, wanted, shown.uids)
            found = listing.rows_of(ledger, sorted(inside))
            counts = listing.waiting(ledger)
        lines = lines_of(found.values(), wanted, pages.words(request), context.clock.now())
        return JSONResponse(
            {
                "rows": [_as_row(line, pages.text(request, "worklist-row.html", line=line)) for line in lines],
                "gone": sorted(set(shown.uids) - inside),
                "counts": pages.text(request, "worklist-counts.html", counts=counts, counted=listing.COUNTED),
            }
        )

    return routes


def _as_row(line: Line, html: str) -> dict[str, Any]:
    """What a script needs to put the row into its place."""
    priority = line.row.priority if line.row.is_waiting else ""
    return {"uid": line.row.study_instance_uid, "order": line.order, "priority": priority, "html": html}


def _chosen(mine: tuple[SavedView, ...], number: int, *, begins: bool) -> SavedView | None:
    """The saved view that is meant: the one that is named, else, where nothing is asked for, the person's own beginning."""
    if number:
        return next((v for v in mine if v.id == number), None)
    return next((v for v in mine if v.is_default), None) if begins else None


def _here(wanted: Wanted, s: str) -> str:
    """Of the list that is shown, which need not be the one that a person begins with."""
    return address(wanted, s=s) if s or said(wanted) else "/?all=1"


def _cursor(ledger: Connection, wanted: Wanted, after: str, at: str) -> Cursor | None:
    if not wanted.text:
        return Cursor.of(after) if after else None
    part, _, uid = at.partition(".")
    return listing.cursor_at(ledger, int(part), uid) if part.isascii() and part.isdigit() else None


def _more(wanted: Wanted, found: Page, s: str) -> str:
    """Where the list goes on; empty at its end."""
    if found.after is None:
        return ""
    more: dict[str, Any] = {"after": found.after.text()}
    if wanted.text:
        more = {"s": s, "at": f"{found.after.part}.{found.after.uid}"}
    return address(wanted, **more)
