"""Seconds in buckets that grow by a twentieth: sums of days stay small, and a median out of them is right to 5 %."""

from __future__ import annotations

import math
from collections.abc import Mapping

LEAST_S = 0.1
_GROWTH = 1.05
LAST = 400  # some ten months; whatever took longer is in it


def bucket_of(seconds: float) -> int:
    """The bucket: number n holds what took longer than `upper(n - 1)` and no longer than `upper(n)`."""
    if seconds <= LEAST_S:
        return 0
    near = math.ceil(math.log(seconds / LEAST_S) / math.log(_GROWTH))
    near -= 1 if near > 0 and seconds <= upper(near - 1) else 0  # logarithms round; the bounds themselves decide
    near += 1 if seconds > upper(near) else 0
    return min(near, LAST)


def upper(bucket: int) -> float:
    """The longest time that belongs into the bucket, seconds."""
    return LEAST_S * float(_GROWTH**bucket)


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """The time within which that share of all was done: the upper bound of the bucket in which it lies, seconds; None when
    there are none.

    Args:
        counts: bucket -> how many.
        share: 0.5 for the median; at least one is always within it.
    """
    total = sum(counts.values())
    if not total:
        return None
    wanted, so_far = max(1, math.ceil(share * total)), 0
    for bucket in sorted(counts):
        so_far += counts[bucket]
        if so_far >= wanted:
            return upper(bucket)
    raise AssertionError("the buckets hold all of them")
