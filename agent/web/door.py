"""Who is listened to at all, before anybody asks who calls: by which name this server is called, whether what is said could be
overheard, and how much and how long somebody talks.

A page elsewhere cannot read what this server answers, unless its owner lets a name of his own lead here (DNS rebinding): so a call
must use a name of this server, or an address, which nobody can let lead elsewhere. Monitors come by whatever name their
configuration has: `/healthz` and `/readyz` answer to any, and so does `/metrics` where it asks for a token.

Beyond this machine nothing but monitors is answered without HTTPS: passwords, sessions and patients do not cross a hospital's network
in the clear. Where a proxy of the site adds it, a call must carry the name that people know, as `web.url` has it, with its port: then
a browser that came to this port directly, in the clear, is sent away before it says a password.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from collections.abc import Awaitable, Callable
from typing import NoReturn, cast
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.settings import Web
from agent.settings.values import EVERYWHERE, LOOPBACK

LONGEST_BODY = 2_000_000
SLOWEST_BODY_S = 30.0
_MONITORED = ("/healthz", "/readyz")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@\s]+)(?::([0-9]{1,5}))?")
_USUAL_PORTS = {"http": "80", "https": "443"}
_WORDS = {
    "no-such-host": "this server does not go by that name; the settings say by which it does: web.url\n",
    "not-encrypted": "the pages are not shown without HTTPS beyond the machine itself; see web.url and web.certificate_file\n",
    "too-large": "this is more than anybody may send here\n",
    "too-slow": "the request did not come in time\n",
}


class Door:
    """Around everything that is served."""

    def __init__(self, app: ASGIApp, web: Web) -> None:
        self._app, self._web = app, web
        self._any_name = frozenset((*_MONITORED, "/metrics") if web.token_file is not None else _MONITORED)
        own = {web.host.lower()} - EVERYWHERE
        self._names = frozenset(own | LOOPBACK | ({_name_of(web.url)} if web.url else set()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := self._refusal(scope["path"], headers):
            await refusal(scope, receive, send)
            return
        body = _Body(receive, send)
        with contextlib.suppress(_Enough):
            await self._app(scope, body.receive, body.send)
        if body.enough is not None and not body.answered:
            await _answer(headers, *body.enough)(scope, receive, send)

    def _refusal(self, path: str, headers: Headers) -> Response | None:
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:20]) > LONGEST_BODY:
            return _answer(headers, 413, "too-large")
        host = headers.get("host", "")
        if path not in self._any_name and not self._is_ours(host):
            return _answer(headers, 421, "no-such-host")
        if path in _MONITORED or path == "/metrics" or self._is_private(host):
            return None
        return _answer(headers, 421 if self._web.is_https_url else 403, "not-encrypted")

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].strip("[]").lower().removesuffix(".")
        return name in self._names or _is_address(name)

    def _is_private(self, host: str) -> bool:
        if self._web.is_local or self._web.certificate_file is not None:
            return True
        return self._web.is_https_url and _with_port(host, "https") == _with_port(
            urlsplit(self._web.url).netloc, "https"
        )


class _Enough(Exception):
    """Somebody has sent too much, or too little in too long a time."""


class _Body:
    """What is still to come of a request, and whether it has been answered. `enough`: status and code, once there was enough; what
    the application makes of that is not sent."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._left, self._coming = LONGEST_BODY, True
        self._until: float | None = None
        self.answered, self.enough = False, cast("tuple[int, str] | None", None)

    async def receive(self) -> Message:
        if not self._coming:
            return await self._receive()  # until the other end hangs up, which may take hours
        message = await self._in_time(self._receive)
        self._left -= len(message.get("body", b""))
        self._coming = message["type"] == "http.request" and message.get("more_body", False)
        if self._left < 0:
            self._stop(413, "too-large")
        return message

    async def send(self, message: Message) -> None:
        if self.enough is None or self.answered:
            self.answered = True
            await self._send(message)

    def _stop(self, status: int, code: str) -> NoReturn:
        self.enough = (status, code)
        raise _Enough(code)

    async def _in_time(self, receive: Callable[[], Awaitable[Message]]) -> Message:
        loop = asyncio.get_running_loop()
        self._until = self._until or loop.time() + SLOWEST_BODY_S
        try:
            async with asyncio.timeout_at(self._until):
                return await receive()
        except TimeoutError:
            self._stop(408, "too-slow")


def _answer(headers: Headers, status: int, code: str) -> Response:
    """The connection ends with it: what is still to come of the request is not read."""
    closing = {"Connection": "close"}
    if "text/html" in headers.get("accept", ""):
        return PlainTextResponse(_WORDS[code], status, headers=closing)
    return JSONResponse({"error": {"code": code}}, status, headers=closing)


def _name_of(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_port(netloc: str, scheme: str) -> tuple[str, str]:
    found = _HOST.fullmatch(netloc)
    return (found[1].lower().removesuffix("."), found[2] or _USUAL_PORTS[scheme]) if found else ("", "")
