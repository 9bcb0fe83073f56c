"""That somebody asked for a list of studies is written into the audit trail: a Query (PS3.15 A.5.3.10), one message a question and
not one a row, as when a PACS is asked. The question is not in it, for it may name a patient. What the page then asks by itself, to
stay up to date, is the same question; after a while it is written down again."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime

from fastapi import Request

from agent.audit.trail import Trail
from agent.web.context import WebContext
from agent.web.head import shows_nothing
from agent.web.lately import Lately
from agent.web.person import address_of, person


class Asked:
    """Writes down questions."""

    def __init__(self, context: WebContext) -> None:
        self._context, self._lately = context, Lately(context.clock)

    def note(self, request: Request, question: Hashable) -> None:
        """The caller asks for that.

        Raises:
            Transient: it cannot be written down at the moment, and then nothing may be shown.
        """
        with self._lately.told(request, question) as now:
            if now is not None:
                _write(self._context, request, now)


def note_question(context: WebContext, request: Request) -> None:
    """The caller asks for a list now.

    Raises:
        Transient: it cannot be written down at the moment, and then nothing may be shown.
    """
    if not shows_nothing(request):
        _write(context, request, context.clock.now())


def _write(context: WebContext, request: Request, now: datetime) -> None:
    trail = Trail.of(context.current).acting(person(request).name, address_of(request))
    with context.ledger.begin() as tx:
        trail.asked(tx, now=now)
