"""The demonstration ends when it is asked to, and not only when it is asked at a good moment."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The handler runs between two steps of the main thread, whatever these belong to: here to a finalizer, out of which no
# exception gets.
AT_A_BAD_MOMENT = """
import signal
from agent.work.signals import AskedToEnd

class Finalized:
    def __del__(self):
        signal.raise_signal(signal.{name})

signal.signal(signal.{name}, signal.SIG_IGN)  # as nohup has it
outlives = AskedToEnd()
Finalized()
assert not outlives.heard

signal.signal(signal.{name}, signal.SIG_DFL)
asked = AskedToEnd()
assert not asked.heard
Finalized()
assert asked.heard
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_demonstration_that_is_ended_at_a_bad_moment_does_not_run_on_unseen(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_A_BAD_MOMENT.format(name=name)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "ignored" in done.stderr  # the exception itself was lost, as it is to be here
