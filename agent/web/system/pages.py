"""`/system`: roles, model, work, disk, constancy test, alarms, certificates, audit trail. No patient is named."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from agent.doctor import machine
from agent.evaluation.qc.state import not_running
from agent.health.site import Site, site_of
from agent.health.trouble import WORDS
from agent.store import qc
from agent.web.context import WebContext
from agent.web.numbers.tongue import Tongue
from agent.web.pages.render import Pages
from agent.web.person import person
from agent.web.refused import Refused
from agent.web.system import examine
from agent.web.tasks import Task, Tasks
from agent.work.queue import enqueue

_DONE = ("qc", "qc-not", "audit")


def router(context: WebContext, pages: Pages) -> APIRouter:
    """The page, and what is started from it."""
    routes, tasks = APIRouter(), Tasks(context.clock)

    @routes.get("/system")
    def system(request: Request, done: str = "") -> Response:
        now = context.clock.now()
        with context.ledger.read() as view:
            site = site_of(view, context.files, context.current, now)
        tongue, proof = Tongue(pages.words(request), pages.language(request)), examine.newest(tasks, examine.AUDIT)
        return pages.html(
            request, "system.html", site=site, now=now, done=done if done in _DONE else "", tongue=tongue,
            ago=lambda moment: tongue.duration(max(0.0, (now - moment).total_seconds())),
            alarm_words=WORDS, days_until=lambda moment: _days(moment, now), versions=machine.versions(),
            proving=_runs(proof), not_proved=[step.words for step in proof.steps if step.key == "failed"] if proof else [],
            certificate_days=context.current.alarms.certificate_days,
            verdict=_verdict(site),
        )  # fmt: skip

    @routes.post("/system/qc")
    def test(request: Request) -> Response:
        """Enqueue a run of the constancy test, unless the line does not run, or one waits."""
        now = context.clock.now()
        with context.ledger.begin() as tx:
            may = not not_running(tx, now) and not qc.is_under_way(tx, now)
            if may:
                enqueue(tx, "qc", qc.free_id(tx, now), now=now)
        return RedirectResponse(f"/system?done={'qc' if may else 'qc-not'}#test", 303)

    @routes.post("/system/audit")
    def prove(request: Request) -> Response:
        examine.begin(tasks, examine.AUDIT, examine.audit(context, person(request).name))
        return RedirectResponse("/system?done=audit#audit", 303)

    @routes.get("/system/doctor")
    def examined(request: Request) -> Response:
        task = examine.newest(tasks, examine.DOCTOR)
        t, own = pages.words(request), pages.language(request) == "en"
        counts = Counter(step.state for step in task.steps) if task is not None else Counter[str]()
        return pages.html(
            request,
            "system-doctor.html",
            task=task,
            counts=counts,
            subject=lambda step: examine.subject(step.key, t),
            # In English the sentence says it; not so that of the task itself, which has advice for a command.
            meaning=lambda step: "" if own and step.key != "failed" else examine.meaning(step, t),
            may_begin=context.path is not None and not _runs(task),
        )

    @routes.post("/system/doctor")
    def begin(request: Request) -> Response:
        if context.path is None:
            raise Refused(404, "no-settings-file")
        examine.begin(tasks, examine.DOCTOR, examine.doctor(context.path))
        return RedirectResponse("/system/doctor", 303)

    return routes


def _runs(task: Task | None) -> bool:
    return task is not None and task.ended_at is None


def _days(moment: datetime, now: datetime) -> int:
    return (moment - now).days


def _verdict(site: Site) -> str:
    """In one word how the site stands: ``bad`` when something is wrong now, ``note`` when something should be looked at."""
    if site.alarms or any(role.state in ("silent", "missing", "failed", "stopped") for role in site.roles):
        return "bad"
    return "ok" if site.test.state == "ok" else "note"
