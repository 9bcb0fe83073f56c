"""What the people who use the line would lose if it behaved otherwise."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hl7
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pynetdicom import AE
from sqlalchemy import select

from agent.commands.common import existing_store
from agent.commissioning.films import make_study
from agent.demo.pacs import DemoPacs
from agent.demo.ris import DemoRis
from agent.hl7.listener import MllpListener, acknowledge
from agent.store import overview
from agent.store.schema import job
from dicom_nodes import scu
from dicom_nodes.roles import Peer
from structured_report.read_sr import read_narrative
from tests.support.films import save, small_image
from tests.support.peers import text_of
from tests.support.site import PATIENCE_S, SENDER, Site, free_port, until

# One process, and with it one running line, for all that need no settings of their own.
pytestmark = [pytest.mark.model, pytest.mark.xdist_group("behaviour")]


@dataclass
class Town:
    site: Site
    pacs: Path
    ris: Path
    films: Path
    ris_port: int

    def send(self, *images: Dataset) -> None:
        paths = [save(image, self.films / f"{image.SOPInstanceUID}.dcm") for image in images]
        node = Peer("node", "PREREAD", "127.0.0.1", self.site.port, frozenset())
        assert all(r.accepted for r in scu.store(node, paths, own_ae_title=SENDER, timeout_s=PATIENCE_S))

    def reports(self, uid: str) -> list[Dataset]:
        """What the PACS has got about a study."""
        return [r for r in map(dcmread, self.pacs.glob("*.dcm")) if uid == study_of(r)]

    def messages(self, uid: str) -> list[hl7.Message]:
        """What the RIS has got about a study."""
        messages = [hl7.parse(p.read_bytes().decode()) for p in self.ris.glob("*.hl7")]
        return [m for m in messages if uid in str(m)]

    def line(self, uid: str) -> overview.StudyLine | None:
        """The study as the ledger has it, without starting a command."""
        ledger, _ = existing_store(self.site.settings())
        with ledger.read() as view:
            found = overview.studies(view, only=[uid])
        ledger.close()
        return found[0] if found else None

    def looks_at(self, image: Dataset) -> int:
        """How often the assemble stage has looked whether the study of that image is complete."""
        ledger, _ = existing_store(self.site.settings())
        with ledger.read() as view:
            claims = view.execute(select(job.c.claims).where(job.c.key == str(image.StudyInstanceUID))).scalar()
        ledger.close()
        return int(claims or 0)

    def wait(self, uid: str, **wanted: Any) -> overview.StudyLine:
        def there() -> overview.StudyLine | None:
            line = self.line(uid)
            return line if line and all(getattr(line, k) == v for k, v in wanted.items()) else None

        try:
            line = until(there, what=f"study {wanted}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.line(uid)}\n{self.site.log.read_text()[-3000:]}") from None
        assert isinstance(line, overview.StudyLine)
        return line


def study_of(report: Dataset) -> str:
    """The study whose images a report is about."""
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    return str(evidence.StudyInstanceUID)


@contextmanager
def town_in(folder: Path, site: Site, checkpoint: Path) -> Iterator[Town]:
    (folder / "films").mkdir()
    with DemoPacs(folder / "pacs", ae_title="PACS") as pacs, DemoRis(folder / "ris") as ris:
        site.set("model", weights=str(checkpoint), quantization="none")
        site.peer("pacs", "PACS", pacs.port, ["receive"])
        site.destination(name="to-pacs", type="dicom", peer="pacs")
        site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=ris.port)
        yield Town(site, folder / "pacs", folder / "ris", folder / "films", ris.port)


@pytest.fixture
def town(tmp_path: Path, site: Site, checkpoint: Path) -> Iterator[Town]:
    """A town of a test's own, whose line the test starts."""
    with town_in(tmp_path, site, checkpoint) as made:
        yield made


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Town]:
    """A town whose line runs, and goes on running; each test has patients and studies of its own."""
    folder = tmp_path_factory.mktemp("town")
    site = Site(folder / "site")
    with town_in(folder, site, checkpoint) as made:
        try:
            site.serve()
            yield made
        finally:
            site.stop()


_numbers = itertools.count(4711)


def study(kind: str = "left-effusion", seed: int = 3, **how: Any) -> list[Dataset]:
    """A drawn study of a patient, and with an accession number, that no other has."""
    number = next(_numbers)
    return make_study(kind, seed=seed, patient_id=f"SECRET-ID-{number}", accession=f"ACC{number}", **how)


def small(**attributes: object) -> Dataset:
    """A small film, likewise."""
    number = next(_numbers)
    return small_image(PatientID=f"SECRET-ID-{number}", AccessionNumber=f"ACC{number}", **attributes)


BOTH = {"delivered": 2}


def test_late_images_make_a_new_revision_that_supersedes_the_old_one(running: Town) -> None:
    frontal, lateral = study()
    running.send(frontal)
    uid = str(frontal.StudyInstanceUID)
    running.wait(uid, revision=1, deliveries=BOTH)
    running.send(lateral)
    running.wait(uid, revision=2, deliveries={"delivered": 4})
    old, new = sorted(running.reports(uid), key=lambda r: "PredecessorDocumentsSequence" in r)
    referenced = new.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert referenced.ReferencedSOPInstanceUID == old.SOPInstanceUID
    assert "and a lateral view" in read_narrative(new).reasoning
    running.send(frontal, lateral)
    running.wait(uid, state="read")
    assert len(running.site.json("show", uid)["deliveries"]) == 4, "the same bytes again are no new work"


def test_a_study_waits_while_an_association_that_brings_it_is_open(running: Town) -> None:
    frontal, lateral = study()
    ae = AE(ae_title=SENDER)
    ae.add_requested_context(frontal.SOPClassUID)
    association = ae.associate("127.0.0.1", running.site.port, ae_title="PREREAD")
    assert association.send_c_store(frontal).Status == 0
    until(lambda: running.looks_at(frontal) >= 3, what="the study was looked at three times after its quiet time")
    line = running.line(str(frontal.StudyInstanceUID))
    assert line is not None
    assert line.revision == 0
    assert association.send_c_store(lateral).Status == 0
    association.release()
    running.wait(str(frontal.StudyInstanceUID), revision=1, images=2, deliveries=BOTH)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"BodyPartExamined": "HAND"}, "not-chest"),
        ({"ViewPosition": "LL"}, "lateral-only"),
        (
            {
                "PhotometricInterpretation": "RGB",
                "SamplesPerPixel": 3,
                "BitsAllocated": 8,
                "BitsStored": 8,
                "HighBit": 7,
            },
            "not-grayscale",
        ),
        ({"NumberOfFrames": "2"}, "multi-frame"),
    ],
)
def test_a_study_with_nothing_to_read_is_reported_as_such(
    running: Town, changes: dict[str, object], reason: str
) -> None:
    image = small(**changes)
    image.PixelData = image.PixelData * 3
    running.send(image)
    uid = str(image.StudyInstanceUID)
    line = running.wait(uid, state="not-analysed", deliveries=BOTH)
    assert line.reason == reason
    (message,) = running.messages(uid)
    assert any(text.startswith("Not analysed: ") for text in text_of(message, "121106"))
    (report,) = running.reports(uid)
    assert f"[{reason}]" in report.to_json()
    assert read_narrative(report).findings == ""
    assert reason in running.site.run("studies").stdout


def test_a_hundred_megapixels_in_the_header_are_not_decoded(running: Town) -> None:
    (image,) = study(views=("PA",))
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    image.Rows = image.Columns = 20_000
    image.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(200)])
    image["PixelData"].is_undefined_length = True
    running.send(image)
    assert running.wait(str(image.StudyInstanceUID), state="not-analysed", deliveries=BOTH).reason == "matrix-too-large"


def test_a_film_whose_pixels_cannot_be_decoded_is_reported_as_such(running: Town) -> None:
    (image,) = study(views=("PA",))
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    image.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(range(256)) * 20])
    image["PixelData"].is_undefined_length = True
    running.send(image)
    assert running.wait(str(image.StudyInstanceUID), state="not-analysed", deliveries=BOTH).reason == "undecodable"


def test_two_patients_in_one_study_get_no_result_until_a_person_has_looked(running: Town) -> None:
    frontal, lateral = study()
    lateral.PatientID = "SOMEBODY-ELSE"
    running.send(frontal, lateral)
    uid = str(frontal.StudyInstanceUID)
    line = running.wait(uid, state="needs-attention")
    assert line.deliveries == {}
    assert "Patient ID" in line.explanation
    assert not running.reports(uid)
    lateral.PatientID = frontal.PatientID
    running.send(lateral)
    running.wait(uid, state="read", deliveries=BOTH)


def test_a_corrected_accession_number_is_reported_again(running: Town) -> None:
    (frontal,) = study(views=("PA",))
    uid = str(frontal.StudyInstanceUID)
    running.send(frontal)
    running.wait(uid, revision=1, deliveries=BOTH)
    wrong, frontal.AccessionNumber = frontal.AccessionNumber, "CORRECTED"
    running.send(frontal)
    # Two reports, two results, and what takes the first result back: it stands under an order that is not the study's.
    running.wait(uid, revision=2, deliveries={"delivered": 5})
    assert sorted(str(m.segment("OBR")[18]) for m in running.messages(uid)) == [wrong, wrong, "CORRECTED"]


def test_a_dead_ris_holds_up_no_pacs_and_gets_everything_when_it_is_back(town: Town) -> None:
    port = free_port()
    town.site.destination(name="to-other-ris", type="hl7", host="127.0.0.1", port=port)
    town.site.serve()
    (frontal,) = study(views=("PA",))
    uid = str(frontal.StudyInstanceUID)
    town.send(frontal)
    town.wait(uid, deliveries={"delivered": 2, "waiting": 1})

    def tried() -> str:
        (waiting,) = [d for d in town.site.json("show", uid)["deliveries"] if d["state"] == "waiting"]
        return str(waiting["words"]) if waiting["attempts"] else ""

    assert "refused" in until(tried, what="the dead RIS was called").lower()
    seen: list[bytes] = []

    def take(message: bytes) -> bytes:
        seen.append(message)
        return acknowledge(message, application="R", facility="F")

    with MllpListener(take, port=port):
        town.wait(uid, deliveries={"delivered": 3})
    assert len(set(seen)) == 1


def test_what_was_given_up_is_parked_visibly_and_retried_by_hand(town: Town) -> None:
    port = free_port()
    town.site.destination(name="to-other-ris", type="hl7", host="127.0.0.1", port=port)
    town.site.set("delivery", give_up_after_h=0.0003)
    town.site.serve()
    (frontal,) = study(views=("PA",))
    uid = str(frontal.StudyInstanceUID)
    town.send(frontal)
    town.wait(uid, deliveries={"delivered": 2, "parked": 1})
    assert "1 parked" in town.site.run("studies").stdout
    with MllpListener(lambda m: acknowledge(m, application="R", facility="F"), port=port):
        assert town.site.run("retry", uid).returncode == 0
        town.wait(uid, deliveries={"delivered": 3})


def test_a_model_that_does_not_load_stops_no_reception_and_says_so_everywhere(town: Town, checkpoint: Path) -> None:
    town.site.set("model", weights="./nothing-here")
    line = town.site.serve()
    (frontal,) = study(views=("PA",))
    hand = small(BodyPartExamined="HAND")
    town.send(frontal)
    town.send(hand)
    town.wait(str(hand.StudyInstanceUID), state="not-analysed", deliveries=BOTH)
    failed = until(
        lambda: next(
            (p for p in town.site.json("studies")["processes"] if p["role"] == "read" and p["state"] == "failed"), None
        ),
        what="the read role says that it failed",
    )
    assert "weights-missing" in failed["words"]
    assert "no such folder" in town.site.run("studies").stdout
    assert any(c["what"] == "process read" and c["state"] == "bad" for c in town.site.json("doctor", "--no-network"))
    town.wait(str(frontal.StudyInstanceUID), state="assembled")
    line.terminate()
    assert line.wait(PATIENCE_S) == 0
    town.site.set("model", weights=str(checkpoint))
    town.site.serve()
    town.wait(str(frontal.StudyInstanceUID), state="read", deliveries=BOTH)


def test_a_model_past_its_deadline_ends_as_an_abstention_that_is_sent(town: Town) -> None:
    town.site.set("model", deadline_s=0.001, attempts=2)
    town.site.serve()
    (frontal,) = study(views=("PA",))
    town.send(frontal)
    uid = str(frontal.StudyInstanceUID)
    line = town.wait(uid, state="abstained", deliveries=BOTH)
    assert line.reason == "model-timeout"
    assert "Abstained: " in town.reports(uid)[0].to_json()


def test_an_answer_that_is_cut_off_is_an_abstention(town: Town) -> None:
    town.site.set("model", max_new_tokens=20)
    town.site.serve()
    (frontal,) = study(views=("PA",))
    town.send(frontal)
    uid = str(frontal.StudyInstanceUID)
    line = town.wait(uid, state="abstained", deliveries=BOTH)
    assert line.reason == "reply-truncated"
    (report,) = town.reports(uid)
    assert read_narrative(report).findings == ""
    assert read_narrative(report).reasoning, "what there is of the trace is shown"


def test_no_patient_data_reach_the_log(town: Town) -> None:
    town.site.set("log", level="debug")
    line = town.site.serve()
    frontal, lateral = study()
    for image in (frontal, lateral):
        image.PatientName, image.PatientBirthDate = "Geheimnis^Gertrud", "19331122"
        image.AccessionNumber, image.ReferringPhysicianName = "SECRETACC99", "Zuweiser^Zoe"
    town.send(frontal, lateral)
    town.wait(str(frontal.StudyInstanceUID), deliveries=BOTH)
    garbled = Peer("node", "PREREAD", "127.0.0.1", town.site.port, frozenset())
    lateral.PixelData = bytes(len(lateral.PixelData))
    path = save(lateral, town.films / "other-pixels.dcm")
    assert not scu.store(garbled, [path], own_ae_title=SENDER, timeout_s=PATIENCE_S)[0].accepted
    line.terminate()
    assert line.wait(PATIENCE_S) == 0
    log = town.site.log.read_text(encoding="utf-8")
    assert str(frontal.StudyInstanceUID) in log, "the log does speak of the study"
    for secret in ("Geheimnis", "Gertrud", str(frontal.PatientID), "19331122", "SECRETACC99", "Zuweiser"):
        assert secret not in log
    for entry in log.splitlines():
        json.loads(entry)


def test_one_offline_reading_says_the_same_as_the_line(running: Town) -> None:
    frontal, lateral = study()
    files = [str(save(image, running.films / f"{n}.dcm")) for n, image in enumerate((frontal, lateral))]
    sr, oru = running.films / "out.dcm", running.films / "out.hl7"
    shown = running.site.run("read", *files, "--json", "--sr", str(sr), "--oru", str(oru), check=True)
    narrative = json.loads(shown.stdout)["narrative"]
    assert "left pleural effusion" in narrative["findings"]
    assert read_narrative(dcmread(sr)).reasoning == narrative["reasoning"]
    assert text_of(hl7.parse(oru.read_bytes().decode()), "REASONING") == [narrative["reasoning"]]
    running.send(frontal, lateral)
    uid = str(frontal.StudyInstanceUID)
    running.wait(uid, deliveries=BOTH)
    (report,) = running.reports(uid)
    assert read_narrative(report).reasoning == narrative["reasoning"]
    assert "left pleural effusion" in running.site.run("read", *files, check=True).stdout


def test_echo_and_send_work_from_the_command_line(running: Town, tmp_path: Path) -> None:
    assert running.site.json("echo", "pacs")["ok"] is True
    folder = tmp_path / "some"
    folder.mkdir()
    for n, image in enumerate(study(kind="clear", seed=8)):
        save(image, folder / f"{n}.dcm")
    sent = running.site.run("send", "--as", SENDER, str(folder))
    assert sent.returncode == 0
    assert "2 of 2 files were accepted" in sent.stdout
    assert running.site.run("send", "--as", "STRANGER", str(folder)).returncode == 1
    assert "calling-ae-title-not-recognised" in running.site.run("refusals").stdout
