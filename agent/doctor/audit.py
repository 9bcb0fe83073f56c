"""The audit trail on its way to the syslog server: whether that would take it, and how much of it waits."""

from __future__ import annotations

from collections.abc import Sequence

from agent.audit.syslog import SyslogServer
from agent.commands.common import existing_store
from agent.doctor.check import Check, tried
from agent.errors import PrereadError
from agent.sentence import Sentence, sentence
from agent.settings import Settings, Syslog
from agent.store import tallies


def syslog(settings: Settings) -> Sequence[Check]:
    """Nothing where the settings name no syslog server."""
    named = settings.audit.syslog
    return [] if named is None else [tried("syslog server", lambda: _would_take(settings, named))]


def _would_take(settings: Settings, named: Syslog) -> tuple[Sentence, ...]:
    SyslogServer(named).try_out()
    return sentence("syslog", host=named.host, port=str(named.port)), _waiting(settings)


def _waiting(settings: Settings) -> Sentence:
    try:
        ledger, _ = existing_store(settings)
        with ledger.read() as view:
            waiting = tallies.audit_backlog(view)
        ledger.close()
    except PrereadError:
        return sentence("no-trail")  # or it is said about the ledger itself
    return sentence("trail-waits", n=max(0, waiting))
