"""How the constancy test stands, for people who look at the line."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from agent.settings import Qc
from agent.store import processes, qc
from agent.store.engine import Ledger
from agent.store.processes import ProcessState

STALE_AFTER = timedelta(days=2)
AWAY = timedelta(seconds=30)  # a process that is started again is back by then
_ROLES = ("receive", "read", "office")
_OVER_ALL = " over all films of the settings"
_SHOWN = 3  # checks that are named; the others are counted


def standing(view: Connection, settings: Qc, now: datetime) -> tuple[str, str]:
    """(state, words): ``bad`` when a run failed and none over all films of the settings has passed since, or none has
    finished for two days although it is to run daily; ``note`` when it has never run over all of them; else ``ok``."""
    whole, some = None, None
    for run in qc.finished(view):
        if not run.passed:
            return "bad", failure(run)
        some = some or run
        if {film["name"] for film in run.films} >= set(settings.films):
            whole = run
            break
    since = qc.first_arrival(view) if whole is None else whole.finished_at
    if settings.daily_at and since is not None and now - since > STALE_AFTER:
        words = f"has never finished{_OVER_ALL}" if whole is None else f"finished last on {since:%Y-%m-%d %H:%M} UTC"
        return (
            "bad",
            f"it is to run daily at {settings.daily_at} and {words}; see the log of the office, or run: preread qc",
        )
    if whole is None:
        when = f"it runs daily at {settings.daily_at}" if settings.daily_at else "run it with: preread qc"
        return "note", f"has never run here{_OVER_ALL if some else ''}; {when}"
    return "ok", f"passed, {len(whole.checks)} checks, {whole.finished_at:%Y-%m-%d %H:%M} UTC"


def not_running(view: Connection, now: datetime) -> str:
    """What keeps a film from coming through the line, in words; empty when every process is there."""
    known = {p.role: p for p in processes.all_processes(view)}
    return "; ".join(words for role in _ROLES if (words := _gone(role, known.get(role), now)))


def absence(ledger: Ledger, now: datetime) -> str:
    """The same as one sentence that says what to do; empty when the line runs."""
    with ledger.read() as view:
        words = not_running(view, now)
    return f"the line is not running: {words}; start it with: preread serve" if words else ""


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
