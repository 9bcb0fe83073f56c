"""A site with its ledger on a PostgreSQL server: the whole line between real peers, and what a server that goes away does to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy.engine import make_url

from agent.commissioning.films import make_study
from agent.doctor.ledger import ledger as ledger_checks
from structured_report.read_sr import read_narrative
from tests.support.films import save, small_image
from tests.support.peers import Orthanc, Ris, storescu, text_of
from tests.support.postgres import PASSWORD, Cluster, running_cluster
from tests.support.site import SENDER, Site, until

pytestmark = [
    pytest.mark.peers, pytest.mark.model, pytest.mark.requirement("LEDGER-1"), pytest.mark.xdist_group("postgres"),
]  # fmt: skip

DRAWN, NAME = "right-pneumothorax", "Elsewhere^Esther"


@dataclass(frozen=True, slots=True)
class Hospital:
    """A line on a server of its own, between Orthanc and a RIS."""

    site: Site
    server: Cluster
    pacs: Orthanc
    ris: Ris
    folder: Path

    def send(self, number: int, *, chest: bool = False) -> bool:
        """Send a film by DCMTK; returns whether it was answered Success."""
        file = self.folder / f"{number}.dcm"
        if not file.exists():
            about = {"patient_id": f"P{number}", "accession": f"ACC{number}"}
            film = (
                make_study(DRAWN, seed=number, views=("PA",), **about)[0]
                if chest
                else small_image(BodyPartExamined="HAND")
            )
            film.PatientID, film.AccessionNumber, film.PatientName = f"P{number}", f"ACC{number}", NAME
            save(film, file)
        syntax = str(ExplicitVRLittleEndian)
        sent = storescu(
            self.site.port, [file], calling=SENDER, called="PREREAD", transfer_syntax=syntax, folder=self.folder
        )
        return sent.returncode == 0

    def reports(self) -> list[Dataset]:
        """Everything that the PACS has."""
        return [dcmread(BytesIO(self.pacs.file(i))) for i in self.pacs.instances()]

    def delivered(self) -> tuple[Counter[str], Counter[str]]:
        """Accession numbers of the reports in the PACS, and of the messages in the RIS."""
        return (
            Counter(str(r.AccessionNumber) for r in self.reports()),
            Counter(str(m.segment("OBR")[18]) for m in self.ris.messages),
        )

    def rest(self) -> tuple[Counter[str], Counter[str]]:
        """What has been delivered when everything that was sent until now has been: by whichever test ran before."""
        self.site.wait_delivered(len(self.site.studies()), 2)
        return self.delivered()


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("hospital")
    with running_cluster() as server, Orthanc(folder / "pacs") as pacs, Ris() as ris:
        site = Site(folder / "site")
        site.set("model", weights=str(checkpoint), quantization="nf4", device="cpu", commissioning_on_patients=True)
        url = make_url(server.empty())
        shown = f"{url.drivername}://{url.username}@{url.host}:{url.port}/{url.database}"
        (site.folder / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
        site.set("database", url=shown, password_file="password")
        site.peer("pacs", pacs.ae_title, pacs.port, ["send", "receive"])
        site.destination(name="to-pacs", type="dicom", peer="pacs")
        site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=ris.port)
        nothing = site.run("studies")
        assert nothing.returncode == 1
        assert f"there is no ledger at {url.database} on 127.0.0.1:{server.port} yet" in nothing.stderr
        site.serve()
        yield Hospital(site, server, pacs, ris, folder)
        site.stop()


def test_a_chest_film_becomes_a_report_and_a_message_and_everything_about_it_can_be_seen(hospital: Hospital) -> None:
    site, before = hospital.site, hospital.rest()
    assert hospital.send(1, chest=True)
    studies = site.wait_delivered(sum(before[0].values()) + 1, 2)
    assert hospital.delivered() == (before[0] + Counter(ACC1=1), before[1] + Counter(ACC1=1))
    (report,) = [r for r in hospital.reports() if r.AccessionNumber == "ACC1"]
    (message,) = [m for m in hospital.ris.messages if str(m.segment("OBR")[18]) == "ACC1"]
    uid = str(report.StudyInstanceUID)
    assert [s["state"] for s in studies if s["study_instance_uid"] == uid] == ["read"]
    trace = read_narrative(report).reasoning
    assert trace
    assert [trace] == text_of(message, "REASONING")
    assert trace == site.json("show", "ACC1")["reading"]["reasoning"]
    assert site.json("show", uid)["study"]["study_instance_uid"] == uid
    assert site.run("audit", "verify").returncode == 0
    looked_at = ledger_checks(site.settings())[0]
    assert (looked_at.what, looked_at.state) == ("database", "ok")
    assert looked_at.words.startswith("PostgreSQL 1")
    assert not (site.settings().storage.root / "preread.db").exists(), "nothing was kept elsewhere"


def test_a_server_that_goes_away_in_the_middle_loses_nothing_and_doubles_nothing(hospital: Hospital) -> None:
    site, server = hospital.site, hospital.server
    assert hospital.send(10)
    before = hospital.rest()
    assert before[0]["ACC10"] == 1, "what is there already is neither lost nor sent again"
    assert hospital.send(11, chest=True)
    assert hospital.send(12)
    server.stop("immediate")  # as its power would: what is not committed is gone
    assert not hospital.send(13), "it is not kept, so it is not answered Success"
    asked = site.run("studies")
    assert asked.returncode == 1
    assert f"127.0.0.1:{server.port} cannot be used at the moment" in asked.stderr
    assert "Traceback" not in asked.stderr
    server.start()
    until(lambda: hospital.send(13), what="the film was taken")
    until(lambda: hospital.send(12), what="what was sent again was taken")
    site.wait_delivered(sum(before[0].values()) + 3, 2)
    after = hospital.delivered()
    more = Counter(ACC11=1, ACC12=1, ACC13=1)
    assert after == (before[0] + more, before[1] + more)
    assert site.run("audit", "verify").returncode == 0


def test_neither_the_password_nor_a_patient_is_in_the_log(hospital: Hospital) -> None:
    assert hospital.send(20, chest=True)
    hospital.rest()
    hospital.server.stop("immediate")  # what is said of a failure has the most in it
    assert not hospital.send(21)
    hospital.server.start()
    until(lambda: hospital.send(21), what="the film was taken")
    assert hospital.rest()[0].keys() >= {"ACC20", "ACC21"}
    log = hospital.site.log.read_text(encoding="utf-8")
    assert "child ready" in log
    for secret in (PASSWORD, "Elsewhere", "Esther"):
        assert secret not in log
    server = hospital.server.log.read_text(encoding="utf-8", errors="replace")
    assert PASSWORD not in server
