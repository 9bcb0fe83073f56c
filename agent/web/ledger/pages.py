"""`/ledger` and what lies below it: looking."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from agent.store import failing, heard, ledger_list, overview, trouble
from agent.store.ledger_list import Wanted
from agent.store.way import Way, way_of
from agent.web.asked import Asked
from agent.web.context import WebContext
from agent.web.keys import RowInQuery
from agent.web.ledger.acts import ACTIONS
from agent.web.ledger.rail import rail, state_of
from agent.web.pages.render import Pages
from agent.web.refused import Refused
from agent.web.study.seen import note_look

_PAGE, _MOST_FOUND = 50, 200
STATES = (
    "receiving", "assembled", "read", "abstained", "not-analysed", "needs-attention", "withdrawn", "reported",
)  # fmt: skip


def router(context: WebContext, pages: Pages) -> APIRouter:
    """The list, one study, refusals and messages."""
    routes, asked = APIRouter(), Asked(context)

    @routes.get("/ledger")
    def ledger(
        request: Request,
        stage: Annotated[str, Query(max_length=16)] = "",
        to: Annotated[str, Query(max_length=64)] = "",
        state: Annotated[str, Query(max_length=24)] = "",
        before: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        if stage and stage not in failing.STAGES:
            raise Refused(404, "not-found")
        wanted = Wanted(stage, to, state if state in STATES else "", _cursor(before))
        asked.note(request, replace(wanted, before=None))  # what follows is the same question
        with context.ledger.read() as view:
            lines = ledger_list.listed(view, wanted, limit=_PAGE + 1)
            counts, at_destinations = failing.counts(view), failing.destination_counts(view)
            refused, messages = trouble.count_refusals(view), heard.count_attention(view)
        older = _older(lines[_PAGE - 1], stage, to, state) if len(lines) > _PAGE else ""
        named = [d.name for d in context.current.destinations]
        names = list(dict.fromkeys((*named, *sorted(at_destinations))))
        return pages.html(
            request, "ledger.html", lines=lines[:_PAGE], older=older, stage=stage, to=to, state=wanted.state, states=STATES,
            counts=counts, names=names, at_destinations=at_destinations, refused=refused, messages=messages, newest=not before,
            missed=False,
        )  # fmt: skip

    @routes.post("/ledger/find")
    def find(request: Request, text: Annotated[str, Form(max_length=200)] = "") -> Response:
        """Sent and not asked for: what is searched for may name a patient, and addresses are kept in many places."""
        asked.note(request, text.strip())
        with context.ledger.read() as view:
            uids = ledger_list.found(view, text, limit=_MOST_FOUND)
            if len(uids) == 1:
                return RedirectResponse(f"/ledger/{uids[0]}", 303)
            lines = ledger_list.lines_of(view, uids)
        return pages.html(request, "ledger-found.html", lines=lines, most=_MOST_FOUND)

    @routes.get("/ledger/refusals")
    def refusals(request: Request, before: RowInQuery = 0) -> Response:
        with context.ledger.read() as view:
            rows = overview.refusals(view, limit=_PAGE + 1, before=before)
        older = rows[_PAGE - 1]["id"] if len(rows) > _PAGE else 0
        return pages.html(request, "ledger-refusals.html", rows=rows[:_PAGE], older=older)

    @routes.get("/ledger/messages")
    def messages(request: Request, all: bool = False, done: str = "") -> Response:
        with context.ledger.read() as view:
            rows = heard.listed(view, limit=_MOST_FOUND, attention=not all)
        return pages.html(request, "ledger-messages.html", rows=rows, all=all, done=done in ("settle", "retry"))

    @routes.get("/ledger/{uid}")
    def study(
        request: Request,
        uid: str,
        done: Annotated[str, Query(max_length=16)] = "",
        n: RowInQuery = 0,
        m: RowInQuery = 0,
    ) -> Response:
        with context.ledger.read() as view:
            lines = ledger_list.lines_of(view, [uid])
            if not lines:
                raise Refused(404, "no-such-study")
            way = way_of(view, uid)
            failed = [kind for kind, _, _ in overview.failing_jobs(view, uid)]
            attention = {row["id"] for row in heard.listed(view, limit=_MOST_FOUND, attention=True)}
        patient_id = (way.revision.study.get("patient") or {}).get("patient_id", "") if way.revision else ""
        note_look(context, request, uid, patient_id)
        named = [d.name for d in context.current.destinations]
        return pages.html(
            request, "ledger-study.html", line=lines[0], way=way, marks=rail(way, lines[0].state, failed, named), attention=attention,
            state_of=state_of, done=done if pages.has(request, f"ledger.done.{done}") else "", n=n, m=m, can=_can(way), by_hand=ACTIONS,
        )  # fmt: skip

    return routes


def _can(way: Way) -> tuple[str, ...]:
    """What there is to be done about a study as it stands."""
    withdrawn = "withdrawn" in way.stops
    found = ["retry"]
    if "held" in way.stops:
        found.append("release")
    elif not withdrawn:
        found.append("hold")
    if way.revision is not None:
        found += ["reread", *([] if withdrawn else ["withdraw", "match"])]
    return tuple(found)


def _cursor(before: str) -> tuple[datetime, str] | None:
    moment, _, uid = before.partition("_")
    try:
        at = datetime.fromisoformat(moment)
        return (at.astimezone(UTC), uid) if at.tzinfo is not None else None
    except (ValueError, OverflowError):  # no moment, or one before the first year or after the last
        return None


def _older(last: ledger_list.LedgerLine, stage: str, to: str, state: str) -> str:
    chosen = {"stage": stage, "to": to, "state": state}
    cursor = f"{last.last_received_at.isoformat()}_{last.study_instance_uid}"
    return "/ledger?" + urlencode({k: v for k, v in chosen.items() if v} | {"before": cursor})
