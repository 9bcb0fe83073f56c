"""A hard deadline for work that cannot be interrupted: native code that hangs takes its process with it, and the
supervisor starts another."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXIT_HUNG = 70


@contextmanager
def hard_deadline(seconds: float, last_words: Callable[[], None]) -> Iterator[None]:
    """End this process when the block takes longer than `seconds`, after calling `last_words`.

    Only for the process that owns the model; nothing it holds needs more than its lease to recover.
    """

    def expired() -> None:
        try:
            last_words()
        finally:
            os._exit(EXIT_HUNG)

    timer = threading.Timer(seconds, expired)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
