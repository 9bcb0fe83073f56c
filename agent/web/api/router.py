"""Puts the interface together, and says what it is in OpenAPI."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from agent.version import VERSION
from agent.web.api import actions, events, network, numbers, reviews, study, system, worklist
from agent.web.api.errors import answers
from agent.web.context import WebContext
from agent.web.live import Live
from agent.web.signing.guard import Guard
from agent.web.signing.session import cookie_name

PREFIX = "/api/v1"
_ABOUT = """What the pages of cxr-preread show, for programs.

Every result is a draft by a machine: unverified, not a medical device. Show `banner` wherever you show any of it.

A program carries `Authorization: Bearer TOKEN`; tokens are made with `preread tokens add`. Whoever looks at a patient's data is
written into the audit trail as token:NAME."""


def router(context: WebContext, live: Live, guard: Guard) -> APIRouter:
    """All calls of the interface."""
    routes = APIRouter(prefix=PREFIX, responses=answers(401, 403, 422, 503))
    for part in (worklist, study, reviews, actions, network, system, numbers):
        part.add(routes, context)
    events.add(routes, context, live, guard)

    @routes.get("/openapi.json", include_in_schema=False)
    def openapi() -> JSONResponse:
        return JSONResponse(described(routes, cookie_name(context.settings.web)))

    return routes


def described(routes: APIRouter, cookie: str) -> dict[str, Any]:
    """The OpenAPI document of these routes; a session is known by that cookie."""
    made = get_openapi(title="cxr-preread", version=VERSION, description=_ABOUT, routes=routes.routes)
    schemes = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "Made with `preread tokens add NAME --role ROLE`.",
        },
        "session": {"type": "apiKey", "in": "cookie", "name": cookie, "description": "Of a person who signed in."},
    }
    made["components"]["securitySchemes"] = schemes
    made["security"] = [{name: []} for name in schemes]
    for gone in ("HTTPValidationError", "ValidationError"):  # our own error is answered in their place
        made["components"]["schemas"].pop(gone, None)
    return made
