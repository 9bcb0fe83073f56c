"""Whether work moves: seen from outside the stages, by what leaves the queue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

Place = tuple[str, str]  # stage and lane


class Movement:
    """Remembers which jobs were pending at each look, and when one of them was last seen to be gone."""

    def __init__(self) -> None:
        self._before: Mapping[Place, frozenset[int]] = {}
        self._moved: dict[Place, datetime] = {}

    def look(self, pending: Mapping[Place, frozenset[int]], now: datetime) -> dict[Place, timedelta]:
        """For how long each stage has had work and finished none of it: zero when it has just finished or got some."""
        for place, jobs in pending.items():
            before = self._before.get(place, frozenset())
            if not before or before - jobs:
                self._moved[place] = now
        self._before = pending
        self._moved = {place: at for place, at in self._moved.items() if place in pending}
        return {place: now - at for place, at in self._moved.items()}
