"""What happens on SIGTERM, SIGINT and SIGHUP. Imports nothing heavy: the supervisor uses it too."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable


def when_asked_to_stop(stop: Callable[[], None]) -> None:
    """Call `stop` in a thread of its own, once, on the first SIGTERM or SIGINT, or when the terminal is closed, unless that was to be
    outlived (`nohup`).

    A handler runs in the main thread between two of its steps. Were it to set the very event that this thread is about
    to wait for, it would wait for a lock that the interrupted step holds, for ever; writing to a pipe takes no lock.
    """
    heard, said = os.pipe()

    def asked(_signal: int, _frame: object) -> None:
        os.write(said, b"\0")

    def listen() -> None:
        os.read(heard, 1)
        stop()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, asked)


class AskedToEnd:
    """Hears Ctrl-C, a service manager and a terminal that is closed: none of them may leave processes behind that nobody sees. For a
    command that waits for what it has started, and takes it along.

    The `KeyboardInterrupt` gets out of whatever is being waited for. It alone is not enough: one that is raised while the
    interpreter runs somebody's finalizer is printed and dropped, and so `heard` stays true from then on.
    """

    def __init__(self) -> None:
        self.heard = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                signal.signal(number, self._hear)

    def _hear(self, _signal: int, _frame: object) -> None:
        self.heard = True
        raise KeyboardInterrupt

    def heed(self) -> None:
        """Raises `KeyboardInterrupt` when it was heard: between two steps, one that was dropped is not forgotten."""
        if self.heard:
            raise KeyboardInterrupt
