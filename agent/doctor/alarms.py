"""What the line itself has raised, and whether those who are to be told could be."""

from __future__ import annotations

from collections.abc import Sequence

from agent.commands.common import existing_store
from agent.doctor.check import Check
from agent.errors import PrereadError
from agent.health.trouble import WORDS
from agent.settings import Settings
from agent.store import alarms as store
from agent.store.alarms import Alarm


def alarms(settings: Settings) -> Sequence[Check]:
    """Every alarm that is not over, and every teller that cannot be told."""
    try:
        ledger, _ = existing_store(settings)
        with ledger.read() as view:
            raised, untold = store.raised(view), store.untold(view)
        ledger.close()
    except PrereadError:
        return []  # said about the ledger itself
    found = [Check(f"alarm {a.code}", "bad", _words(a), a.code) for a in raised]
    return [*found, *(Check(f"teller {name}", "bad", f"{why}; tried again") for name, why in sorted(untold.items()))]


def _words(alarm: Alarm) -> str:
    told = f"told {alarm.told_at:%H:%M} UTC" if alarm.told_at else "nobody was told yet"
    about = f"{alarm.about}: " if alarm.about else ""
    return f"{about}{WORDS.get(alarm.code, alarm.code)}; since {alarm.raised_at:%Y-%m-%d %H:%M} UTC, {told}"
