"""When to try again: exponential, with full jitter, up to a longest wait and a greatest age."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random


def next_try(attempts: int, first_s: float, longest_s: float, random: Random) -> timedelta:
    """How long to wait after the given number of failed attempts (1 or more).

    The ceiling doubles from `first_s` to `longest_s`; the wait is uniform between a tenth of the ceiling and the
    ceiling, so that a peer that comes back is not met by everybody at once.
    """
    ceiling = min(longest_s, first_s * 2.0 ** min(attempts - 1, 30))
    return timedelta(seconds=random.uniform(ceiling / 10, ceiling))


def expired(created_at: datetime, now: datetime, greatest_age: timedelta) -> bool:
    """Whether it has been tried for long enough."""
    return now - created_at >= greatest_age
