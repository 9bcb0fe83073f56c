"""The audit trail on its way to the syslog server: whether that would take it, and how much of it waits."""

from __future__ import annotations

from collections.abc import Sequence

from agent.audit.syslog import SyslogServer
from agent.commands.common import existing_store
from agent.doctor.check import Check, tried
from agent.errors import PrereadError
from agent.settings import Settings, Syslog
from agent.store import tallies


def syslog(settings: Settings) -> Sequence[Check]:
    """Nothing where the settings name no syslog server."""
    named = settings.audit.syslog
    return [] if named is None else [tried("syslog server", lambda: _would_take(settings, named))]


def _would_take(settings: Settings, named: Syslog) -> str:
    SyslogServer(named).try_out()
    return f"{named.host}:{named.port} can be spoken to; {_waiting(settings)}"


def _waiting(settings: Settings) -> str:
    try:
        ledger, _ = existing_store(settings)
        with ledger.read() as view:
            waiting = tallies.audit_backlog(view)
        ledger.close()
    except PrereadError:
        return "no trail has been kept here yet"  # or it is said about the ledger itself
    return f"{max(0, waiting)} messages of the trail have not been sent yet"
