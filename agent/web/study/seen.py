"""That somebody looked at a study is written into the audit trail: once a person, study and session, and again after a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from fastapi import Request

from agent.audit.event import About, What
from agent.audit.trail import Trail
from agent.web.context import WebContext
from agent.web.person import address_of, person

_AGAIN_AFTER = timedelta(minutes=10)
_REMEMBERED = 10_000  # looks; a forgotten one is written down again, which does no harm


class Seen:
    """What this process has written down of late."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._lately: OrderedDict[tuple[str, str, str], datetime] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, request: Request, study_instance_uid: str, patient_id: str) -> None:
        """The caller looks at that study.

        Raises:
            Transient: it cannot be written down at the moment, and then nothing may be shown.
        """
        who, now = person(request), self._context.clock.now()
        key = (who.name, who.session or address_of(request), study_instance_uid)
        with self._lock:
            last = self._lately.get(key)
            if last is not None and now - last < _AGAIN_AFTER:
                return
        trail = Trail.of(self._context.settings).acting(who.name, address_of(request))
        with self._context.ledger.begin() as tx:
            trail.by_hand(tx, What.ACCESSED, "view", About(study_instance_uid, patient_id), now=now)
        with self._lock:
            self._lately[key] = now
            self._lately.move_to_end(key)
            while len(self._lately) > _REMEMBERED:
                self._lately.popitem(last=False)
