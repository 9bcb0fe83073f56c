"""A film that breaks out of its decoder must find nothing to do."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")

ATTEMPTS = {
    "call somebody": "import socket; socket.socket()",
    "start a program": "import os; os.execv('/bin/true', ['true'])",
    "start a process": "import os; os.fork()",
    "spawn a process": "import subprocess; subprocess.run(['/bin/true'])",
    "kill": "import os, signal; os.kill(os.getppid(), signal.SIGTERM)",
    "write a file": "open({file!r}, 'r+')",
    "empty a file": "import os; os.open({file!r}, os.O_RDONLY | os.O_TRUNC)",
    "make a file": "open({file!r} + '2', 'x')",
    "remove a file": "import os; os.unlink({file!r})",
    "rename a file": "import os; os.rename({file!r}, {file!r} + '2')",
}


def confined(code: str, *, memory: int = 2 << 30, seconds: int = 20) -> subprocess.CompletedProcess[str]:
    prelude = f"import sys\nfrom agent.imaging.confine import confine\nassert confine({memory}, {seconds})\n"
    return subprocess.run([sys.executable, "-c", prelude + code], capture_output=True, text=True, timeout=60)


def test_this_machine_is_one_where_calls_are_refused() -> None:
    assert platform.machine() in ("x86_64", "aarch64")
    assert confined("print('still here')").stdout == "still here\n"


@pytest.mark.parametrize("what", ATTEMPTS)
def test_it_cannot(what: str, tmp_path: Path) -> None:
    file = tmp_path / "film.dcm"
    file.write_bytes(b"film")
    done = confined(ATTEMPTS[what].format(file=str(file)))
    assert "PermissionError" in done.stderr or "Operation not permitted" in done.stderr, done.stderr
    assert file.read_bytes() == b"film"
    assert list(tmp_path.iterdir()) == [file]


def test_it_can_still_read_and_compute_with_several_threads(tmp_path: Path) -> None:
    file = tmp_path / "film.dcm"
    file.write_bytes(b"film")
    code = (
        f"import threading\nt = threading.Thread(target=lambda: print(open({str(file)!r}).read()))\nt.start(); t.join()"
    )
    assert confined(code).stdout == "film\n"


def test_its_memory_and_its_time_have_an_end() -> None:
    assert "MemoryError" in confined("b = bytearray(3 << 30)").stderr
    assert confined("while True: pass", seconds=1).returncode < 0
