"""The processes of the line, by what they say of themselves in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent.clock import SystemClock
from agent.commands.common import existing_store
from agent.doctor.check import Check
from agent.errors import PrereadError
from agent.settings import Settings
from agent.store import processes, trouble
from agent.store.processes import ROLES, ProcessState, is_silent


def line(settings: Settings) -> Sequence[Check]:
    """Every process. The line ought to run when one of its processes does, when one died, or when work waits."""
    roles, waiting = _said(settings)
    if not roles:
        return [Check("processes", "note", "the line has not run here yet: preread serve")]
    now = SystemClock().now()
    ought = waiting is not None or any(r.state != "stopped" for r in roles)
    found = [_process(role, now, ought=ought) for role in roles]
    if any(r.state != "stopped" and not is_silent(r, now) for r in roles):
        found += [
            Check(f"process {name}", "bad", "has never run here, and the others do; start it: preread serve")
            for name in ROLES
            if name not in {r.role for r in roles}
        ]
    elif waiting is not None:
        words = f"nothing runs, and work waits since {waiting:%Y-%m-%d %H:%M} UTC; start the line: preread serve"
        found.append(Check("processes", "bad", words))
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
        return Check(what, "bad" if ought else "note", "is stopped" + ("; start it: preread serve" if ought else ""))
    if is_silent(role, now):
        age = (now - role.beat_at).total_seconds()
        words = f"gave its last sign of life {age:.0f} s ago, while {role.state}; it died or hangs: see its log, start it again"
        return Check(what, "bad", words)
    return Check(what, "bad" if role.state == "failed" else "ok", f"{role.state} {role.words}".strip())
