"""One question's time."""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadline:
    """What is left of somebody's time, without the time in which somebody else had the floor."""

    def __init__(self, seconds: float) -> None:
        self._started, self._elsewhere, self._seconds = time.monotonic(), 0.0, seconds

    def spent(self) -> float:
        return time.monotonic() - self._started - self._elsewhere

    def left(self) -> float:
        return self._seconds - self.spent()

    def pause_for(self, between: Callable[[], None] | None) -> None:
        """Let somebody else have the floor; what they raise is raised."""
        if between is None:
            return
        before = time.monotonic()
        between()
        self._elsewhere += time.monotonic() - before
