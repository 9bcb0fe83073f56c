"""A hard deadline for work that cannot be interrupted: native code that hangs takes its process with it, and the
supervisor starts another."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXIT_HUNG = 70
_LONGEST_PAUSE_S = 24 * 3600.0


class Deadline:
    """When the process ends. Time that goes to other work, which has a deadline of its own, does not count."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then."""
        return self._at - time.monotonic()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The block's time does not count."""
        before = time.monotonic()
        self._at += _LONGEST_PAUSE_S
        try:
            yield
        finally:
            self._at += time.monotonic() - before - _LONGEST_PAUSE_S


@contextmanager
def hard_deadline(seconds: float, last_words: Callable[[], None]) -> Iterator[Deadline]:
    """End this process when the block takes longer than `seconds`, after calling `last_words`.

    Only for the process that owns the model; nothing it holds needs more than its lease to recover.
    """
    deadline, over = Deadline(seconds), threading.Event()

    def watch() -> None:
        while not over.wait(min(max(deadline.left(), 0.01), 5.0)):
            if deadline.left() <= 0:
                try:
                    last_words()
                finally:
                    os._exit(EXIT_HUNG)

    threading.Thread(target=watch, name="watchdog", daemon=True).start()
    try:
        yield deadline
    finally:
        over.set()
