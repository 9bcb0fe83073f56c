"""Programs of other people that the tests talk to: Orthanc, DCMTK's storescu, and a RIS built on the `hl7` package."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hl7
import hl7.mllp

from tests.support.site import PATIENCE_S, free_port, until

ORTHANC = next((p for p in ("/usr/sbin/Orthanc", "/usr/bin/Orthanc") if Path(p).exists()), "/usr/sbin/Orthanc")


class Orthanc:
    """A PACS: Orthanc with an empty store, on free ports."""

    def __init__(
        self, folder: Path, *, ae_title: str = "ORTHANC", transfer_syntaxes: Sequence[str] = (), **settings: Any
    ) -> None:
        folder.mkdir(parents=True)
        self.ae_title, self.port, self._http = ae_title, free_port(), free_port()
        values = {
            "StorageDirectory": str(folder / "store"),
            "IndexDirectory": str(folder / "store"),
            "DicomAet": ae_title,
            "DicomPort": self.port,
            "HttpPort": self._http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "Plugins": [],
            **settings,
        }
        configuration = folder / "orthanc.json"
        configuration.write_text(json.dumps(values), encoding="utf-8")
        self._log = (folder / "orthanc.log").open("w", encoding="utf-8")
        self.process = subprocess.Popen([ORTHANC, str(configuration)], stdout=self._log, stderr=subprocess.STDOUT)
        until(self._answers, what="Orthanc answers")

    def _answers(self) -> bool:
        assert self.process.poll() is None, "Orthanc ended"
        try:
            self.get("/system")
        except OSError:
            return False
        return True

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._http}{path}", timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def file(self, instance: str) -> bytes:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self._http}/instances/{instance}/file", timeout=PATIENCE_S
        ) as answer:
            return bytes(answer.read())

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http}{path}"

    def knows(self, ae_title: str, port: int) -> None:
        """A modality on this machine that it may send to."""
        body = json.dumps({"AET": ae_title, "Host": "127.0.0.1", "Port": port}).encode()
        asked = urllib.request.Request(self.url(f"/modalities/{ae_title}"), data=body, method="PUT")
        urllib.request.urlopen(asked, timeout=PATIENCE_S).close()

    def delete(self, path: str) -> None:
        urllib.request.urlopen(urllib.request.Request(self.url(path), method="DELETE"), timeout=PATIENCE_S).close()

    def instances(self) -> list[str]:
        return list(self.get("/instances"))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self._log.close()

    def __enter__(self) -> Orthanc:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Ris:
    """A RIS on the `hl7` package's asynchronous MLLP server: parses, keeps and acknowledges every message."""

    def __init__(self) -> None:
        self.messages: list[hl7.Message] = []
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(PATIENCE_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(
            hl7.mllp.start_hl7_server(self._session, "127.0.0.1", self.port, encoding="utf-8")
        )
        self._started.set()
        self._loop.run_forever()
        self._server.close()
        for session in (sessions := asyncio.all_tasks(self._loop)):
            session.cancel()
        self._loop.run_until_complete(asyncio.gather(*sessions, return_exceptions=True))
        self._loop.close()

    async def _session(self, reader: Any, writer: Any) -> None:
        try:
            while not writer.is_closing():
                message = await reader.readmessage()
                self.messages.append(message)
                writer.writemessage(message.create_ack("AA"))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)

    def __enter__(self) -> Ris:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


_ESCAPE = re.compile(r"\\([^\\]*)\\")


def _line_end(found: re.Match[str]) -> str:
    r"""A line end for ``\.br\``; every other escape as it stands. From left to right: ``\E\.br\E\`` is a text."""
    return "\n" if found.group(1) == ".br" else found.group()


def text_of(message: hl7.Message, concept: str) -> list[str]:
    """OBX-5 of every OBX with that OBX-3.1, unescaped by the `hl7` package; line ends are LF."""
    found = []
    for segment in message.segments("OBX"):
        if str(segment[3]).split("^")[0] == concept:
            found.append(message.unescape(_ESCAPE.sub(_line_end, str(segment[5]))))
    return found


def storescu(
    port: int, files: Sequence[Path], *, calling: str, called: str, transfer_syntax: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """DCMTK's storescu proposing exactly one transfer syntax for CR and DX, by a configuration file."""
    profile = folder / f"storescu-{transfer_syntax}.cfg"
    profile.write_text(
        f"[[TransferSyntaxes]]\n[T]\nTransferSyntax1 = {transfer_syntax}\n"
        "[[PresentationContexts]]\n[C]\nPresentationContext1 = ComputedRadiographyImageStorage\\T\n"
        "PresentationContext2 = DigitalXRayImageStorageForPresentation\\T\n[[Profiles]]\n[P]\nPresentationContexts = C\n",
        encoding="ascii",
    )
    return subprocess.run(
        ["/usr/bin/storescu", "-xf", str(profile), "P", "-aet", calling, "-aec", called, "127.0.0.1", str(port), *map(str, files)],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
