"""The application: every router, what each answer has in common, and what becomes of errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from agent.errors import PrereadError
from agent.web import health
from agent.web.context import WebContext

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def make_app(context: WebContext) -> FastAPI:
    """Everything that is served. Functions of routes are plain ones: they run in threads, and may use the ledger."""
    app = FastAPI(title="cxr-preread", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(health.router(context))

    @app.middleware("http")
    async def common(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await answer(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.exception_handler(PrereadError)
    def said(_: Request, error: PrereadError) -> Response:
        """Codes only: the words of an error may name a study."""
        return JSONResponse({"error": error.code}, status_code=503)

    return app
