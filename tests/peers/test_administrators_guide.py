"""The administrator's guide, as somebody follows it who has nothing else: its commands in its order, with a real PACS and a real
RIS on the other side. What a box marked *install* names is looked at and not run: it makes users and services of a machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_nodes.contexts import COMPREHENSIVE_3D_SR
from structured_report.content import BANNER
from tests.support.peers import Orthanc, Ris, text_of
from tests.support.site import free_port

pytestmark = [
    pytest.mark.peers, pytest.mark.model, pytest.mark.requirement("PAPERS-2"), pytest.mark.xdist_group("guide"),
]  # fmt: skip
ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "administrator.md").read_text("utf-8")
_BOX = re.compile(r"```(\w+)[ ]?([\w-]*)\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the guide: its language, what it is marked with, and what stands in it."""

    language: str
    mark: str
    text: str


BOXES = [Box(*found.groups()) for found in _BOX.finditer(GUIDE)]


class Reader:
    """Who follows the guide, on a machine whose folders, addresses and ports are those of this test."""

    def __init__(self, folder: Path, pacs: Orthanc, ris: Ris) -> None:
        self.folder, self.port = folder, free_port()
        self._instead = {
            "/etc/preread": str(folder / "etc"),
            "/var/lib/preread": str(folder / "var"),
            "10.0.0.5": "127.0.0.1",
            "10.0.0.6": "127.0.0.1",
            "10.0.0.9": "127.0.0.1",
            "port = 11112": f"port = {self.port}",
            "port = 104": f"port = {pacs.port}",
            "port = 2575": f"port = {ris.port}",
        }
        (folder / "etc").mkdir(parents=True)
        self.environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.environment["PREREAD_WEB__PORT"] = str(
            free_port()
        )  # the guide leaves it at its default, which may be taken here
        self.server: subprocess.Popen[str] | None = None

    def put(self, text: str) -> str:
        for theirs, ours in self._instead.items():
            text = text.replace(theirs, ours)
        return text

    def run(self, commands: str) -> list[tuple[str, int, str]]:
        """Each command, its exit status and what it said; `export` holds for the boxes that follow."""
        done = []
        for line in filter(None, self.put(commands).splitlines()):
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                self.environment[name] = value
                continue
            said = subprocess.run(
                ["/bin/sh", "-c", line], capture_output=True, text=True, check=False, timeout=300, env=self.environment,
                cwd=self.folder,
            )  # fmt: skip
            done.append((line, said.returncode, said.stdout + said.stderr))
        return done

    def serve(self, command: str) -> None:
        log = (self.folder / "log").open("w", encoding="utf-8")
        self.server = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {self.put(command).strip()}"], stdout=subprocess.PIPE, stderr=log, text=True,
            env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.server.stdout is not None
        assert any("ready" in line for line in self.server.stdout), (self.folder / "log").read_text("utf-8")

    def stop(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait(60)
            assert self.server.stdout is not None
            self.server.stdout.close()


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Orthanc]:
    with Orthanc(tmp_path / "pacs", ae_title="PACS") as made:
        yield made


@pytest.fixture
def ris() -> Iterator[Ris]:
    with Ris() as made:
        yield made


def test_who_follows_the_guide_has_a_delivered_study_at_its_end(pacs: Orthanc, ris: Ris, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "machine", pacs, ris)
    ran: list[str] = []
    try:
        for box in BOXES:
            if box.language == "toml":
                (reader.folder / "etc" / "settings.toml").write_text(reader.put(box.text), "utf-8")
            elif box.mark == "serve":
                reader.serve(box.text)
            elif box.language == "sh" and box.mark != "install":
                for command, status, said in reader.run(box.text):
                    ran.append(command)
                    assert status == 0, f"{command}\n{said}"
                    if command == "preread doctor":
                        assert ("the line does not run" in said) is (reader.server is None), said
        assert len(ran) >= 10
        (instance,) = pacs.instances()
        report = dcmread(BytesIO(pacs.file(instance)))
        assert report.SOPClassUID == COMPREHENSIVE_3D_SR
        assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
        (message,) = ris.messages
        assert str(message.segment("OBR")[18]) == report.AccessionNumber
        assert BANNER in text_of(message, "121106")
        (_, _, shown) = reader.run(f"preread show {report.AccessionNumber}")[0]
        assert "delivered" in shown
        assert "critical" in shown
    finally:
        reader.stop()


def test_what_is_to_be_installed_is_there() -> None:
    """What those boxes name of this program's own."""
    text = "\n".join(b.text for b in BOXES if b.mark == "install")
    for file in re.findall(r"(?:cp|-c) ([\w./-]+)", text):
        assert (ROOT / file).is_file(), file
    unit = (ROOT / "deploy" / "systemd" / "preread.service").read_text("utf-8")
    assert "ExecStart=/opt/preread/bin/preread --settings /etc/preread/settings.toml serve" in unit
    assert "StateDirectory=preread" in unit
    assert "systemctl enable --now preread" in text


def test_no_command_of_the_guide_stands_outside_of_a_box_that_the_program_does_not_know() -> None:
    """Commands in the running text are not run here; that they exist is."""
    known = subprocess.run(
        [sys.executable, "-m", "agent.cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in set(re.findall(r"`preread ([a-z]+)", GUIDE)):
        assert re.search(rf"^\s+{command}\b", known, re.MULTILINE), command
