"""How the constancy test stands, for people who look at the line."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from agent.settings import Qc
from agent.store import processes, qc
from agent.store.processes import ProcessState

STALE_AFTER = timedelta(days=2)
_ROLES = ("receive", "read", "office")
_SHOWN = 3  # checks that are named; the others are counted


def standing(view: Connection, settings: Qc, now: datetime) -> tuple[str, str]:
    """(state, words): ``bad`` when the last run failed, or none has finished for two days although it is to run daily;
    ``note`` when it has never run; else ``ok``."""
    run = qc.newest(view, finished=True)
    if run is not None and not run.passed:
        return "bad", failure(run)
    since = qc.first_arrival(view) if run is None or run.finished_at is None else run.finished_at
    if settings.daily_at and since is not None and now - since > STALE_AFTER:
        words = "has never finished" if run is None else f"finished last on {since:%Y-%m-%d %H:%M} UTC"
        return (
            "bad",
            f"it is to run daily at {settings.daily_at} and {words}; see the log of the office, or run: preread qc",
        )
    if run is None:
        when = f"it runs daily at {settings.daily_at}" if settings.daily_at else "run it with: preread qc"
        return "note", f"has never run here; {when}"
    return "ok", f"passed, {len(run.checks)} checks, {run.finished_at:%Y-%m-%d %H:%M} UTC"


def not_running(view: Connection, now: datetime) -> str:
    """What keeps a film from coming through the line, in words; empty when every process is there."""
    known = {p.role: p for p in processes.all_processes(view)}
    return "; ".join(words for role in _ROLES if (words := _gone(role, known.get(role), now)))


def _gone(role: str, process: ProcessState | None, now: datetime) -> str:
    if process is None:
        return f"the {role} process has never run here"
    if processes.is_silent(process, now):
        return f"the {role} process has given no sign of life for {(now - process.beat_at).total_seconds():.0f} s"
    return (
        f"the {role} process: {process.state} {process.words}".strip() if processes.does_not_run(process, now) else ""
    )


def failure(run: qc.QcRun) -> str:
    """A failed run in one line."""
    failed = run.failed_checks
    named = "; ".join(f"{c['film']}: {c['what']}: {c['words']}" for c in failed[:_SHOWN])
    more = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    return f"FAILED {run.finished_at:%Y-%m-%d %H:%M} UTC: {named}{more}; all of it: preread qc --last"
