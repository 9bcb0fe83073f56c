"""The processes of the line, by what they say of themselves in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent.clock import SystemClock
from agent.commands.common import existing_store
from agent.doctor.check import Check, finding
from agent.errors import PrereadError
from agent.sentence import Sentence, sentence
from agent.settings import Settings
from agent.store import processes, trouble
from agent.store.processes import ROLES, ProcessState, is_silent

_START = "preread serve"


def line(settings: Settings) -> Sequence[Check]:
    """Every process. The line ought to run when one of its processes does, when one died, or when work waits."""
    roles, waiting = _said(settings)
    if not roles:
        return [finding("processes", "note", sentence("line.not-yet"), command=_START)]
    now = SystemClock().now()
    ought = waiting is not None or any(r.state != "stopped" for r in roles)
    found = [_process(role, now, ought=ought) for role in roles]
    if any(r.state != "stopped" and not is_silent(r, now) for r in roles):
        found += [
            finding(f"process {name}", "bad", sentence("line.missing"), command=_START)
            for name in ROLES
            if name not in {r.role for r in roles}
        ]
    elif waiting is not None:
        said = sentence("line.work-waits", at=f"{waiting:%Y-%m-%d %H:%M}")
        found.append(finding("processes", "bad", said, command=_START))
    return found


def roles_of(settings: Settings) -> Sequence[ProcessState]:
    """Every role that has run here; none where nothing has."""
    return _said(settings)[0]


def _said(settings: Settings) -> tuple[Sequence[ProcessState], datetime | None]:
    try:
        ledger, _ = existing_store(settings)
        with ledger.read() as view:
            found = processes.all_processes(view), trouble.waiting_since(view)
        ledger.close()
    except PrereadError:
        return (), None  # said about the ledger itself
    return found


def _process(role: ProcessState, now: datetime, *, ought: bool) -> Check:
    what = f"process {role.role}"
    if role.state == "stopped":
        stopped = sentence("line.state.stopped")
        return (
            finding(what, "bad", stopped, sentence("line.start"), command=_START)
            if ought
            else finding(what, "note", stopped)
        )
    if is_silent(role, now):
        age = round((now - role.beat_at).total_seconds())
        return finding(what, "bad", sentence("line.silent", n=age), *_state(role), sentence("line.died"))
    code = role.words.partition(":")[0] if role.state == "failed" else ""
    return finding(what, "bad" if role.state == "failed" else "ok", *_state(role), code=code)


def _state(role: ProcessState) -> tuple[Sentence, ...]:
    """What the process says of itself, and its own words."""
    state = sentence(f"line.state.{role.state}")
    return (state, sentence("error", detail=role.words)) if role.words else (state,)
