"""`/peers/form`: an entry of the settings file as a form that is checked, shown as a difference, and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from agent.errors import Permanent
from agent.settings.editing import CannotEdit, Change
from agent.settings.network import DESTINATION_KINDS
from agent.settings.writing import FileHasChanged, NotWritable
from agent.web.context import WebContext
from agent.web.pages.render import Pages
from agent.web.pages.said import Trouble
from agent.web.peers import forms
from agent.web.peers.file import Proposal, SettingsText, overrides
from agent.web.peers.forms import DESTINATIONS, PEERS
from agent.web.peers.reload import ask_to_reload
from agent.web.peers.removing import TABLES
from agent.web.refused import Refused

Answers = Mapping[str, list[str]]
_CHANGED = Trouble("settings-changed-meanwhile")
_HIDDEN = ("digest", "was", "type", "do")


@dataclass(frozen=True, slots=True)
class Sheet:
    """The form as it stands.

    Attributes:
        what: ``peer`` or ``destination``. kind: of a destination, else empty. was: name of the entry that is changed; empty
            for a new one. digest: of the file that the change is meant for.
        general: what is wrong that belongs to no field. proposal: what the change would do. written: it has been made.
    """

    what: str
    kind: str
    was: str
    digest: str
    fields: tuple[forms.Field, ...]
    general: tuple[Trouble, ...] = ()
    proposal: Proposal | None = None
    status: int = 200
    written: bool = False

    def refused(self, status: int, *why: Trouble) -> Sheet:
        """What was entered stays."""
        return replace(self, general=why, status=status)


def router(context: WebContext, pages: Pages) -> APIRouter:
    """The form, empty or filled, and what it is answered."""
    routes = APIRouter()
    text = None if context.path is None else SettingsText(context.path)

    def file() -> SettingsText:
        if text is None:
            raise Refused(404, "no-settings-file")
        return text

    @routes.get("/peers/form/{what}")
    def form(request: Request, what: str, name: str = "", type: str = "") -> Response:
        return shown(request, begun(file(), what, name, type))

    @routes.post("/peers/form/{what}")
    def take(request: Request, what: str, answers: Annotated[Answers, Depends(_answers)]) -> Response:
        sheet = taken(file(), what, answers)
        if sheet.written:
            return RedirectResponse(f"/peers/reload/{ask_to_reload(context, request, 'settings-written')}", 303)
        return shown(request, sheet)

    def shown(request: Request, sheet: Sheet) -> Response:
        return pages.html(
            request, "peers-form.html", status=sheet.status, what=sheet.what, fields=sheet.fields, was=sheet.was, kind=sheet.kind,
            digest=sheet.digest, general=sheet.general, proposal=sheet.proposal, unwritable=file().why_not_writable(),
            overrides=overrides(), path_of_file=str(context.path), peers_known=[p.name for p in context.current.peers],
        )  # fmt: skip

    return routes


def begun(file: SettingsText, what: str, name: str, kind: str) -> Sheet:
    """The form of an entry that is there, or of a new one of that kind.

    Raises:
        Permanent: the file cannot be read.
        Refused: there is no such entry, or no such form.
    """
    table, content = _table(what), file.content()
    entry = content.entry(table, name) if name else {}
    if entry is None:
        raise Refused(404, "no-such-entry")
    kind = "" if table == PEERS else _of_destinations(str(entry.get("type") or kind))
    return Sheet(what, kind, name, content.digest, forms.filled(forms.fields_of(table, kind), entry))


def taken(file: SettingsText, what: str, answers: Answers) -> Sheet:
    """What the form answers to what was entered; the change is made where it is asked for and can be.

    Raises:
        Refused: there is no such form.
    """
    table = _table(what)
    digest, was, kind, do = (answers.get(key, [""])[0] for key in _HIDDEN)
    kind = _of_destinations(kind) if table == DESTINATIONS else kind
    fields = forms.answered(forms.fields_of(table, kind), answers)
    sheet = Sheet(what, kind, was, digest, fields)
    try:
        content = file.content()
    except Permanent as error:  # an editor is in the middle of it, perhaps
        return sheet.refused(409, Trouble.of(error))
    if content.digest != digest:
        return replace(sheet, digest=content.digest).refused(409, _CHANGED)
    change = Change(table, was, forms.values_of(table, kind, fields), forms.defaults_of(table, kind))
    try:
        proposal = file.propose(content, change)
    except CannotEdit as error:
        return sheet.refused(409, Trouble.of(error))
    sheet = replace(sheet, fields=forms.with_mistakes(fields, proposal.wrong))
    if not proposal.may_be_made:
        return sheet.refused(422, *proposal.general)
    if do != "write" or not proposal.changes_something:
        return replace(sheet, proposal=proposal)
    return _written(file, sheet, proposal)


def _written(file: SettingsText, sheet: Sheet, proposal: Proposal) -> Sheet:
    try:
        file.write(proposal, expected=sheet.digest)
    except FileHasChanged:
        return sheet.refused(409, _CHANGED)
    except NotWritable as error:
        return replace(sheet, proposal=proposal).refused(409, Trouble.of(error))
    return replace(sheet, written=True)


async def _answers(request: Request) -> Answers:
    """The questions of a form are those of its model, so what is answered is read here and not by the framework."""
    sent = await request.form(max_fields=100, max_files=0)
    return {key: [str(v) for v in sent.getlist(key)] for key in sent}


def _table(what: str) -> str:
    if what not in TABLES:
        raise Refused(404, "not-found")
    return TABLES[what]


def _of_destinations(kind: str) -> str:
    if kind not in DESTINATION_KINDS:
        raise Refused(404, "not-found")
    return kind
