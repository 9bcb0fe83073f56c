"""`/sign-in` and `/sign-out`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.audit.trail import Trail
from agent.store import accounts, sessions
from agent.web.context import WebContext
from agent.web.pages.render import Pages
from agent.web.person import address_of, caller, person
from agent.web.signing import session
from agent.web.signing.entrance import Entrance
from agent.web.signing.inside import inside
from agent.web.signing.oidc_pages import LEFT


def router(context: WebContext, pages: Pages) -> APIRouter:
    """Pages for who is not signed in."""
    routes, entrance, web = APIRouter(), Entrance(context), context.settings.web
    provider = web.oidc.name if web.oidc is not None else ""

    @routes.get("/sign-in")
    def ask(request: Request, next: str = "/") -> Response:
        if caller(request) is not None:
            return RedirectResponse(inside(next), 303)
        return pages.html(request, "sign-in.html", next=inside(next), trouble="", provider=provider)

    @routes.post("/sign-in")
    def take(
        request: Request,
        name: Annotated[str, Form(max_length=128)],
        password: Annotated[str, Form(max_length=1024)],
        next: Annotated[str, Form(max_length=2000)] = "/",
    ) -> Response:
        token = entrance.let_in(request, name, password)
        if token is None:
            return pages.html(
                request, "sign-in.html", status=401, next=inside(next), trouble="wrong", provider=provider
            )
        answer = RedirectResponse(inside(next), 303)
        session.give(answer, token, web)
        return answer

    @routes.post("/sign-out")
    def leave(request: Request) -> Response:
        me, now = person(request), context.clock.now()
        with context.ledger.begin() as tx:
            account = accounts.by_id(tx, me.account_id)
            sessions.end(tx, me.session)
            Trail.of(context.settings).signed_out(tx, me.name, address_of(request), now=now)
        subject = account.subject if account is not None else None
        of_provider = web.oidc is not None and subject is not None and subject.startswith(f"{web.oidc.issuer} ")
        answer = RedirectResponse(LEFT if of_provider else "/sign-in", 303)
        session.take_back(answer, web)
        return answer

    return routes
