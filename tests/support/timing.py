"""How long work takes on a machine that others use, too: pieces of work side by side, each by the least it has ever taken."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from math import inf

_ROUNDS = 5


def least_times(*works: Callable[[], object], enough: Callable[..., bool]) -> list[float]:
    """Seconds of this thread's processor that each of them has taken at least, in their order.

    They are done by turns, so that whatever else the machine does is held against none of them, and again and again until
    `enough`, which is given those times, is content: what disturbs only ever adds.
    """
    least = [inf] * len(works)
    for _ in range(_ROUNDS):
        least = [min(known, _time_of(work)) for known, work in zip(least, works, strict=True)]
        if enough(*least):
            break
    return least


def _time_of(work: Callable[[], object]) -> float:
    gc.disable()  # it would go through all that other tests have left, too
    try:
        started = time.thread_time()
        work()
        return time.thread_time() - started
    finally:
        gc.enable()
