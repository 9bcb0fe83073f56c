"""`/healthz`, `/readyz` and `/metrics`: for monitors, without a word about a study."""

from __future__ import annotations

import hmac

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from agent.delivery.web import secret
from agent.errors import PrereadError
from agent.health.metrics import Metrics
from agent.health.readiness import unready
from agent.settings import Web
from agent.web.context import WebContext


def router(context: WebContext) -> APIRouter:
    """The three; `/healthz` and `/readyz` are open to everybody who can call, `/metrics` is not."""
    routes, metrics = APIRouter(), Metrics(context.settings, context.ledger, context.files, context.clock)

    @routes.get("/healthz")
    def alive() -> Response:
        return JSONResponse({"alive": True})

    @routes.get("/readyz")
    def ready() -> Response:
        reasons = unready(context.ledger, context.files, context.clock)
        body = {"ready": not reasons, "reasons": [{"code": r.code, "about": r.about} for r in reasons]}
        return JSONResponse(body, status_code=503 if reasons else 200)

    @routes.get("/metrics")
    def measured(request: Request) -> Response:
        refused = _refused(context.settings.web, request.headers.get("authorization", ""))
        return refused or Response(metrics.text(), media_type=metrics.content_type)

    return routes


def _refused(web: Web, authorization: str) -> Response | None:
    """Why this caller is told nothing; None when it may be told. Who reaches the port decides, or who has the token."""
    if web.token_file is None:
        words = "metrics are for this machine alone until the settings name web.token_file\n"
        return None if web.is_local else PlainTextResponse(words, status_code=403)
    try:
        wanted = b"Bearer " + secret("web.token_file", web.token_file)
    except PrereadError as error:
        structlog.get_logger().error("metrics refused", reason=error.code)
        return PlainTextResponse("web.token_file cannot be used; see the log of the office\n", status_code=503)
    if hmac.compare_digest(wanted, authorization.encode("utf-8", "replace")):
        return None
    return PlainTextResponse("a token is needed\n", status_code=401, headers={"WWW-Authenticate": "Bearer"})
