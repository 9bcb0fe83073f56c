"""Who mends by a page or a program, and with what: the same as a command, in the caller's name."""

from __future__ import annotations

from fastapi import Request

from agent.audit.trail import Trail
from agent.mending.hand import Hand
from agent.web.context import WebContext
from agent.web.person import address_of, person


def hand_of(context: WebContext, request: Request) -> Hand:
    """The caller's."""
    me, settings = person(request), context.current
    trail = Trail.of(settings).acting(me.name, address_of(request))
    return Hand(settings, context.ledger, context.files, context.clock, trail, me.name)
