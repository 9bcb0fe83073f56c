"""What was written into the audit trail of late, so that a page which asks again and again is written down once, and after a while
once more."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from fastapi import Request

from agent.clock import Clock
from agent.web.head import shows_nothing
from agent.web.person import address_of, person

_AGAIN_AFTER = timedelta(minutes=10)
_REMEMBERED = 10_000  # what is forgotten is written down again, which does no harm


class Lately:
    """Of this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._known: OrderedDict[tuple[str, str, Hashable], datetime] = OrderedDict()

    @contextmanager
    def told(self, request: Request, what: Hashable) -> Iterator[datetime | None]:
        """For a block that writes down that the caller does that: with the moment, or None where it was written down not long ago, or
        where nothing is shown. A block that raises has written nothing."""
        if shows_nothing(request):
            yield None
            return
        who, now = person(request), self._clock.now()
        key = (who.name, who.session or address_of(request), what)
        with self._lock:
            last = self._known.get(key)
        if last is not None and now - last < _AGAIN_AFTER:
            yield None
            return
        yield now
        with self._lock:
            self._known[key] = now
            self._known.move_to_end(key)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
