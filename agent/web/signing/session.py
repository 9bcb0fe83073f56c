"""A browser's session: the cookie that carries its token, and its beginning. The ledger has the token's digest alone.

The cookie is SameSite=Lax and not Strict. A browser that comes back from the OpenID provider, or from a link in the PACS or in a
mail, comes from another site: with Strict it would not show the cookie that it has just been given, and the person would be sent
to sign in again. What Lax lets through are calls that only look; those that change something are known by where they come from
(`agent.web.protection`), whatever cookie they carry.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from fastapi import Request, Response
from sqlalchemy import Connection

from agent.settings import Web
from agent.store import sessions

_NAME = "preread_session"


def cookie_name(web: Web) -> str:
    """Over HTTPS with a prefix by which browsers refuse a cookie that another host, or plain HTTP, has planted (RFC 6265bis 4.1.3)."""
    return f"__Host-{_NAME}" if web.is_https else _NAME


def token_in(request: Request, web: Web) -> str:
    """The token that a browser shows; empty when it shows none."""
    return request.cookies.get(cookie_name(web), "")


def begin(tx: Connection, request: Request, web: Web, account_id: int, address: str, *, now: datetime) -> str:
    """A new session; its token. It is never one that the browser had before, and the one it had ends. Those that count no longer
    are forgotten."""
    if old := token_in(request, web):
        sessions.end(tx, sessions.digest_of(old))
    idle, longest = timedelta(minutes=web.idle_min), timedelta(hours=web.longest_h)
    sessions.end_older(tx, seen_before=now - idle, began_before=now - longest)
    token = secrets.token_urlsafe(32)
    sessions.begin(tx, token, account_id, address, now=now)
    return token


def give(answer: Response, token: str, web: Web) -> None:
    """Put the token into the browser: no script sees it, and it ends with the browser at the latest."""
    answer.set_cookie(cookie_name(web), token, httponly=True, samesite="lax", secure=web.is_https, path="/")


def take_back(answer: Response, web: Web) -> None:
    """Have the browser forget it."""
    answer.delete_cookie(cookie_name(web), path="/", secure=web.is_https, httponly=True, samesite="lax")
