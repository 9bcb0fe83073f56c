"""The disk is gone and a backup is there: nothing that was answered Success is lost, and nobody gets a result twice."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hl7
import pytest
from pydicom import Dataset

from agent.clock import SystemClock
from agent.commands.common import existing_store
from agent.demo.ris import DemoRis
from agent.errors import Permanent
from agent.keeping.reconcile import Reconciliation
from dicom_nodes import scu
from dicom_nodes.roles import Peer
from tests.support.films import save, small_image
from tests.support.peers import Orthanc
from tests.support.site import PATIENCE_S, SENDER, Site, free_port, until

pytestmark = [pytest.mark.peers, pytest.mark.requirement("RESTORE-1")]


TODAY = datetime.now(UTC).date()


class Hospital:
    """A PACS that is asked and answered, a RIS, and the node between them."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder = site, folder
        self.pacs = Orthanc(folder / "orthanc", OverwriteInstances=False)
        self.ris_port = free_port()
        site.peer("pacs", self.pacs.ae_title, self.pacs.port, ["send", "receive", "query"])
        site.destination(name="to-pacs", type="dicom", peer="pacs")
        site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=self.ris_port)
        self.pacs.knows("PREREAD", site.port)

    def film(self, number: int) -> Dataset:
        return small_image(
            AccessionNumber=f"A{number}",
            PatientID=f"P{number}",
            BodyPartExamined="HAND",
            StudyDate=f"{TODAY:%Y%m%d}",
        )

    def send(self, film: Dataset, *, here: bool = True) -> None:
        """The film in the PACS and, where it is up, at the node."""
        file = save(film, self.folder / f"{film.SOPInstanceUID}.dcm")
        places = [Peer("pacs", self.pacs.ae_title, "127.0.0.1", self.pacs.port, frozenset())]
        places += [Peer("node", "PREREAD", "127.0.0.1", self.site.port, frozenset())] if here else []
        for place in places:
            (result,) = scu.store(place, [file], own_ae_title=SENDER, timeout_s=PATIENCE_S)
            assert result.accepted

    def reports(self) -> Counter[str]:
        """How many of our reports the PACS has, by accession number."""
        every = [self.pacs.get(f"/instances/{i}/simplified-tags") for i in self.pacs.instances()]
        return Counter(t["AccessionNumber"] for t in every if t["Modality"] == "SR")

    def serve(self) -> None:
        for role in ("receive", "office"):
            self.site.serve("--role", role)

    def lose_everything(self) -> None:
        self.site.stop()
        shutil.rmtree(self.site.settings().storage.root)


@pytest.fixture
def hospital(site: Site, tmp_path: Path) -> Iterator[Hospital]:
    made = Hospital(site, tmp_path)
    yield made
    site.stop()
    made.pacs.stop()


def messages(folder: Path) -> Counter[str]:
    """How many different messages the RIS has, by accession number: the same MSH-10 again is the same message."""
    parsed = [hl7.parse(p.read_bytes().decode()) for p in folder.glob("*.hl7")]
    return Counter(a for a, _ in {(str(m.segment("OBR")[18]), str(m.segment("MSH")[10])) for m in parsed})


def delivered(site: Site) -> int:
    """How many deliveries the ledger calls done."""
    return sum(study["deliveries"].get("delivered", 0) for study in site.json("studies")["studies"])


def test_after_a_restore_every_destination_has_one_result_of_every_study(hospital: Hospital, tmp_path: Path) -> None:
    site, backup = hospital.site, tmp_path / "backup"
    hospital.serve()
    with DemoRis(tmp_path / "ris", port=hospital.ris_port):
        hospital.send(hospital.film(1))
        site.wait_delivered(1, 2)
    hospital.send(hospital.film(2))  # the RIS is down: its result waits while the backup is made
    until(lambda: hospital.reports()["A2"] == 1, what="the PACS has the second report")
    # The ledger is a moment later to know than the PACS.
    until(lambda: delivered(site) == 3, what="the delivery of the second report is written down")
    assert site.run("backup", str(backup)).returncode == 0
    with DemoRis(tmp_path / "ris", port=hospital.ris_port):
        hospital.send(hospital.film(3))
        site.wait_delivered(3, 2)
        hospital.send(hospital.film(4), here=False)  # only the PACS has it
        hospital.lose_everything()

        done = site.run("restore", str(backup))
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert "1 deliveries may have been made since" in done.stdout
        hospital.serve()
        site.wait_delivered(2, 2)
        compared = site.run("reconcile", "pacs", "--since", "2020-01-01")
        assert "1 studies are not here, 1 are not and have a report all the same" in compared.stdout, compared.stdout
        assert compared.returncode == 1
        fetched = site.run("reconcile", "pacs", "--since", f"{TODAY}", "--fetch")
        assert fetched.returncode == 0, fetched.stdout + fetched.stderr
        site.wait_delivered(3, 2)
        assert hospital.reports() == Counter(A1=1, A2=1, A3=1, A4=1)
        assert messages(tmp_path / "ris") == Counter(A1=1, A2=1, A3=1, A4=1)


def test_a_report_that_the_pacs_has_lost_is_sent_again_and_one_that_it_has_is_not(
    hospital: Hospital, tmp_path: Path
) -> None:
    hospital.serve()
    with DemoRis(tmp_path / "ris", port=hospital.ris_port):
        hospital.send(hospital.film(1))
        hospital.send(hospital.film(2))
        hospital.site.wait_delivered(2, 2)
    lost = next(
        i for i in hospital.pacs.instances()
        if (t := hospital.pacs.get(f"/instances/{i}/simplified-tags"))["Modality"] == "SR" and t["AccessionNumber"] == "A1"
    )  # fmt: skip
    hospital.pacs.delete(f"/instances/{lost}")
    done = hospital.site.run("reconcile", "pacs", "--since", f"{TODAY}")
    assert "1 reports are gone" in done.stdout, done.stdout + done.stderr
    until(lambda: hospital.reports() == Counter(A1=1, A2=1), what="the PACS has the report again")


def test_a_report_that_waits_and_is_there_is_not_sent_again(hospital: Hospital, tmp_path: Path) -> None:
    """The answer to it was lost with the disk."""
    hospital.serve()
    with DemoRis(tmp_path / "ris", port=hospital.ris_port):
        hospital.send(hospital.film(1))
        hospital.site.wait_delivered(1, 2)
    hospital.site.stop()
    settings = hospital.site.settings()
    ledger, _ = existing_store(settings)
    with ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE delivery SET state = 'waiting' WHERE destination = 'to-pacs'")
    asked = Reconciliation(settings, ledger, SystemClock(), settings.peer("pacs"))
    found = asked.differences(TODAY, TODAY)
    assert (len(found.there), found.gone, found.absent) == (1, (), ())
    assert asked.settle(found) == 1
    with ledger.read() as view:
        state, words = view.exec_driver_sql("SELECT state, words FROM delivery WHERE destination = 'to-pacs'").one()
    assert (state, words) == ("delivered", "pacs has it: found there by a query")


def test_a_pacs_that_may_not_be_asked_is_said_with_what_to_change(hospital: Hospital) -> None:
    settings = hospital.site.settings()
    with pytest.raises(Permanent, match='add "query" to its `may`'):
        Reconciliation(settings, None, SystemClock(), settings.peer("sender"))  # type: ignore[arg-type]


def test_a_backup_is_brought_up_to_date_and_forgets_what_was_purged(hospital: Hospital, tmp_path: Path) -> None:
    site, backup = hospital.site, tmp_path / "backup"
    hospital.serve()
    hospital.send(hospital.film(1))
    until(lambda: hospital.reports()["A1"] == 1, what="the report is made")
    assert "copied now" in site.run("backup", str(backup)).stdout
    again = site.run("backup", str(backup)).stdout
    assert ", 0 of them copied now" in again, again
    (backup / "files" / "images" / "left-over.dcm").write_bytes(b"of a patient who was forgotten")
    assert "1 forgotten" in site.run("backup", str(backup)).stdout
    site.stop()
    image = next((site.settings().storage.root / "images").rglob("*.dcm"))
    image.unlink()
    done = site.run("backup", str(backup))
    assert (done.returncode, "is not there" in done.stderr) == (1, True)


def test_a_restore_takes_the_place_of_nothing_and_tells_a_broken_backup(site: Site, tmp_path: Path) -> None:
    process = site.serve("--role", "office")
    backup = tmp_path / "backup"
    assert site.run("backup", str(backup)).returncode == 0
    assert "another process has the role" in site.run("restore", str(backup)).stderr
    process.terminate()
    process.wait(PATIENCE_S)
    assert "there is a ledger" in site.run("restore", str(backup)).stderr
    shutil.rmtree(site.settings().storage.root)
    (backup / "manifest.json").unlink()
    assert "was it broken off" in site.run("restore", str(backup)).stderr
    assert not (site.settings().storage.root / "preread.db").exists()
