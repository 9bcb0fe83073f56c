"""That somebody asked for a list of studies is written into the audit trail: a Query (PS3.15 A.5.3.10), one message a question and
not one a row, as when a PACS is asked. The question is not in it, for it may name a patient. What the page then asks by itself, to
stay up to date, is the same question; after a while it is written down again."""

from __future__ import annotations

from collections.abc import Hashable

from fastapi import Request

from agent.audit.trail import Trail
from agent.web.context import WebContext
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
            if now is None:
                return
            trail = Trail.of(self._context.settings).acting(person(request).name, address_of(request))
            with self._context.ledger.begin() as tx:
                trail.asked(tx, now=now)
