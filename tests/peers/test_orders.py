"""Orders, corrections and finished reports as a RIS sends them: the `hl7` package's client talks to the running node, the film
comes from DCMTK, Orthanc and the `hl7` package's RIS get what comes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import hl7
import pytest
from hl7.client import MLLPClient

from tests.support.films import save, small_image
from tests.support.hearing import takes_back
from tests.support.hl7_sender import header, message, segment
from tests.support.peers import Orthanc, Ris
from tests.support.site import PATIENCE_S, SENDER, Site, free_port, until

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("orders")]


class Clinic:
    """A node that is told of orders, and those around it. Its films are of hands: nobody has to read them."""

    def __init__(self, folder: Path, pacs: Orthanc, ris: Ris) -> None:
        self.folder, self.pacs, self.ris, self.listens = folder, pacs, ris, free_port()
        self.site = Site(folder / "site")
        self.site.peer("pacs", pacs.ae_title, pacs.port, ["receive"])
        self.site.destination(name="to-pacs", type="dicom", peer="pacs")
        self.site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=ris.port)
        self.site.set("orders", port=self.listens, host="127.0.0.1")
        for role in ("receive", "office"):
            self.site.serve("--role", role)

    def says(self, content: bytes) -> str:
        """What the node answers: MSA-1."""
        with MLLPClient("127.0.0.1", self.listens) as client:
            return str(hl7.parse(client.send_message(content).decode()).segment("MSA")[1])

    def film(self, patient: str, accession: str) -> str:
        image = small_image(
            PatientID=patient, AccessionNumber=accession, PatientName="Doe^Jane", BodyPartExamined="HAND"
        )
        file = save(image, self.folder / f"{image.SOPInstanceUID}.dcm")
        command = ["/usr/bin/storescu", "-R", "-aet", SENDER, "-aec", "PREREAD", "127.0.0.1", str(self.site.port)]
        subprocess.run([*command, str(file)], check=True, timeout=PATIENCE_S, capture_output=True)
        return str(image.StudyInstanceUID)

    def told(self, uid: str, count: int) -> list[hl7.Message]:
        """What the RIS was told of a study, when it is so many messages."""

        def found() -> list[hl7.Message] | None:
            about = [m for m in self.ris.messages if uid in str(m)]
            return about if len(about) >= count else None

        messages = until(found, what=f"{count} messages about the study")
        assert isinstance(messages, list)
        return messages

    def reports(self, uid: str) -> list[dict[str, str]]:
        every = [self.pacs.get(f"/instances/{i}/simplified-tags") for i in self.pacs.instances()]
        return [t for t in every if t["StudyInstanceUID"] == uid]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("clinic")
    with Orthanc(folder / "pacs") as pacs, Ris() as ris:
        made = Clinic(folder, pacs, ris)
        until(lambda: made.says(message(header("ADT^A01", "HELLO"))) == "AA", what="the node listens")
        yield made
        made.site.stop()


def patient(number: str, name: str = "Doe^Jane") -> str:
    return segment("PID", f3=f"{number}^^^^MR", f5=name)


def order(control_id: str, number: str, accession: str) -> bytes:
    return message(
        header("ORM^O01", control_id),
        patient(number),
        segment("ORC", f1="NW", f2=f"PL{accession}", f3=f"FI{accession}"),
        segment(
            "OBR", f1="1", f2=f"PL{accession}", f3=f"FI{accession}", f4="36643-5^XR Chest 2 Views^LN", f18=accession
        ),
    )


@pytest.mark.requirement("ORDER-1")
def test_the_result_goes_back_under_the_numbers_of_its_order(clinic: Clinic) -> None:
    assert clinic.says(order("M1", "P1", "A1")) == "AA"
    uid = clinic.film("P1", "A1")
    (told,) = clinic.told(uid, 1)
    obr = told.segment("OBR")
    assert (str(obr[2]), str(obr[3]), str(obr[18])) == ("PLA1", "FIA1", "A1")
    assert "accession number" in clinic.site.run("show", uid).stdout
    until(lambda: len(clinic.reports(uid)) == 1, what="the PACS has the report")


@pytest.mark.requirement("ORDER-1")
def test_a_message_that_is_sent_twice_is_acted_on_once_and_answered_both_times(clinic: Clinic) -> None:
    assert [clinic.says(order("M2", "P2", "A2")) for _ in range(2)] == ["AA", "AA"]

    def states() -> list[str]:
        return [m["state"] for m in clinic.site.json("messages") if m["control_id"] == "M2"]

    until(lambda: states() != ["waiting"], what="the office has acted on the message")
    assert states() == ["done"]
    uid = clinic.film("P2", "A2")
    assert len(clinic.told(uid, 1)) == 1


@pytest.mark.requirement("ORDER-2")
def test_after_a_merge_the_result_is_taken_back_and_sent_under_the_patient_who_stays(clinic: Clinic) -> None:
    assert clinic.says(order("M3", "P3-OLD", "A3")) == "AA"
    uid = clinic.film("P3-OLD", "A3")
    clinic.told(uid, 1)
    merge = message(header("ADT^A40", "M4"), patient("P3"), segment("MRG", f1="P3-OLD^^^^MR"))
    assert clinic.says(merge) == "AA"
    first, back, again = clinic.told(uid, 3)
    assert [str(m.segment("PID")[3]).split("^")[0] for m in (first, back, again)] == ["P3-OLD", "P3-OLD", "P3"]
    assert [takes_back(m) for m in (first, back, again)] == [False, True, False]
    until(lambda: len(clinic.reports(uid)) == 2, what="the PACS has the report that supersedes")
    assert {t["PatientID"] for t in clinic.reports(uid)} == {"P3-OLD", "P3"}


@pytest.mark.requirement("ORDER-3")
def test_when_a_person_has_finished_the_report_no_late_pre_read_arrives(clinic: Clinic) -> None:
    assert clinic.says(order("M5", "P5", "A5")) == "AA"
    final = message(
        header("ORU^R01", "M6"),
        patient("P5"),
        segment("OBR", f1="1", f2="PLA5", f3="FIA5", f4="36643-5^XR Chest^LN", f18="A5", f25="F"),
        segment("OBX", f1="1", f2="TX", f3="x", f5="Normal.", f11="F"),
    )
    assert clinic.says(final) == "AA"
    uid = clinic.film("P5", "A5")
    until(lambda: "reported" in clinic.site.run("show", uid).stdout, what="the study counts as reported")
    other = clinic.film("P6", "A6")
    clinic.told(other, 1)  # what came after it has been delivered by now
    assert [m for m in clinic.ris.messages if uid in str(m)] == []
    assert clinic.reports(uid) == []
