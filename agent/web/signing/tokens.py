"""Programs: a call of the interface that carries ``Authorization: Bearer TOKEN`` (RFC 6750 2.1) is the token's, whoever's
cookie comes with it."""

from __future__ import annotations

import secrets
from datetime import timedelta

from fastapi import Request

from agent.store import tokens
from agent.web.context import WebContext
from agent.web.person import Person
from agent.web.rights import Role

PROGRAM = "token:"
"""Before the name of a token, wherever it stands for who did something: no account's name has a colon (agent.web.signing.names)."""
_SEEN_EVERY = timedelta(seconds=60)
_MARK = "preread_"  # by which people and programs that look for lost secrets know what they see


def new_token() -> str:
    """256 random bits, as text that needs no quoting anywhere."""
    return _MARK + secrets.token_urlsafe(32)


def bearer(request: Request) -> str | None:
    """The token of a call of the interface; None when it carries none. Pages are for people: no token opens one."""
    if not request.url.path.startswith("/api/"):
        return None
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def owner(context: WebContext, token: str) -> Person | None:
    """Whom the token stands for: somebody without an account, called `PROGRAM` and its name; None when it does not count."""
    now = context.clock.now()
    with context.ledger.read() as view:
        found = tokens.of_token(view, token)
    if found is None or not found.counts(now):
        return None
    if found.seen_at is None or now - found.seen_at > _SEEN_EVERY:
        with context.ledger.begin() as tx:
            tokens.seen(tx, found.id, now=now)
    return Person(0, PROGRAM + found.name, "", Role(found.role), "", "", "")
