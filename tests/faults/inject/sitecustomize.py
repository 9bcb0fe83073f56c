"""Loaded by every Python process that has this folder on PYTHONPATH: SIGKILL before or after the first commit of one
place.

FAULT_PLACE: module and function that lead to the commit. FAULT_WHEN: ``before`` or ``after``. FAULT_LOG: where it is
written down.
"""

import os
import signal
import sys
import threading

if "FAULT_PLACE" in os.environ and "--role" in sys.orig_argv:
    from sqlalchemy import Connection

    _commit, _lock = Connection.commit, threading.Lock()

    def _is_the_place() -> bool:
        frame = sys._getframe(2)
        while frame is not None:
            if f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}" == os.environ["FAULT_PLACE"]:
                return True
            frame = frame.f_back
        return False

    def _fatal_commit(self: Connection) -> None:
        if not _is_the_place():
            _commit(self)
            return
        with _lock:  # of several threads at the place, one dies; the others go with it
            if os.environ["FAULT_WHEN"] == "after":
                _commit(self)
            with open(os.environ["FAULT_LOG"], "a", encoding="utf-8") as log:  # noqa: PTH123
                log.write(os.environ["FAULT_PLACE"] + "\n")
            os.kill(os.getpid(), signal.SIGKILL)

    Connection.commit = _fatal_commit
