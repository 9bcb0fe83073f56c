"""`/peers/remove`: taking a peer or a destination out of the settings file, with what that does in sight."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from agent.settings.editing import CannotEdit
from agent.settings.removing import Removal
from agent.settings.writing import FileHasChanged, NotWritable
from agent.store import contacts
from agent.web.context import WebContext
from agent.web.pages.render import Pages
from agent.web.pages.said import Trouble
from agent.web.peers.file import Content, Proposal, SettingsText, overrides
from agent.web.peers.forms import DESTINATIONS, PEERS
from agent.web.peers.reload import ask_to_reload
from agent.web.refused import Refused

TABLES = {"peer": PEERS, "destination": DESTINATIONS}
_CHANGED = Trouble("settings-changed-meanwhile")


def router(context: WebContext, pages: Pages) -> APIRouter:
    """The page that asks, and what it does."""
    routes = APIRouter()
    text = None if context.path is None else SettingsText(context.path)

    @routes.get("/peers/remove/{what}")
    def ask(request: Request, what: str, name: Annotated[str, Query(max_length=64)] = "") -> Response:
        file, content = _there(text, what, name)
        return shown(request, file, content, what, name)

    @routes.post("/peers/remove/{what}")
    def remove(
        request: Request,
        what: str,
        name: Annotated[str, Form(max_length=64)] = "",
        digest: Annotated[str, Form(max_length=200)] = "",
    ) -> Response:
        file, content = _there(text, what, name)
        if content.digest != digest:
            return shown(request, file, content, what, name, _CHANGED)
        try:
            proposal = file.propose_removal(content, Removal(TABLES[what], name))
            if not proposal.may_be_made:
                return shown(request, file, content, what, name, status=422)
            file.write(proposal, expected=digest)
        except FileHasChanged:
            return shown(request, file, file.content(), what, name, _CHANGED)
        except (CannotEdit, NotWritable) as error:
            return shown(request, file, content, what, name, Trouble.of(error))
        return RedirectResponse(f"/peers/reload/{ask_to_reload(context, request, 'settings-written')}", 303)

    def shown(
        request: Request,
        file: SettingsText,
        content: Content,
        what: str,
        name: str,
        wrong: Trouble | None = None,
        status: int = 0,
    ) -> Response:
        proposal: Proposal | None = None
        general = [] if wrong is None else [wrong]
        try:
            proposal = file.propose_removal(content, Removal(TABLES[what], name))
            general += proposal.general
        except CannotEdit as error:
            general += [] if Trouble.of(error) == wrong else [Trouble.of(error)]
        with context.ledger.read() as view:
            counts = contacts.contact(view, name).counts if what == "destination" else {}
        return pages.html(
            request, "peers-remove.html", status=status or (409 if wrong else 200), what=what, name=name, digest=content.digest,
            general=general, proposal=proposal, waits=sum(counts.values()), unwritable=file.why_not_writable(),
            overrides=overrides(), path_of_file=str(context.path),
        )  # fmt: skip

    return routes


def _there(text: SettingsText | None, what: str, name: str) -> tuple[SettingsText, Content]:
    """The file and what it holds, with that entry in it."""
    if what not in TABLES:
        raise Refused(404, "not-found")
    if text is None:
        raise Refused(404, "no-settings-file")
    content = text.content()
    if content.entry(TABLES[what], name) is None:
        raise Refused(404, "no-such-entry")
    return text, content
