"""`/`: where a person lands."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from agent.store import overview
from agent.web.context import WebContext
from agent.web.pages.render import Pages


def router(context: WebContext, pages: Pages) -> APIRouter:
    """The newest studies."""
    routes = APIRouter()

    @routes.get("/")
    def home(request: Request) -> Response:
        with context.ledger.read() as view:
            studies = overview.studies(view, limit=50)
        return pages.html(request, "worklist.html", studies=studies)

    return routes
