"""A measurement that is broken off must not leave receivers and senders running that nobody sees."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.site import PATIENCE_S, until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_measurement_that_is_ended_takes_along_what_it_has_started(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "agent.cli", "bench", "receive", "--rounds", "50", "--work", str(tmp_path)]
    with (
        (tmp_path / "said").open("wb") as said,
        subprocess.Popen(command, stdout=said, stderr=said) as measuring,
    ):
        started: list[psutil.Process] = []

        def both() -> bool:
            """A receiver and a sender."""
            started[:] = psutil.Process(measuring.pid).children(recursive=True)
            return len(started) > 1

        try:
            until(both, what="a receiver and its sender run")
            measuring.send_signal(number)
            assert measuring.wait(PATIENCE_S) == 130, (tmp_path / "said").read_text()
            _, left = psutil.wait_procs(started, timeout=PATIENCE_S)
            assert left == []
            assert [p for p in tmp_path.iterdir() if p.name != "said"] == [], "its films and what was received"
            assert "Traceback" not in (tmp_path / "said").read_text()
        finally:
            for one in started:
                if one.is_running():
                    one.kill()
            measuring.kill()
