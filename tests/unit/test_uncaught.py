"""An error that nobody has thought of is said in the log like any other: with where it came from, and not with what it was about."""

from __future__ import annotations

import json
import subprocess
import sys

UNCAUGHT = """
import sys, threading
from agent import logs

logs.configure("info", "office")
logs.speak_for_the_uncaught()

class Finalized:
    def __del__(self):
        raise KeyError("DOE^JANE in a finalizer")

def fail():
    raise LookupError("DOE^JANE in a thread")

thread = threading.Thread(target=fail)
thread.start()
thread.join()
Finalized()
raise ValueError("DOE^JANE in the main thread")
"""


def test_no_patient_is_named_by_an_error_that_nobody_caught() -> None:
    done = subprocess.run([sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "DOE" not in done.stderr + done.stdout
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["error_type"] for line in said] == ["LookupError", "KeyError", "ValueError"]
    assert all(line["role"] == "office" and "<string>:" in line["exception"] for line in said)
