"""`/sign-in` and `/sign-out`."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.store import accounts, sessions
from agent.web.context import WebContext
from agent.web.pages.render import Pages
from agent.web.person import address_of, caller, person
from agent.web.signing.guard import COOKIE
from agent.web.signing.passwords import fits


def router(context: WebContext, pages: Pages) -> APIRouter:
    """Pages for who is not signed in."""
    routes = APIRouter()

    @routes.get("/sign-in")
    def ask(request: Request, next: str = "/") -> Response:
        if caller(request) is not None:
            return RedirectResponse(_inside(next), 303)
        return pages.html(request, "sign-in.html", next=_inside(next), wrong=False)

    @routes.post("/sign-in")
    def take(
        request: Request,
        name: Annotated[str, Form(max_length=64)],
        password: Annotated[str, Form(max_length=1024)],
        next: Annotated[str, Form(max_length=2000)] = "/",
    ) -> Response:
        with context.ledger.read() as view:
            account = accounts.by_name(view, name)
        kept = "" if account is None or account.disabled else account.password_hash
        if not fits(kept, password) or account is None:
            return pages.html(request, "sign-in.html", status=401, next=_inside(next), wrong=True)
        token, now = secrets.token_urlsafe(32), context.clock.now()
        with context.ledger.begin() as tx:
            sessions.begin(tx, token, account.id, address_of(request), now=now)
            accounts.set_values(tx, account.id, signed_in_at=now)
        answer = RedirectResponse(_inside(next), 303)
        answer.set_cookie(
            COOKIE, token, httponly=True, samesite="strict", secure=context.settings.web.is_https, path="/"
        )
        return answer

    @routes.post("/sign-out")
    def leave(request: Request) -> Response:
        with context.ledger.begin() as tx:
            sessions.end(tx, person(request).session)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    return routes


def _inside(target: str) -> str:
    """A path of this site, whatever was asked for: nobody is sent elsewhere after signing in."""
    ok = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target and target.isprintable()
    return target if ok else "/"
