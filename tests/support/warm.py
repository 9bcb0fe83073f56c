"""Commands of the program, each in a process of its own that need not import it first.

They are forked from one process that has imported the commands and has done nothing else: each has its own memory, output
and exit status, and is there in a twentieth of the time. What a start costs and needs is shown by tests that start the
interpreter itself.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "OMP_")  # variables that an interpreter, or a library, reads as it starts


def run(arguments: Sequence[str], *, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run ``preread`` with these arguments to its end, as `subprocess.run` does with its output captured.

    Raises:
        subprocess.TimeoutExpired: it took longer than so many seconds, and was killed.
    """
    done = run_raw(arguments, timeout=timeout)
    return subprocess.CompletedProcess(done.args, done.returncode, _text(done.stdout), _text(done.stderr))


def run_raw(arguments: Sequence[str], *, timeout: float) -> subprocess.CompletedProcess[bytes]:
    """The same with the very bytes of its output."""
    if _read_at_start() != _parent().environment:
        command = [sys.executable, "-m", "agent.cli", *arguments]
        return subprocess.run(command, capture_output=True, timeout=timeout, check=False)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        status = _parent().run(arguments, (0, out.fileno(), err.fileno()), timeout)
        said = [_all_of(file) for file in (out, err)]
    return subprocess.CompletedProcess(list(arguments), status, *said)


def _all_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _text(output: bytes) -> str:
    return io.TextIOWrapper(io.BytesIO(output)).read()


def _read_at_start() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k.startswith(_AT_START)}


@functools.cache
def _parent() -> _Parent:
    made = _Parent()
    atexit.register(made.close)
    return made


class _Parent:
    """Our end of the process from which the commands are forked. It ends when we do."""

    def __init__(self) -> None:
        self.environment = _read_at_start()
        self._calls, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def run(self, arguments: Sequence[str], streams: Sequence[int], timeout: float) -> int:
        """The exit status, negative for a signal."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(self._calls, [b"\0"], [theirs.fileno(), *streams])
            wanted = {"arguments": list(arguments), "folder": str(Path.cwd()), "environment": dict(os.environ)}
            ours.sendall(json.dumps(wanted).encode() + b"\n")
            ends = time.monotonic() + timeout
            with ours.makefile("r") as answers:
                line = answers.readline()
                assert line, "the process that commands are forked from has ended; its words are above"
                pid = int(line)
                ours.settimeout(max(0.01, ends - time.monotonic()))
                try:
                    return int(
                        answers.readline()
                    )  # from the same buffer: a quick command's status comes with its number
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(list(arguments), timeout) from None

    def close(self) -> None:
        self._calls.close()
        self._process.wait()


def serve(calls: socket.socket) -> None:
    """Fork a process for every call, until nobody calls any more."""
    from agent.cli import COMMANDS

    for module in {m for m, _ in COMMANDS.values()}:
        importlib.import_module(f"agent.commands.{module}")
    assert threading.active_count() == 1, "a thread does not live on in a fork"
    assert "torch" not in sys.modules, "no command needs it to be looked at"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        byte, passed, _, _ = socket.recv_fds(calls, 1, 4)
        if not byte:
            return
        if os.fork() == 0:
            calls.close()
            _answer(socket.socket(fileno=passed[0]), passed[1:])
            os._exit(0)
        for fd in passed:
            os.close(fd)


def _answer(call: socket.socket, streams: Sequence[int]) -> None:
    """Have one command run, and say by which process and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with call.makefile("r") as lines:
        wanted = json.loads(lines.readline())
    pid = os.fork()
    if pid == 0:
        call.close()
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
            os.close(fd)
        os._exit(_command(wanted["arguments"], wanted["folder"], wanted["environment"]))
    call.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    call.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _command(arguments: list[str], folder: str, environment: dict[str, str]) -> int:
    """What the interpreter does from its start to its end."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, errors="backslashreplace", buffering=1)  # noqa: SIM115
    sys.argv = ["preread", *arguments]
    code = 0
    try:
        importlib.import_module("agent.cli").main()
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return code


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as socket_of_calls:
        serve(socket_of_calls)
