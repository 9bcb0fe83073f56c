"""`/sign-in/oidc`: to the OpenID provider of the site, and back; `/sign-out/oidc`: what is left to be done there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from agent.audit.trail import Trail
from agent.errors import Permanent, PrereadError
from agent.settings import Oidc
from agent.store import accounts, sessions
from agent.web.context import WebContext
from agent.web.pages.render import Pages
from agent.web.person import address_of, caller
from agent.web.refused import Refused
from agent.web.signing import pending, session
from agent.web.signing.pending import Pending
from agent.web.signing.provider import Provider
from agent.web.signing.strangers import Stranger, account_of

BACK = "/sign-in/oidc/callback"
LEFT = "/sign-out/oidc"


def router(context: WebContext, pages: Pages) -> APIRouter:
    """Both ways; where the settings name no provider there is no such page."""
    routes, web = APIRouter(), context.settings.web
    oidc = web.oidc
    provider = None if oidc is None else Provider(oidc, web.address + BACK, context.clock)
    letting_in = _LettingIn(context)

    def not_let_in(request: Request, trouble: str, status: int) -> Response:
        name = "" if oidc is None else oidc.name
        answer = pages.html(request, "sign-in.html", status=status, next="/", trouble=trouble, provider=name)
        pending.forget(answer, web)
        return answer

    def troubled(request: Request, error: PrereadError) -> Response:
        structlog.get_logger().error("not signed in through the provider", reason=error.code, words=str(error))
        if not isinstance(error, Permanent):
            return not_let_in(request, "provider-down", 503)
        refused = error.code in ("provider-refused", "provider-answer")
        return not_let_in(request, error.code if refused else "provider-answer", 502)

    @routes.get("/sign-in/oidc")
    def leave(request: Request, next: str = "/") -> Response:
        if provider is None:
            raise Refused(404, "not-found")
        begun = Pending.begun(next)
        try:
            answer = RedirectResponse(provider.address_for(begun), 303)
        except PrereadError as error:
            return troubled(request, error)
        pending.remember(answer, begun, web)
        return answer

    @routes.get(BACK)
    def come_back(request: Request, state: str = "", code: str = "", error: str = "", iss: str = "") -> Response:
        if provider is None or oidc is None:
            raise Refused(404, "not-found")
        begun = pending.remembered(request, web)
        if begun is None or not begun.is_answered_by(state):
            return not_let_in(request, "not-begun-here", 400)
        if error or not code or (iss and iss != oidc.issuer):  # RFC 9207: an answer of another provider
            return not_let_in(request, "provider-refused", 403)
        try:
            claims = provider.claims_for(code, begun)
        except PrereadError as reason:
            return troubled(request, reason)
        token, trouble = letting_in.by(request, claims, oidc)
        if trouble:
            return not_let_in(request, trouble, 403)
        answer = RedirectResponse(begun.next, 303)
        pending.forget(answer, web)
        session.give(answer, token, web)
        return answer

    @routes.get(LEFT)
    def left(request: Request) -> Response:
        """Signed out here, and not yet there, which only the person can want: it ends all else that was opened with it."""
        if provider is None or oidc is None:
            raise Refused(404, "not-found")
        if caller(request) is not None:
            return RedirectResponse("/account", 303)
        address = ""
        try:
            address = provider.sign_out_address(pages.language(request))
        except PrereadError as error:
            structlog.get_logger().warning("signing out at the provider not offered", reason=error.code)
        return pages.html(request, "signed-out.html", provider=oidc.name, address=address)

    return routes


class _LettingIn:
    """From what the provider says to a session here, or not."""

    def __init__(self, context: WebContext) -> None:
        self._context, self._trail = context, Trail.of(context.settings)

    def by(self, request: Request, claims: Mapping[str, Any], oidc: Oidc) -> tuple[str, str]:
        """The token of a new session, or a code that says why there is none."""
        who, address, now = Stranger.of(claims, oidc), address_of(request), self._context.clock.now()
        with self._context.ledger.begin() as tx:
            known = accounts.by_subject(tx, who.subject)
            if who.role is None or (known is not None and known.disabled):
                if known is not None:  # whoever has lost the role has lost the sessions, too
                    sessions.end_all_of(tx, known.id)
                self._trail.not_signed_in(tx, known.name if known else "", address, now=now)
                return "", "no-role" if who.role is None else "disabled"
            account = account_of(tx, self._trail.acting(oidc.issuer, address), who, who.role, now=now)
            accounts.set_values(tx, account.id, signed_in_at=now)
            self._trail.signed_in(tx, account.name, address, now=now)
            return session.begin(tx, request, self._context.settings.web, account.id, address, now=now), ""
