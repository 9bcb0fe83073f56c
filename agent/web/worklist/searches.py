"""What people have searched for, kept here under a token: a patient's name or number is never part of an address."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.clock import Clock

_LASTS = timedelta(hours=12)
_MOST = 2000  # of all people; the oldest is forgotten


@dataclass(frozen=True, slots=True)
class _Search:
    account_id: int
    text: str
    at: datetime


class Searches:
    """Of this process: after a restart they are gone, and the page says so."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._known: OrderedDict[str, _Search] = OrderedDict()

    def keep(self, account_id: int, text: str) -> str:
        """The token under which that person finds that text again."""
        token, now = secrets.token_urlsafe(12), self._clock.now()
        with self._lock:
            self._known[token] = _Search(account_id, text, now)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return token

    def text(self, account_id: int, token: str) -> str | None:
        """What that person searched for; None when it is not known any more, or was somebody else's."""
        with self._lock:
            found = self._known.get(token)
        if found is None or found.account_id != account_id or self._clock.now() - found.at > _LASTS:
            return None
        return found.text
