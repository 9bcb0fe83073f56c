"""`/people`: who may use the pages, for an administrator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.audit.trail import Trail
from agent.errors import Permanent
from agent.store import accounts
from agent.web.context import WebContext
from agent.web.pages.render import Pages
from agent.web.person import address_of, person
from agent.web.rights import Role
from agent.web.signing.names import folded
from agent.web.signing.people import LONGEST_FULL_NAME, People

_Name = Annotated[str, Form(max_length=128)]
DONE = ("role", "disabled", "enabled", "signed-out")


def router(context: WebContext, pages: Pages) -> APIRouter:
    """The list, and what its forms do: each answers with the list again, and with what was done or why it was not."""
    routes = APIRouter()

    def shown(request: Request, *, status: int = 200, **said: str) -> Response:
        with context.ledger.read() as view:
            everybody = accounts.every(view)
        values = {"done": "", "trouble": "", "about": "", "password": ""} | said
        return pages.html(
            request, "people.html", status=status, people=everybody, roles=list(Role), now=context.clock.now(),
            longest=LONGEST_FULL_NAME, **values,
        )  # fmt: skip

    def acting(request: Request) -> People:
        trail = Trail.of(context.settings).acting(person(request).name, address_of(request))
        return People(context.ledger, trail, context.clock)

    def with_password(request: Request, name: str, make: Callable[[], str]) -> Response:
        """The page holds the password, once; no address and no cookie does."""
        try:
            password = make()
        except Permanent as error:
            return shown(request, status=409, trouble=error.code, about=name)
        return shown(request, password=password, about=folded(name))

    def changed(request: Request, name: str, done: str, change: Callable[[], None]) -> Response:
        try:
            change()
        except Permanent as error:
            return shown(request, status=409, trouble=error.code, about=name)
        return RedirectResponse(f"/people?done={done}", 303)

    @routes.get("/people")
    def people(request: Request, done: str = "") -> Response:
        return shown(request, done=done if done in DONE else "")

    @routes.post("/people/add")
    def add(
        request: Request,
        name: _Name,
        role: Annotated[Role, Form()],
        full_name: Annotated[str, Form(max_length=256)] = "",
    ) -> Response:
        return with_password(request, name, lambda: acting(request).add(name, role, full_name))

    @routes.post("/people/reset-password")
    def reset(request: Request, name: _Name) -> Response:
        return with_password(request, name, lambda: acting(request).reset_password(name))

    @routes.post("/people/role")
    def role(request: Request, name: _Name, role: Annotated[Role, Form()]) -> Response:
        return changed(request, name, "role", lambda: acting(request).set_role(name, role))

    @routes.post("/people/disable")
    def disable(request: Request, name: _Name) -> Response:
        return changed(request, name, "disabled", lambda: acting(request).disable(name))

    @routes.post("/people/enable")
    def enable(request: Request, name: _Name) -> Response:
        return changed(request, name, "enabled", lambda: acting(request).enable(name))

    @routes.post("/people/sign-out")
    def sign_out(request: Request, name: _Name) -> Response:
        return changed(request, name, "signed-out", lambda: acting(request).sign_out(name))

    return routes
