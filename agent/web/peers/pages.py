"""`/peers` and what lies below it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.errors import Permanent
from agent.mending.hand import one_line
from agent.settings.editing import CannotEdit, Change
from agent.settings.network import DESTINATION_KINDS
from agent.settings.writing import FileHasChanged, NotWritable
from agent.store import contacts, failing, processes, reloads
from agent.web.context import WebContext
from agent.web.hand import hand_of
from agent.web.keys import RowInPath
from agent.web.pages.render import Pages
from agent.web.pages.said import Trouble
from agent.web.peers import forms, trials
from agent.web.peers.file import Proposal, SettingsText, overrides
from agent.web.peers.forms import DESTINATIONS, PEERS
from agent.web.peers.reload import ask_to_reload
from agent.web.peers.removing import TABLES
from agent.web.refused import Refused
from agent.web.tasks import Tasks

Answers = Mapping[str, list[str]]
_CHANGED = Trouble("settings-changed-meanwhile")
_HIDDEN = ("digest", "was", "type", "do")


def router(context: WebContext, pages: Pages) -> APIRouter:
    """The list, the forms, what is tried, and what became of it."""
    routes, tasks = APIRouter(), Tasks(context.clock)
    text = None if context.path is None else SettingsText(context.path)

    def the_file() -> SettingsText:
        if text is None:
            raise Refused(404, "no-settings-file")
        return text

    @routes.get("/peers")
    def peers(request: Request) -> Response:
        settings, now = context.current, context.clock.now()
        with context.ledger.read() as view:
            seen = {p.name: contacts.last_image(view, p.ae_title) for p in settings.peers if "send" in p.may}
            refused = contacts.last_refusals(view)
            at = {d.name: contacts.contact(view, d.name) for d in settings.destinations}
            roles = reloads.in_force(view)
            running = {p.role for p in processes.all_processes(view) if not processes.does_not_run(p, now)}
        digest, unread = "", None
        if text is not None:
            try:
                digest = text.content().digest
            except Permanent as error:
                unread = Trouble.of(error)
        return pages.html(
            request, "peers.html", settings=settings, seen=seen, refused=refused, at=at, roles=[r for r in roles if r.role in running],
            digest=digest, unread=unread, may_be_changed=text is not None, tests_of_peer=trials.of_peer,
            tests_of_destination=trials.of_destination, tasks=tasks.newest()[:8], overrides=overrides(), kinds=tuple(DESTINATION_KINDS),
        )  # fmt: skip

    @routes.get("/peers/form/{what}")
    def form(request: Request, what: str, name: str = "", type: str = "") -> Response:
        table, file = _table(what), the_file()
        content = file.content()
        entry = content.entry(table, name) if name else {}
        if entry is None:
            raise Refused(404, "no-such-entry")
        kind = "" if table == PEERS else str(entry.get("type") or type)
        if table == DESTINATIONS and kind not in DESTINATION_KINDS:
            raise Refused(404, "not-found")
        fields = forms.filled(forms.fields_of(table, kind), entry)
        return shown(request, what, fields, name, kind, content.digest, (), None)

    @routes.post("/peers/form/{what}")
    def take(request: Request, what: str, answers: Annotated[Answers, Depends(_answers)]) -> Response:
        table, file = _table(what), the_file()
        digest, was, kind, do = (answers.get(key, [""])[0] for key in _HIDDEN)
        if table == DESTINATIONS and kind not in DESTINATION_KINDS:
            raise Refused(404, "not-found")
        fields = forms.answered(forms.fields_of(table, kind), answers)
        change = Change(table, was, forms.values_of(table, kind, fields), forms.defaults_of(table, kind))
        try:
            content = file.content()
        except Permanent as error:  # an editor is in the middle of it, perhaps: what was entered stays
            return shown(request, what, fields, was, kind, digest, (Trouble.of(error),), None, status=409)
        if content.digest != digest:
            return shown(request, what, fields, was, kind, content.digest, (_CHANGED,), None, status=409)
        try:
            proposal = file.propose(content, change)
        except CannotEdit as error:
            return shown(request, what, fields, was, kind, digest, (Trouble.of(error),), None, status=409)
        fields = forms.with_mistakes(fields, proposal.wrong)
        if not proposal.may_be_made:
            return shown(request, what, fields, was, kind, digest, proposal.general, None, status=422)
        if do != "write" or not proposal.changes_something:
            return shown(request, what, fields, was, kind, digest, (), proposal)
        try:
            file.write(proposal, expected=digest)
        except FileHasChanged:
            return shown(request, what, fields, was, kind, digest, (_CHANGED,), None, status=409)
        except NotWritable as error:
            return shown(request, what, fields, was, kind, digest, (Trouble.of(error),), proposal, status=409)
        return RedirectResponse(f"/peers/reload/{ask_to_reload(context, request, 'settings-written')}", 303)

    def shown(
        request: Request,
        what: str,
        fields: tuple[forms.Field, ...],
        was: str,
        kind: str,
        digest: str,
        general: tuple[Trouble, ...],
        proposal: Proposal | None,
        status: int = 200,
    ) -> Response:
        peers_known = [p.name for p in context.current.peers]
        return pages.html(
            request, "peers-form.html", status=status, what=what, fields=fields, was=was, kind=kind, digest=digest, general=general,
            proposal=proposal, unwritable=the_file().why_not_writable(), overrides=overrides(), path_of_file=str(context.path),
            peers_known=peers_known,
        )  # fmt: skip

    @routes.post("/peers/reload")
    def again(request: Request) -> Response:
        return RedirectResponse(f"/peers/reload/{ask_to_reload(context, request, 'settings-reload')}", 303)

    @routes.get("/peers/reload/{number}")
    def reloaded(request: Request, number: RowInPath) -> Response:
        now = context.clock.now()
        with context.ledger.read() as view:
            if not 0 < number <= reloads.newest(view):
                raise Refused(404, "not-found")
            rows = [r for r in reloads.in_force(view) if r.request_id >= number]
            running = {p.role for p in processes.all_processes(view) if not processes.does_not_run(p, now)}
        silent = sorted(running - {r.role for r in rows})
        return pages.html(request, "peers-reload.html", rows=rows, silent=silent, running=running)

    @routes.post("/peers/test")
    def test(
        request: Request, what: Annotated[str, Form(max_length=16)], name: Annotated[str, Form(max_length=64)] = ""
    ) -> Response:
        if what not in trials.TESTS:
            raise Refused(404, "not-found")
        work = trials.TESTS[what]
        task = tasks.start(what, name, lambda say: work(context, name, say))
        return RedirectResponse(f"/peers/test/{task.id}", 303)

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

    @routes.get("/peers/test/{task_id}")
    def tested(request: Request, task_id: str) -> Response:
        task = tasks.task(task_id)
        return pages.html(request, "peers-test.html", task=task, found=task.found, steps=task.steps)

    return routes


async def _answers(request: Request) -> Answers:
    """The questions of a form are those of its model, so what is answered is read here and not by the framework."""
    sent = await request.form(max_fields=100, max_files=0)
    return {key: [str(v) for v in sent.getlist(key)] for key in sent}


def _table(what: str) -> str:
    if what not in TABLES:
        raise Refused(404, "not-found")
    return TABLES[what]
