"""`/peers`, and what became of a reload."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from agent.errors import Permanent
from agent.settings.network import DESTINATION_KINDS
from agent.store import contacts, processes, reloads
from agent.web.context import WebContext
from agent.web.keys import RowInPath
from agent.web.pages.render import Pages
from agent.web.pages.said import Trouble
from agent.web.peers import trials
from agent.web.peers.file import SettingsText, overrides
from agent.web.peers.reload import ask_to_reload
from agent.web.refused import Refused
from agent.web.tasks import Tasks


def router(context: WebContext, pages: Pages, tasks: Tasks) -> APIRouter:
    """The list, and having every process take up the file."""
    routes = APIRouter()

    def running(view: Connection) -> set[str]:
        now = context.clock.now()
        return {p.role for p in processes.all_processes(view) if not processes.does_not_run(p, now)}

    @routes.get("/peers")
    def peers(request: Request) -> Response:
        settings = context.current
        with context.ledger.read() as view:
            seen = {p.name: contacts.last_image(view, p.ae_title) for p in settings.peers if "send" in p.may}
            refused = contacts.last_refusals(view)
            at = {d.name: contacts.contact(view, d.name) for d in settings.destinations}
            at_work = running(view)
            roles = [r for r in reloads.in_force(view) if r.role in at_work]
        digest, unread = _digest(context)
        return pages.html(
            request, "peers.html", settings=settings, seen=seen, refused=refused, at=at, roles=roles, digest=digest, unread=unread,
            may_be_changed=context.path is not None, tests_of_peer=trials.of_peer, tests_of_destination=trials.of_destination,
            tasks=tasks.newest()[:8], overrides=overrides(), kinds=tuple(DESTINATION_KINDS),
        )  # fmt: skip

    @routes.post("/peers/reload")
    def again(request: Request) -> Response:
        return RedirectResponse(f"/peers/reload/{ask_to_reload(context, request, 'settings-reload')}", 303)

    @routes.get("/peers/reload/{number}")
    def reloaded(request: Request, number: RowInPath) -> Response:
        with context.ledger.read() as view:
            if not 0 < number <= reloads.newest(view):
                raise Refused(404, "not-found")
            rows = [r for r in reloads.in_force(view) if r.request_id >= number]
            at_work = running(view)
        silent = sorted(at_work - {r.role for r in rows})
        return pages.html(request, "peers-reload.html", rows=rows, silent=silent, running=at_work)

    return routes


def _digest(context: WebContext) -> tuple[str, Trouble | None]:
    """Of the settings file as it is now, or why it has none."""
    if context.path is None:
        return "", None
    try:
        return SettingsText(context.path).content().digest, None
    except Permanent as error:
        return "", Trouble.of(error)
