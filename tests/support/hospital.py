"""A small hospital for the pages: a site with the commissioning model, Orthanc as PACS, a RIS, an archive that nobody reaches at the
port that the settings name, films of phantoms, and two people."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset

from agent.commissioning.films import phantom_study, scene_of
from agent.store import overview
from agent.store.engine import Ledger
from tests.support.hl7_sender import Sender, framed, message
from tests.support.peers import Orthanc, Ris, storescu
from tests.support.site import SENDER, Site, free_port, until

IT, DOCTOR = "irene", "ruth"
PASSWORD = "the very long password of a test"
ARCHIVE_AE = "ARCHIVE"


class Hospital:
    """Everything runs when it is made. A context manager."""

    def __init__(self, folder: Path, weights: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.pacs, self.ris = folder, Orthanc(folder / "pacs"), Ris()
        self.archive_port, self.named_port = free_port(), free_port()
        self.site = site = Site(folder / "site")
        site.set("model", weights=str(weights), quantization="nf4", device="cpu")
        site.set("web", time_zone="Europe/Vienna")
        self.orders_port, self.sent = free_port(), list[str]()
        site.set("orders", host="127.0.0.1", port=self.orders_port)
        site.set("priors", **{"from": "self"})
        site.set("report", institution_name="Hospital of the phantoms")
        site.peer("pacs", self.pacs.ae_title, self.pacs.port, ["send", "receive"])
        site.peer("archive", ARCHIVE_AE, self.named_port, ["receive"])
        site.destination(name="to-pacs", type="dicom", peer="pacs")
        site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=self.ris.port, send_flag=True)
        site.destination(name="to-archive", type="dicom", peer="archive")
        self.passwords = {
            IT: self._person(IT, "administrator", "Irene Test"), DOCTOR: self._person(DOCTOR, "radiologist", "Dr. Ruth Test"),
        }  # fmt: skip
        site.serve()
        self.address = f"http://127.0.0.1:{site.settings().web.port}"

    def __enter__(self) -> Hospital:
        return self

    def __exit__(self, *_: object) -> None:
        self.site.stop()
        self.ris.stop()
        self.pacs.stop()

    def _person(self, name: str, role: str, full_name: str) -> str:
        done = self.site.run("users", "add", name, "--role", role, "--full-name", full_name, check=True)
        return done.stdout.rsplit(" ", 1)[1].strip()

    def send(self, films: Sequence[Dataset], name: str) -> str:
        """By DCMTK's storescu; returns the study's UID."""
        folder = self.folder / "films" / name
        folder.mkdir(parents=True)
        files = []
        for number, film in enumerate(films):
            film.save_as(folder / f"{number}.dcm", enforce_file_format=True)
            files.append(folder / f"{number}.dcm")
        syntax = "1.2.840.10008.1.2.1"
        sent = storescu(self.site.port, files, calling=SENDER, called="PREREAD", transfer_syntax=syntax, folder=folder)
        assert sent.returncode == 0, sent.stdout + sent.stderr
        self.sent.append(str(films[0].StudyInstanceUID))
        return self.sent[-1]

    def wait_for(self, uid: str, *, state: str = "read", delivered: int = 2) -> None:
        """Until a study is in that state and so many of its documents have been taken."""
        ledger = Ledger(self.site.settings().database_url)

        def done() -> bool:
            with ledger.read() as view:
                lines = overview.studies(view, only=[uid])
            return bool(lines) and lines[0].state == state and lines[0].deliveries.get("delivered", 0) >= delivered

        try:
            until(done, seconds=400, what=f"{uid} is {state} and delivered {delivered} times")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.site.log.read_text('utf-8')[-3000:]}") from None
        finally:
            ledger.close()

    def hear(self, *segments: str) -> None:
        """An HL7 message by MLLP, which is acknowledged."""
        with Sender(self.orders_port) as sender:
            answer = sender.send(framed(message(*segments))).answer()
        assert answer["MSA"][1] == "AA", answer

    def archive(self, port: int | None = None) -> subprocess.Popen[bytes]:
        """DCMTK's storescp, where the archive should have been found all along, or at `named_port`, where the settings look."""
        kept = self.folder / "archive"
        kept.mkdir()
        there = str(port or self.archive_port)
        return subprocess.Popen(["/usr/bin/storescp", "-aet", ARCHIVE_AE, "-od", str(kept), there])

    def archived(self) -> list[Path]:
        """What it has taken."""
        return [p for p in (self.folder / "archive").iterdir() if not p.name.startswith(".")]


def films(
    kind: str, number: int, *, name: str, lateral: bool = True, prior_of: Sequence[Dataset] | None = None
) -> list[Dataset]:
    """A phantom's study: the same number makes the same patient and, without `prior_of`, the same study."""
    return phantom_study(
        scene_of(kind, seed=number), patient_id=f"TEST{number:04d}", accession=f"ACC-{'P' if prior_of else ''}{number:04d}",
        patient_name=name, lateral=lateral, prior_of=prior_of,
    )  # fmt: skip
