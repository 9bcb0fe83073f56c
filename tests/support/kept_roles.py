"""The processes of a site, each started again at once when it dies, as a service manager does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.support.site import PATIENCE_S, ROLES, Site, until

SUPERVISOR = "supervisor"
_PAUSE_S = 0.1


def tame() -> tuple[str, ...]:
    """What a command is put behind so that file modes count for it, though root may write what nobody may; and so that it
    ends with the one who started it, who may be killed himself."""
    if not shutil.which("setpriv"):
        return ()
    ends = ("setpriv", "--pdeathsig", "TERM")
    less = "-dac_override,-dac_read_search"
    return (*ends, "--bounding-set", less, "--inh-caps", less) if os.geteuid() == 0 else ends


class KeptProcess(threading.Thread):
    """One process that is started again whenever it ends."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        super().__init__(name=f"keeper-{name}", daemon=True)
        self._command, self._environment, self._log = list(command), dict(environment), log
        self._over = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0

    def run(self) -> None:
        while not self._over.is_set():
            with self._log.open("ab") as log:
                self.process = subprocess.Popen(
                    self._command, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
                )
            self.started += 1
            self.process.wait()
            self._over.wait(_PAUSE_S)

    def pid(self) -> int | None:
        """The process, if there is one at the moment."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def send_signal(self, number: int) -> bool:
        """Returns whether there was a process to be signalled."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.send_signal(number)
        return True

    def stop(self, grace_s: float = PATIENCE_S) -> None:
        self._over.set()
        asked, ends = None, time.monotonic() + grace_s
        while self.is_alive() and time.monotonic() < ends:
            if self.process is not asked:  # perhaps one that was started just now
                asked = self.process
                self.send_signal(signal.SIGCONT)
                self.send_signal(signal.SIGTERM)
            self.join(0.1)
        if self.is_alive():
            self.send_signal(signal.SIGKILL)
            self.join()


class KeptRoles:
    """All roles of a site: each on its own, or all of them under `preread serve`."""

    def __init__(self, site: Site, *, supervised: bool, environment: Mapping[str, str] | None = None) -> None:
        everything = {**os.environ, **(environment or {})}
        prefix = tame()
        names = (SUPERVISOR,) if supervised else ROLES
        commands = {n: ["serve"] if n == SUPERVISOR else ["serve", "--role", n] for n in names}
        self._kept = {
            n: KeptProcess(n, [*prefix, *site.command(*c)], everything, site.log) for n, c in commands.items()
        }
        self.supervised = supervised

    def start(self) -> None:
        for kept in self._kept.values():
            kept.start()

    def stop(self) -> None:
        stopping = [threading.Thread(target=k.stop) for k in self._kept.values()]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()

    def pids(self) -> dict[str, int]:
        """Which process has which role at the moment."""
        if not self.supervised:
            return {name: pid for name, kept in self._kept.items() if (pid := kept.pid()) is not None}
        supervisor = self._kept[SUPERVISOR].pid()
        if supervisor is None:
            return {}
        found = {SUPERVISOR: supervisor}
        try:
            for child in psutil.Process(supervisor).children():
                arguments = child.cmdline()
                if "--role" in arguments:
                    found[arguments[arguments.index("--role") + 1]] = child.pid
        except psutil.NoSuchProcess:
            pass
        return found

    def signal(self, name: str, number: int) -> bool:
        """Send a signal to whoever has that role; returns whether there was such a process."""
        pid = self.pids().get(name)
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def kill(self, name: str) -> bool:
        """SIGKILL, and wait until the kernel has taken it away. Children of a supervisor end by themselves."""
        if name == SUPERVISOR:
            children = [pid for role, pid in self.pids().items() if role != SUPERVISOR]
            if not self.signal(name, signal.SIGKILL):
                return False
            until(lambda: not any(map(psutil.pid_exists, children)), what="the children ended by themselves")
            return True
        return self.signal(name, signal.SIGKILL)
