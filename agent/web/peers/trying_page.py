"""`/peers/test` and `/peers/retry`: what is tried with a peer or destination, and what comes of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.mending.hand import one_line
from agent.store import failing
from agent.web.context import WebContext
from agent.web.hand import hand_of
from agent.web.pages.render import Pages
from agent.web.peers import trials
from agent.web.refused import Refused
from agent.web.tasks import Tasks


def router(context: WebContext, pages: Pages, tasks: Tasks) -> APIRouter:
    """One trial, everything that a destination has not taken, and how far either is."""
    routes = APIRouter()

    @routes.post("/peers/test")
    def test(
        request: Request, what: Annotated[str, Form(max_length=16)], name: Annotated[str, Form(max_length=64)] = ""
    ) -> Response:
        if what not in trials.TESTS:
            raise Refused(404, "not-found")
        work = trials.TESTS[what]
        task = tasks.start(what, name, lambda say: work(context, name, say))
        return RedirectResponse(f"/peers/test/{task.id}", 303)

    @routes.get("/peers/test/{task_id}")
    def tested(request: Request, task_id: str) -> Response:
        task = tasks.task(task_id)
        return pages.html(request, "peers-test.html", task=task, found=task.found, steps=task.steps)

    @routes.get("/peers/retry/{name}")
    def ask_again(request: Request, name: str) -> Response:
        return about_all(request, name, "")

    @routes.post("/peers/retry/{name}")
    def send_again(request: Request, name: str, reason: Annotated[str, Form(max_length=500)] = "") -> Response:
        why = one_line(reason)
        if not why:
            return about_all(request, name, "reason-missing")
        hand = hand_of(context, request)
        task = tasks.start("retry", name, lambda say: trials.retry(hand, name, why, say))
        return RedirectResponse(f"/peers/test/{task.id}", 303)

    def about_all(request: Request, name: str, error: str) -> Response:
        with context.ledger.read() as view:
            count = failing.destination_counts(view).get(name, 0)
        known = any(d.name == name for d in context.current.destinations)
        if not known and not count:
            raise Refused(404, "not-found")
        status = 422 if error else 200
        return pages.html(request, "peers-retry.html", status=status, name=name, count=count, known=known, error=error)

    return routes
