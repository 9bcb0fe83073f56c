"""`/tokens`: which programs may call the interface, for an administrator."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.audit.trail import Trail
from agent.errors import Permanent
from agent.store import tokens
from agent.web.context import WebContext
from agent.web.pages.render import Pages
from agent.web.person import address_of, person
from agent.web.rights import Role
from agent.web.signing.programs import LONGEST_DAYS, LONGEST_NAME, USUAL_DAYS, Programs

_Name = Annotated[str, Form(max_length=256)]


def router(context: WebContext, pages: Pages) -> APIRouter:
    """The list, and what its forms do: each answers with the list again, and with what was done or why it was not."""
    routes = APIRouter()

    def shown(request: Request, *, status: int = 200, **said: str) -> Response:
        with context.ledger.read() as view:
            every = tokens.every(view)
        values = {"done": "", "trouble": "", "about": "", "token": ""} | said
        return pages.html(
            request, "tokens.html", status=status, tokens=every, roles=list(Role), now=context.clock.now(), days=USUAL_DAYS,
            longest_days=LONGEST_DAYS, longest=LONGEST_NAME, **values,
        )  # fmt: skip

    def acting(request: Request) -> Programs:
        name = person(request).name
        trail = Trail.of(context.settings).acting(name, address_of(request))
        return Programs(context.ledger, trail, context.clock, name)

    @routes.get("/tokens")
    def every(request: Request, done: str = "") -> Response:
        return shown(request, done=done if done == "revoked" else "")

    @routes.post("/tokens/add")
    def add(
        request: Request,
        name: _Name,
        role: Annotated[Role, Form()],
        days: Annotated[int, Form(ge=1, le=LONGEST_DAYS)] = USUAL_DAYS,
    ) -> Response:
        """The page holds the token, once; no address and no cookie does."""
        try:
            token, _ = acting(request).add(name, role, days)
        except Permanent as error:
            return shown(request, status=409, trouble=error.code, about=name)
        return shown(request, token=token, about=name)

    @routes.post("/tokens/revoke")
    def revoke(request: Request, name: _Name) -> Response:
        try:
            acting(request).revoke(name)
        except Permanent as error:
            return shown(request, status=409, trouble=error.code, about=name)
        return RedirectResponse("/tokens?done=revoked", 303)

    return routes
