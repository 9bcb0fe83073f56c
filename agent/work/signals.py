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
