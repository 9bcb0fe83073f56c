"""A site in a folder: the settings of the demonstration and the running line."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from agent.errors import Permanent

PACS_AE_TITLE = "DEMOPACS"
_MARK = ".preread-demo"

_SETTINGS = """\
# Written by `preread demo`. The reference of all settings is settings.toml of the project.
[node]
ae_title = "PREREAD"
host = "127.0.0.1"
port = {port}

[[peers]]
name = "pacs"
ae_title = "{pacs}"
host = "127.0.0.1"
port = {pacs_port}
may = ["send", "receive"]

[[destinations]]
name = "to-pacs"
type = "dicom"
peer = "pacs"

[[destinations]]
name = "to-ris"
type = "hl7"
host = "127.0.0.1"
port = {ris_port}
receiving_application = "DEMORIS"
receiving_facility = "DEMO"
send_flag = true

[intake]
quiet_time_s = 2.0

[storage]
root = "state"
reserve_gb = 0.5

[model]
weights = "commissioning"            # for phantoms, not for patients
commissioning_on_patients = {on_real_films}
quantization = "nf4"
device = "cpu"

[web]
port = {web_port}

[report]
institution_name = "Demonstration"
"""


def write_settings(folder: Path, *, port: int, pacs_port: int, ris_port: int, on_real_films: bool = False) -> Path:
    """Write the settings of the demonstration and return their path."""
    path = folder / "settings.toml"
    values = {
        "port": port,
        "pacs": PACS_AE_TITLE,
        "pacs_port": pacs_port,
        "ris_port": ris_port,
        "web_port": free_port(),
    }
    text = _SETTINGS.format(**values, on_real_films=str(on_real_films).lower())
    path.write_text(text, encoding="utf-8")
    return path


def free_port() -> int:
    """A loopback port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fresh(folder: Path) -> None:
    """An empty folder. Only what an earlier demonstration made is removed; anything else is left alone, with a refusal.

    Raises:
        Permanent: the folder holds files that no demonstration made, or cannot be written.
    """
    ours = {"state", "films", "sr", "oru", "ledger.json", "settings.toml", "preread.log", _MARK}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = sorted(p.name for p in folder.iterdir())
        foreign = [name for name in held if name not in ours] if _MARK in held else held
        if foreign:
            raise Permanent(
                f"{folder} holds files that are not of a demonstration ({foreign[0]}); name another folder with --out",
                code="out-taken",
            )
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (folder / _MARK).write_text("Made by `preread demo`, which empties this folder when it runs again.\n", "utf-8")
    except OSError as error:
        raise Permanent(f"{folder} cannot be written ({error.strerror})", code="out-unwritable") from error


class Line:
    """`preread serve` as a child process, its log in a file."""

    def __init__(self, settings: Path, log: Path) -> None:
        self._log = log.open("w", encoding="utf-8")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREREAD_")}
        command = [sys.executable, "-m", "agent.cli", "--settings", str(settings), "serve"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, text=True, env=environment)  # noqa: S603  our own program

    def wait_until_ready(self) -> None:
        """Return when the line accepts associations. Raises `Permanent` when it ends instead."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "ready" in line:
                return
        raise Permanent(f"the line did not start; see {self._log.name}", code="line-not-started")

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """SIGTERM, and wait for a clean end."""
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
