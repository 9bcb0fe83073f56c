"""Work that hangs in native code takes its process with it, and not the line."""

from __future__ import annotations

import subprocess
import sys

from agent.work.watchdog import EXIT_HUNG
from tests.support.site import PATIENCE_S

_HANGS = """
from agent.work.watchdog import hard_deadline
with hard_deadline({seconds}, lambda: print("last words", flush=True)):
    {work}
print("over")
"""


def run(seconds: float, work: str) -> subprocess.CompletedProcess[str]:
    code = _HANGS.format(seconds=seconds, work=work)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_a_process_that_hangs_says_so_and_ends() -> None:
    done = run(0.2, "while True: pass")
    assert (done.returncode, done.stdout.strip()) == (EXIT_HUNG, "last words")


def test_a_process_that_does_not_hang_goes_on() -> None:
    done = run(600, "pass")
    assert (done.returncode, done.stdout.strip()) == (0, "over")
