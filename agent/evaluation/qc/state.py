"""How the constancy test stands, for people who look at the line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection

from agent.in_words import english
from agent.sentence import Sentence, sentence
from agent.settings import Qc
from agent.store import processes, qc
from agent.store.engine import Ledger
from agent.store.processes import ProcessState

STALE_AFTER = timedelta(days=2)
AWAY = timedelta(seconds=30)  # a process that is started again is back by then
_ROLES = ("receive", "read", "office")
_SHOWN = 3  # checks that are named; the others are counted


@dataclass(frozen=True, slots=True)
class Judged:
    """How it stands; sentences; the command that the last of them is about."""

    state: Literal["ok", "note", "bad"]
    said: tuple[Sentence, ...]
    command: str = ""

    @property
    def words(self) -> str:
        """For a command line or a program."""
        return f"{english(*self.said)}: {self.command}" if self.command else english(*self.said)


def standing(view: Connection, settings: Qc, now: datetime) -> tuple[str, str]:
    """(state, words) of `judged`."""
    found = judged(view, settings, now)
    return found.state, found.words


def judged(view: Connection, settings: Qc, now: datetime) -> Judged:
    """``bad`` when a run failed and none over all films of the settings has passed since, or none has finished for two days although
    it is to run daily; ``note`` when it has never run over all of them; else ``ok``."""
    whole, some = None, None
    for run in qc.finished(view):
        if not run.passed:
            return _failure(run)
        some = some or run
        if {film["name"] for film in run.films} >= set(settings.films):
            whole = run
            break
    since = qc.first_arrival(view) if whole is None else whole.finished_at
    daily = sentence("constancy.daily", at=settings.daily_at)
    if settings.daily_at and since is not None and now - since > STALE_AFTER:
        last = sentence("constancy.never-finished") if whole is None else sentence("constancy.last", at=_minute(since))
        return Judged("bad", (daily, last, sentence("constancy.see-log")), "preread qc")
    if whole is None:
        never = sentence("constancy.never-all" if some else "constancy.never")
        if settings.daily_at:
            return Judged("note", (never, daily))
        return Judged("note", (never, sentence("constancy.run-it")), "preread qc")
    at = "" if whole.finished_at is None else _minute(whole.finished_at)
    return Judged("ok", (sentence("constancy.passed", n=len(whole.checks), at=at),))


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


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


def _failure(run: qc.QcRun) -> Judged:
    failed = run.failed_checks
    named = "; ".join(f"{c['film']}: {c['what']}: {c['words']}" for c in failed[:_SHOWN])
    more = (sentence("constancy.more", n=len(failed) - _SHOWN),) if len(failed) > _SHOWN else ()
    at = "" if run.finished_at is None else _minute(run.finished_at)
    said = (sentence("constancy.failed", at=at, detail=named), *more, sentence("constancy.all-of-it"))
    return Judged("bad", said, "preread qc --last")
