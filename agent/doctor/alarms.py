"""What the line itself has raised, and whether those who are to be told could be."""

from __future__ import annotations

from collections.abc import Sequence

from agent.commands.common import existing_store
from agent.doctor.check import Check, finding
from agent.errors import PrereadError
from agent.health.trouble import WORDS
from agent.sentence import Sentence, sentence
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
    found = [finding(f"alarm {a.code}", "bad", *_said(a), code=a.code) for a in raised]
    return [*found, *(_untold(name, why) for name, why in sorted(untold.items()))]


def _untold(name: str, why: str) -> Check:
    return finding(f"teller {name}", "bad", sentence("untold", detail=why), sentence("tried-again"))


def _said(alarm: Alarm) -> tuple[Sentence, ...]:
    """What is wrong; a code that this version does not know stands for itself."""
    known = alarm.code in WORDS
    wrong = Sentence(f"system.alarm.{alarm.code}", {}) if known else sentence("alarm", code=alarm.code)
    about = (sentence("alarm-about", about=alarm.about),) if alarm.about else ()
    told = sentence("told", at=f"{alarm.told_at:%Y-%m-%d %H:%M}") if alarm.told_at else sentence("nobody-told")
    return (*about, sentence("since", at=f"{alarm.raised_at:%Y-%m-%d %H:%M}"), told, wrong)
