"""HEAD: what a GET of the same address would be answered, without its content (RFC 9110 9.3.2). Monitors and programs that check
links ask so.

Rights and sessions are those of GET, for it is the same route that answers. Nothing of a patient is shown by it, so that no look and
no question is written down: the audit trail says who has seen something, and a monitor that asks every minute has not.
"""

from __future__ import annotations

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

_ASKED = "preread.head"
ONCE = frozenset({"/sign-in/oidc/callback"})
"""Addresses that can be used once: who looks whether a link works must not use it up."""


class Head:
    """Around the routes, which know of GET alone. The server, which knows better, leaves the content out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD" and scope["path"] not in ONCE:
            scope = {**scope, "method": "GET", _ASKED: True}
        await self._app(scope, receive, send)


def shows_nothing(request: Request) -> bool:
    """Whether the caller sees nothing of what is answered."""
    return bool(request.scope.get(_ASKED, False))
