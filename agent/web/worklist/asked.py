"""That somebody asked for a list of patients is written into the audit trail: a Query (PS3.15 A.5.3.10), one message a question and
not one a row, as when a PACS is asked. The question is not in it, for it may name a patient. What the page then asks by itself, to
stay up to date, is the same question; after a while it is written down again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from fastapi import Request

from agent.audit.trail import Trail
from agent.store.listing import Wanted
from agent.web.context import WebContext
from agent.web.person import address_of, person

_AGAIN_AFTER = timedelta(minutes=10)
_REMEMBERED = 10_000


class Asked:
    """What this process has written down of late."""

    def __init__(self, context: WebContext) -> None:
        self._context, self._lock = context, threading.Lock()
        self._lately: OrderedDict[tuple[str, str, Wanted], datetime] = OrderedDict()

    def note(self, request: Request, wanted: Wanted) -> None:
        """The caller asks for that.

        Raises:
            Transient: it cannot be written down at the moment, and then nothing may be shown.
        """
        who, now = person(request), self._context.clock.now()
        key = (who.name, who.session or address_of(request), wanted)
        with self._lock:
            last = self._lately.get(key)
            if last is not None and now - last < _AGAIN_AFTER:
                return
        trail = Trail.of(self._context.settings).acting(who.name, address_of(request))
        with self._context.ledger.begin() as tx:
            trail.asked(tx, now=now)
        with self._lock:
            self._lately[key] = now
            self._lately.move_to_end(key)
            while len(self._lately) > _REMEMBERED:
                self._lately.popitem(last=False)
