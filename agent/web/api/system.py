"""`/api/v1/system`: how the site stands."""

from __future__ import annotations

from fastapi import APIRouter

from agent.health.site import Site, site_of
from agent.health.trouble import WORDS
from agent.store.alarms import Alarm
from agent.store.qc import QcRun
from agent.web.api.models import system as models
from agent.web.context import WebContext


def add(routes: APIRouter, context: WebContext) -> None:
    """The routes of this module."""

    @routes.get("/system", tags=["system"])
    def system() -> models.System:
        """How the site stands: roles, model, queue, disk, constancy test, alarms, certificates, audit trail. No patient is
        named."""
        with context.ledger.read() as view:
            site = site_of(view, context.files, context.current, context.clock.now())
        return _answer(site)


def _answer(site: Site) -> models.System:
    return models.System(
        version=site.version,
        python=site.python,
        schema_version=site.schema_version,
        database=site.database,
        database_bytes=site.database_bytes,
        roles=tuple(models.Role.model_validate(r) for r in site.roles),
        model=models.ModelState.model_validate(site.model),
        queue=tuple(models.Waiting.model_validate(w) for w in site.queue),
        disk=models.Disk.model_validate(site.disk),
        constancy_test=models.ConstancyTest(
            state=site.test.state,
            words=site.test.words,
            runs=tuple(_run(run) for run in site.test_runs),
        ),
        alarms=tuple(_alarm(a) for a in site.alarms),
        past_alarms=tuple(_alarm(a) for a in site.past_alarms),
        certificates=tuple(models.Certificate.model_validate(c) for c in site.certificates),
        web_sessions=site.web_sessions,
        audit_messages=site.audit_messages,
        audit_checked=None if site.audit_checked is None else models.AuditCheck.model_validate(site.audit_checked),
    )


def _alarm(alarm: Alarm) -> models.Alarm:
    return models.Alarm(
        id=alarm.id,
        code=alarm.code,
        about=alarm.about,
        count=alarm.count,
        words=WORDS.get(alarm.code, alarm.code),
        raised_at=alarm.raised_at,
        told_at=alarm.told_at,
        recovered_at=alarm.recovered_at,
    )


def _run(run: QcRun) -> models.ConstancyRun:
    return models.ConstancyRun(
        id=run.id,
        started_by=run.started_by,
        started_at=run.started_at,
        finished_at=run.finished_at,
        passed=run.passed,
        films=len(run.films),
        checks=len(run.checks),
        failed=tuple(f"{c['film']}: {c['what']}: {c['words']}" for c in run.failed_checks),
    )
