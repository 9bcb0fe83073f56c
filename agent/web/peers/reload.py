"""Having every process take up the settings file, on behalf of the person who asks."""

from __future__ import annotations

from fastapi import Request

from agent.audit.trail import Trail
from agent.store import reloads
from agent.web.context import WebContext
from agent.web.person import address_of, person


def ask_to_reload(context: WebContext, request: Request, what: str) -> int:
    """Ask every process, and write down who has changed the configuration. Returns the number under which it is asked.

    Args:
        what: ``settings-written`` or ``settings-reload``.
    """
    me, now = person(request), context.clock.now()
    trail = Trail.of(context.settings).acting(me.name, address_of(request))
    with context.ledger.begin() as tx:
        trail.configuration_changed(tx, what, now=now)
        return reloads.ask(tx, me.name, now=now)
