"""The constancy test: how its last run ended, and whether the next one can be sent."""

from __future__ import annotations

from collections.abc import Sequence

from agent.clock import SystemClock
from agent.commands.common import existing_store
from agent.doctor.check import Check, finding, tried
from agent.errors import PrereadError
from agent.evaluation.qc.door import find_door
from agent.evaluation.qc.state import Judged, judged
from agent.sentence import sentence
from agent.settings import Settings


def constancy(settings: Settings) -> Sequence[Check]:
    """Nothing of a line that has not run here, unless it is to be tested daily and nobody may send."""
    found = []
    try:
        ledger, _ = existing_store(settings)
        with ledger.read() as view:
            found.append(_said(judged(view, settings.qc, SystemClock().now())))
        ledger.close()
    except PrereadError:
        pass  # said about the ledger itself
    if settings.qc.daily_at:
        found.append(
            tried("sender of the constancy test", lambda: (sentence("sender", title=find_door(settings).ae_title),))
        )
    return found


def _said(judged: Judged) -> Check:
    return finding("constancy test", judged.state, *judged.said, command=judged.command)
