"""`/account`: what a person decides for themselves: language, theme, password, and where they are signed in."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.audit.trail import Trail
from agent.store import accounts, sessions
from agent.web.context import WebContext
from agent.web.pages.render import THEMES, Pages
from agent.web.person import address_of, person
from agent.web.refused import Refused
from agent.web.signing import session
from agent.web.signing.lockout import FREE, lock_after
from agent.web.signing.passwords import Turnstile, fits, hashed
from agent.web.signing.people import People
from agent.web.signing.policy import LONGEST, SHORTEST, why_not

_HANDLE = 16  # of a session's digest: enough to name one of a person's own
_Password = Annotated[str, Form(max_length=LONGEST)]


def router(context: WebContext, pages: Pages) -> APIRouter:
    """The page, and what its forms do."""
    routes = APIRouter()
    _looks(routes, context, pages)
    _password(routes, context, pages)
    _sessions(routes, context)
    return routes


def _looks(routes: APIRouter, context: WebContext, pages: Pages) -> None:
    @routes.get("/account")
    def show(request: Request, done: str = "") -> Response:
        me = person(request)
        with context.ledger.read() as view:
            mine, account = sessions.of_account(view, me.account_id), accounts.by_id(view, me.account_id)
        assert account is not None, "the guard has just read it"
        listed = [(s, s.digest == me.session, s.digest[:_HANDLE]) for s in mine]
        done = done if done in ("appearance", "password", "sessions") else ""
        return pages.html(
            request,
            "account.html",
            done=done,
            themes=THEMES,
            languages=pages.languages,
            account=account,
            sessions=listed,
        )

    @routes.post("/account/appearance")
    def appear(
        request: Request,
        language: Annotated[str, Form(max_length=8)] = "",
        theme: Annotated[Literal["", "light", "dark", "reading-room"], Form()] = "",
    ) -> Response:
        if language and language not in pages.languages:
            raise Refused(422, "not-understood")
        with context.ledger.begin() as tx:
            accounts.set_values(tx, person(request).account_id, language=language, theme=theme)
        answer = RedirectResponse("/account?done=appearance", 303)
        if theme:  # of the sign-in page in this browser
            answer.set_cookie("theme", theme, max_age=31_536_000, samesite="lax", secure=context.settings.web.is_https)
        else:
            answer.delete_cookie("theme")
        return answer


def _password(routes: APIRouter, context: WebContext, pages: Pages) -> None:
    turnstile, web = Turnstile(), context.settings.web

    def asked(request: Request, trouble: str, status: int = 200) -> Response:
        return pages.html(request, "password.html", status=status, trouble=trouble, shortest=SHORTEST, longest=LONGEST)

    @routes.get("/account/password")
    def ask(request: Request) -> Response:
        return asked(request, "")

    @routes.post("/account/password")
    def change(request: Request, current: _Password, wanted: _Password, again: _Password) -> Response:
        me, now = person(request), context.clock.now()
        with (
            context.ledger.begin() as tx
        ):  # counted first, as at the door: a session left open is no place to try passwords
            account = accounts.by_id(tx, me.account_id)
            tries = 0 if account is None else accounts.count_failure(tx, account.id)
        if account is None or not account.password_hash:
            raise Refused(403, "no-password-here")
        with turnstile.one():
            right = fits(account.password_hash, current)
        trail = Trail.of(context.settings).acting(me.name, address_of(request))
        if not right:
            return _wrong(request, tries, trail)
        with context.ledger.begin() as tx:
            accounts.set_values(tx, account.id, failures=0, locked_until=None)
        if trouble := "differ" if wanted != again else "same" if wanted == current else why_not(wanted, account.name):
            return asked(request, trouble, 422)
        kept = hashed(wanted)
        with context.ledger.begin() as tx:
            People(context.ledger, trail, context.clock).choose_password(tx, account, kept, now=now)
            token = session.begin(tx, request, web, account.id, address_of(request), now=now)
        answer = RedirectResponse("/account?done=password", 303)
        session.give(answer, token, web)
        return answer

    def _wrong(request: Request, tries: int, trail: Trail) -> Response:
        me, now = person(request), context.clock.now()
        over = tries >= FREE
        with context.ledger.begin() as tx:
            trail.not_signed_in(tx, me.name, address_of(request), serious=over, now=now)
            if over:
                accounts.set_values(tx, me.account_id, locked_until=now + lock_after(tries))
                sessions.end(tx, me.session)
                trail.locked(tx, me.name, address_of(request), now=now)
        return RedirectResponse("/sign-in", 303) if over else asked(request, "wrong", 422)


def _sessions(routes: APIRouter, context: WebContext) -> None:
    @routes.post("/account/sessions/end")
    def end(request: Request, which: Annotated[str, Form(pattern="^([0-9a-f]{16}|others)$")]) -> Response:
        me, now = person(request), context.clock.now()
        with context.ledger.begin() as tx:
            mine = sessions.of_account(tx, me.account_id)
            ended = [s for s in mine if s.digest != me.session and which in ("others", s.digest[:_HANDLE])]
            for one in ended:
                sessions.end(tx, one.digest)
                Trail.of(context.settings).signed_out(tx, me.name, one.address, now=now)
        return RedirectResponse("/account?done=sessions", 303)
