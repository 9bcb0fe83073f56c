"""`/worklist/views`: a person's own lists, by name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.store import saved_views
from agent.web.context import WebContext
from agent.web.keys import RowInForm
from agent.web.person import person
from agent.web.refused import Refused
from agent.web.worklist.sent import Filled
from agent.web.worklist.wanted import kept, wanted_of


def router(context: WebContext) -> APIRouter:
    """Keeping one, and forgetting it."""
    routes = APIRouter()

    @routes.post("/worklist/views")
    def save(request: Request, form: Annotated[Filled, Form()]) -> Response:
        me, name, wanted = person(request), form.name.strip(), wanted_of(form.model_dump())
        if not name:
            raise Refused(422, "not-understood")
        with context.ledger.begin() as tx:
            default, now = form.default == "1", context.clock.now()
            saved = saved_views.save(tx, me.account_id, name, kept(wanted), default=default, now=now)
            number = next((v.id for v in saved_views.of_account(tx, me.account_id) if v.name == name), 0)
        if not saved:
            raise Refused(409, "too-many-views")
        return RedirectResponse(f"/?view={number}", 303)

    @routes.post("/worklist/views/forget")
    def forget(request: Request, view: RowInForm) -> Response:
        with context.ledger.begin() as tx:
            saved_views.forget(tx, person(request).account_id, view)
        return RedirectResponse("/?all=1", 303)

    return routes
