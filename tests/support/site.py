"""A site under test: its settings, its processes, its ledger. Started with the command, as a site starts it."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from agent.settings import Settings, load
from tests.support import warm

SENDER = "SENDER"
ROLES = ("receive", "read", "office")
# For what must come. Who waits for it pays nothing when it comes; the machine may be many times slower than the one that a
# test was written on, and a test that waits for nothing is ended by its own limit (pyproject.toml) soon after.
PATIENCE_S = 240.0


# Below what this machine gives to outgoing connections, which would take a port between the choice and its use.
_PORTS = range(10_240, 32_000)
# Each worker has ports of its own: one that another has chosen may be free for a moment, while its role is started again.
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_MINE = _PORTS[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS :: _WORKERS]
_choices = itertools.cycle(_MINE)
_begun = next(itertools.islice(_choices, (os.getpid() * 211) % len(_MINE), None))  # another run begins elsewhere


def free_port() -> int:
    """A port that nobody listens on, and that this process has not been given before: a site's ports must differ."""
    for port in itertools.islice(_choices, len(_MINE)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free on this machine")


def until(condition: Callable[[], Any], *, seconds: float = PATIENCE_S, what: str) -> Any:
    """The first true value of the condition; polls, because the other side is another process."""
    deadline = time.monotonic() + seconds
    clock = threading.Event()
    while time.monotonic() < deadline:
        if value := condition():
            return value
        clock.wait(0.05)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


class Site:
    """Settings in a folder, and `preread` commands that use them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.settings_file = folder / "settings.toml"
        self.log = folder / "preread.log"
        self._processes: list[subprocess.Popen[str]] = []
        self._tables: list[str] = []
        self._values: dict[str, dict[str, Any]] = {
            "node": {"ae_title": "PREREAD", "host": "127.0.0.1", "port": self.port},
            "intake": {"quiet_time_s": 0.5},
            "storage": {"root": "state", "reserve_gb": 0.0},
            "model": {"weights": "./no-weights-needed-here", "quantization": "nf4", "device": "cpu"},
            "web": {"port": free_port()},
            "delivery": {"timeout_s": 60.0, "first_retry_s": 0.2, "longest_retry_s": 1.0},
        }
        self.peer("sender", SENDER, 11999, ["send"])

    def peer(self, name: str, ae_title: str, port: int, may: Sequence[str], host: str = "127.0.0.1") -> Site:
        return self.table("peers", name=name, ae_title=ae_title, host=host, port=port, may=list(may))

    def destination(self, **values: Any) -> Site:
        return self.table("destinations", **values)

    def table(self, section: str, /, **values: Any) -> Site:
        """One more of a list of tables."""
        self._tables.append(f"[[{section}]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items()))
        return self._write()

    def set(self, section: str, **values: Any) -> Site:
        self._values.setdefault(section, {}).update(values)
        return self._write()

    def _write(self) -> Site:
        sections = "".join(
            f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items()) + "\n"
            for name, values in self._values.items()
        )
        self.settings_file.write_text(sections + "\n".join(self._tables), encoding="utf-8")
        return self

    def settings(self) -> Settings:
        return load(self.settings_file)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "agent.cli", "--settings", str(self.settings_file), *arguments]

    def run(
        self, *arguments: str, check: bool = False, timeout: float = PATIENCE_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the program to its end. What serves is started as a site starts it, everything else as
        `tests.support.warm` does."""
        if arguments[0] == "serve":
            return subprocess.run(
                self.command(*arguments), capture_output=True, text=True, timeout=timeout, check=check
            )
        done = warm.run(["--settings", str(self.settings_file), *arguments], timeout=timeout)
        if check:
            done.check_returncode()
        return done

    def run_raw(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command that writes something else than text."""
        return warm.run_raw(["--settings", str(self.settings_file), *arguments], timeout=PATIENCE_S)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def serve(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the line, or one role of it, and wait until it is ready."""
        log = self.log.open("a", encoding="utf-8")
        process = subprocess.Popen(
            self.command("serve", *arguments),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if "ready" in line:
                return process
        raise AssertionError(f"not ready: {self.log.read_text(encoding='utf-8')}")

    def role_pid(self, role: str, supervisor: subprocess.Popen[str]) -> int | None:
        """The process that has the role at the moment."""
        try:
            for child in psutil.Process(supervisor.pid).children():
                arguments = child.cmdline()
                if "--role" in arguments and arguments[arguments.index("--role") + 1] == role:
                    return child.pid
        except psutil.NoSuchProcess:
            return None
        return None

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._processes.clear()

    def studies(self) -> list[dict[str, Any]]:
        return list(self.json("studies", "--limit", "1000")["studies"])

    def wait_delivered(self, count: int, deliveries: int, *, seconds: float = PATIENCE_S) -> list[dict[str, Any]]:
        """Wait until so many studies have so many deliveries each, all of them delivered."""

        def done() -> bool:
            from agent.commands.common import existing_store
            from agent.store import overview

            ledger, _ = existing_store(self.settings())
            with ledger.read() as view:
                lines = overview.studies(view, limit=1000)
            ledger.close()
            return len(lines) == count and all(line.deliveries == {"delivered": deliveries} for line in lines)

        try:
            until(done, seconds=seconds, what=f"{count} studies with {deliveries} deliveries")
        except AssertionError as error:
            raise AssertionError(
                f"{error}\n{json.dumps(self.studies(), indent=1)[:4000]}\n{self.log.read_text()[-4000:]}"
            ) from None
        return self.studies()  # of none an empty list, which `until` would have waited on
