"""A moment by which something must have ended, whatever a peer does meanwhile."""

from __future__ import annotations

import time


class Deadline:
    """`seconds` from now, on a clock that only goes forward."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left; 0.0 when it has passed."""
        return max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether none are left."""
        return self.left() <= 0.0
