"""`/ledger/{uid}/{action}`: what a person can do about a study. First a page that says what will happen, then it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from agent.errors import Permanent
from agent.imaging.facts import InstanceFacts
from agent.mending import heard as mending
from agent.mending import holding, matching, rereading, retrying, withdrawing
from agent.mending.hand import Hand, one_line
from agent.mending.matching import PATIENTS, Choice
from agent.store import heard, ledger_list, orders, overview, results, studies
from agent.web.context import WebContext
from agent.web.hand import hand_of
from agent.web.keys import LARGEST_KEY, RowInPath
from agent.web.pages.render import Pages
from agent.web.pages.said import Trouble
from agent.web.refused import Refused
from agent.web.study.plain import plain_date, plain_moment, told_apart
from agent.web.study.seen import note_look

_NO_ORDER, _NO_REASON = "none", "reason-missing"


@dataclass(frozen=True, slots=True)
class _Form:
    """What was sent with the confirmation."""

    reason: str
    order: str = ""
    patient: str = ""


def router(context: WebContext, pages: Pages) -> APIRouter:
    """Confirmation pages, and what is done when they are sent."""
    routes = APIRouter()

    @routes.get("/ledger/messages/{number}")
    def message(request: Request, number: RowInPath) -> Response:
        return pages.html(request, "ledger-message.html", row=_message(context, number), error=None, reason="")

    @routes.post("/ledger/messages/{number}")
    def settle(
        request: Request,
        number: RowInPath,
        do: Annotated[str, Form(max_length=8)],
        reason: Annotated[str, Form(max_length=500)] = "",
    ) -> Response:
        row, hand, why = _message(context, number), hand_of(context, request), one_line(reason)
        try:
            if do == "retry":
                mending.act_again(hand, number)
            elif do == "settle" and why:
                mending.settle(hand, number, why)
            else:
                raise Refused(422, _NO_REASON)
        except Permanent as error:
            return pages.html(request, "ledger-message.html", status=409, row=row, error=Trouble.of(error), reason=why)
        return RedirectResponse(f"/ledger/messages?done={do}", 303)

    @routes.get("/ledger/{uid}/{action}")
    def ask(request: Request, uid: str, action: str) -> Response:
        return page(request, uid, action, _Form(""), None)

    @routes.post("/ledger/{uid}/{action}")
    def act(
        request: Request,
        uid: str,
        action: str,
        reason: Annotated[str, Form(max_length=500)] = "",
        order: Annotated[str, Form(max_length=16)] = "",
        patient: Annotated[str, Form(max_length=16)] = "",
    ) -> Response:
        sent = _Form(one_line(reason), order, patient)
        if action not in _ACTS:
            raise Refused(404, "not-found")
        if patient not in ("", *PATIENTS):
            raise Refused(422, "not-understood")
        _must_exist(context, uid)
        if not sent.reason:
            return page(request, uid, action, sent, Trouble(_NO_REASON))
        try:
            numbers = _ACTS[action](hand_of(context, request), uid, sent)
        except Permanent as error:
            return page(request, uid, action, sent, Trouble.of(error))
        return RedirectResponse(f"/ledger/{uid}?{urlencode({'done': action, **numbers})}", 303)

    def page(request: Request, uid: str, action: str, sent: _Form, error: Trouble | None) -> Response:
        if action not in _ACTS:
            raise Refused(404, "not-found")
        with context.ledger.read() as view:
            lines = ledger_list.lines_of(view, [uid])
            if not lines:
                raise Refused(404, "no-such-study")
            values = _outlook(view, uid) | (_candidates(view, uid) if action == "match" else {})
        if action == "match":
            note_look(context, request, uid)
        name = "ledger-match.html" if action == "match" else "ledger-act.html"
        status = 200 if error is None else 422 if error.code == _NO_REASON else 409
        return pages.html(
            request, name, status=status, line=lines[0], action=action, sent=sent, error=error, patients=PATIENTS,
            none=_NO_ORDER, name_of=told_apart, day_of=plain_date, moment_of=plain_moment, **values,
        )  # fmt: skip

    return routes


def _must_exist(context: WebContext, uid: str) -> None:
    with context.ledger.read() as view:
        if not ledger_list.lines_of(view, [uid]):
            raise Refused(404, "no-such-study")


def _message(context: WebContext, number: int) -> dict[str, Any]:
    with context.ledger.read() as view:
        row = heard.listed_one(view, number)
    if row is None:
        raise Refused(404, "not-found")
    return row


def _outlook(view: Connection, uid: str) -> dict[str, Any]:
    """What there is that an action would change."""
    rows = overview.deliveries(view, uid)
    newest = studies.newest_revision(view, uid)
    reading = None if newest is None else results.reading_of(view, newest.id)
    return {
        "again": sorted({d["destination"] for d in rows if d["state"] in ("parked", "waiting")}),
        "waiting": sum(d["state"] == "waiting" for d in rows),
        "held": sum(d["state"] == "held" for d in rows),
        "stages": sorted({kind for kind, _, _ in overview.parked_jobs(view, uid)}),
        "out": sorted(results.with_a_result(view, uid)),
        "outcome": "" if reading is None else reading.outcome,
    }


def _candidates(view: Connection, uid: str) -> dict[str, Any]:
    """The orders in question, and whose the images say they are."""
    match = orders.match_of(view, uid)
    wanted = [] if match is None else [*match.candidates, *filter(None, [match.order_id])]
    facts = [InstanceFacts.from_json(i.facts) for i in studies.images_of(view, uid)]
    return {"match": match, "orders": orders.orders_by(view, ids=wanted), "images": facts}


def _retry(hand: Hand, uid: str, sent: _Form) -> dict[str, int]:
    done = retrying.retry(hand, uid, sent.reason)
    return {"n": done.deliveries, "m": done.stages}


def _hold(hand: Hand, uid: str, sent: _Form) -> dict[str, int]:
    return {"n": holding.hold(hand, uid, sent.reason)}


def _release(hand: Hand, uid: str, sent: _Form) -> dict[str, int]:
    return {"n": holding.release(hand, uid, sent.reason)}


def _reread(hand: Hand, uid: str, sent: _Form) -> dict[str, int]:
    if rereading.reread(hand, [uid], sent.reason).not_read:
        words = (
            "it cannot be read: it was never assembled, its images disagree or were let go, or none of them is readable"
        )
        raise Permanent(words, code="cannot-be-read")
    return {}


def _withdraw(hand: Hand, uid: str, sent: _Form) -> dict[str, int]:
    withdrawing.withdraw(hand, uid, sent.reason)
    return {}


def _match(hand: Hand, uid: str, sent: _Form) -> dict[str, int]:
    if not sent.order and not sent.patient:
        raise Permanent("say which order it is, or whose the study is", code="nothing-said")
    matching.match(hand, uid, Choice(_order_id(sent.order), sent.order == _NO_ORDER, sent.patient), sent.reason)
    return {}


def _order_id(order: str) -> int | None:
    """The row of the order, or None where none is said. Raises `Refused`: what is no order must not pass for nothing being said."""
    if order in ("", _NO_ORDER):
        return None
    if not (order.isascii() and order.isdecimal() and int(order) <= LARGEST_KEY):
        raise Refused(422, "not-understood")
    return int(order)


_ACTS: Mapping[str, Callable[[Hand, str, _Form], dict[str, int]]] = {
    "retry": _retry, "hold": _hold, "release": _release, "reread": _reread, "withdraw": _withdraw, "match": _match,
}  # fmt: skip
ACTIONS = tuple(_ACTS)
