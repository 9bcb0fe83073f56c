"""What every answer carries, and what no call from another site may do."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "form-action 'self'",
        "manifest-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SAFE = ("GET", "HEAD", "OPTIONS")


class Protection:
    """Around the application. A browser says where a call comes from (Fetch Metadata, or at least Origin), and no page can lie
    about it; a call that changes something and says neither must bring a token, which no browser adds by itself.

    Args:
        defect: what is answered in the place of an error that nobody expected; the error goes on to whoever writes the log.
    """

    def __init__(self, app: ASGIApp, defect: Callable[[Scope], Response]) -> None:
        self._app, self._defect = app, defect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["method"] not in _SAFE and not _is_of_this_site(Headers(scope=scope)):
            said = {"error": {"code": "cross-site", "message": "calls from other sites change nothing"}}
            refusal = JSONResponse(said, 403, {"Connection": "close"})  # what it carries is not read
            await refusal(scope, receive, with_headers)
            return
        try:
            await self._app(scope, receive, with_headers)
        except Exception:
            if not started:  # the framework's own answer to a defect would go out without the headers
                await self._defect(scope)(scope, receive, with_headers)
            raise


def _is_of_this_site(headers: Headers) -> bool:
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site == "same-origin"
    if origin is not None:
        return urlsplit(origin).netloc == headers.get("host") != ""
    return headers.get("authorization", "").lower().startswith("bearer ")
