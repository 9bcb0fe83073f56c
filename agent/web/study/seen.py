"""That somebody looked at a study is written into the audit trail: once a person, study and session, and again after a while; where a
page is not looked at all day, each time."""

from __future__ import annotations

from datetime import datetime

from fastapi import Request

from agent.audit.event import About, What
from agent.audit.trail import Trail
from agent.web.context import WebContext
from agent.web.head import shows_nothing
from agent.web.lately import Lately
from agent.web.person import address_of, person


class Seen:
    """Writes down looks."""

    def __init__(self, context: WebContext) -> None:
        self._context, self._lately = context, Lately(context.clock)

    def note(self, request: Request, study_instance_uid: str, patient_id: str) -> None:
        """The caller looks at that study.

        Raises:
            Transient: it cannot be written down at the moment, and then nothing may be shown.
        """
        with self._lately.told(request, study_instance_uid) as now:
            if now is not None:
                _write(self._context, request, About(study_instance_uid, patient_id), now)


def note_look(context: WebContext, request: Request, study_instance_uid: str, patient_id: str = "") -> None:
    """The caller looks at that study now.

    Raises:
        Transient: it cannot be written down at the moment, and then nothing may be shown.
    """
    if not shows_nothing(request):
        _write(context, request, About(study_instance_uid, patient_id), context.clock.now())


def _write(context: WebContext, request: Request, about: About, now: datetime) -> None:
    trail = Trail.of(context.current).acting(person(request).name, address_of(request))
    with context.ledger.begin() as tx:
        trail.by_hand(tx, What.ACCESSED, "view", about, now=now)
