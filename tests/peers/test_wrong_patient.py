"""A result on the wrong patient is impossible: Orthanc is the PACS, the `hl7` package is the RIS, and neither ever gets one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hl7
import pytest
from hl7.client import MLLPClient
from pydicom import Dataset

from agent.commands.common import existing_store
from agent.commissioning.films import make_study
from agent.model.load import load_model
from agent.orders.said import Said
from agent.settings import Settings
from agent.store import overview
from dicom_nodes import scu
from dicom_nodes.roles import Peer
from tests.support.films import save
from tests.support.hearing import corrected, filed_under, hear, merged, ordered, standing
from tests.support.hl7_sender import segment
from tests.support.node import Node
from tests.support.peers import Orthanc, Ris
from tests.support.site import PATIENCE_S, SENDER, Site, free_port, until
from tests.support.stages import Line

pytestmark = [
    pytest.mark.peers,
    pytest.mark.model,
    pytest.mark.xdist_group("wrong-patient"),
    pytest.mark.requirement("PATIENT-1"),
]
BORN = "19640517"


class Hospital:
    """A site that runs, its PACS and its RIS."""

    def __init__(self, site: Site, pacs: Orthanc, ris: Ris, films: Path) -> None:
        self.site, self.pacs, self.ris, self._films = site, pacs, ris, films

    def send(self, *images: Dataset) -> str:
        paths = [save(image, self._films / f"{image.SOPInstanceUID}.dcm") for image in images]
        node = Peer("node", "PREREAD", "127.0.0.1", self.site.port, frozenset())
        assert all(r.accepted for r in scu.store(node, paths, own_ae_title=SENDER, timeout_s=PATIENCE_S))
        return str(images[0].StudyInstanceUID)

    def hears(self, *said: Said) -> None:
        ledger, _ = existing_store(self.site.settings())
        for one in said:
            hear(ledger, one)
        ledger.close()

    def line(self, uid: str) -> overview.StudyLine | None:
        ledger, _ = existing_store(self.site.settings())
        with ledger.read() as view:
            found = overview.studies(view, only=[uid])
        ledger.close()
        return found[0] if found else None

    def waits(self, uid: str, state: str, **deliveries: int) -> overview.StudyLine:
        def there() -> overview.StudyLine | None:
            line = self.line(uid)
            fits = line is not None and line.state == state and deliveries.items() <= line.deliveries.items()
            return line if fits else None

        try:
            line = until(there, what=f"{state} {deliveries}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.line(uid)}\n{self.site.log.read_text()[-3000:]}") from None
        assert isinstance(line, overview.StudyLine)
        return line

    def shown(self, uid: str) -> str:
        return self.site.run("show", uid, check=True).stdout


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("hospital")
    (folder / "films").mkdir()
    with Orthanc(folder / "pacs") as pacs, Ris() as ris:
        site = Site(folder / "site")
        site.set("model", weights=str(checkpoint), quantization="none")
        site.peer("pacs", pacs.ae_title, pacs.port, ["send", "receive"])
        site.destination(name="to-pacs", type="dicom", peer="pacs")
        site.destination(name="to-ris", type="hl7", host="127.0.0.1", port=ris.port)
        site.set("orders", port=free_port(), host="127.0.0.1")
        site.serve()
        yield Hospital(site, pacs, ris, folder / "films")
        site.stop()


def film(patient: str, accession: str, seed: int, views: tuple[str, ...] = ("PA",)) -> list[Dataset]:
    made = make_study("left-effusion", seed=seed, patient_id=patient, accession=accession, views=views)
    for image in made:
        image.PatientBirthDate = BORN
    return made


def nothing_left(hospital: Hospital, *uids: str) -> bool:
    """Whether neither PACS nor RIS has anything of these studies."""
    stored = {
        hospital.pacs.get(f"/instances/{i}/simplified-tags")["StudyInstanceUID"] for i in hospital.pacs.instances()
    }
    told = any(uid in str(message) for uid in uids for message in hospital.ris.messages)
    return not stored & set(uids) and not told


def test_images_that_disagree_about_the_patient(hospital: Hospital) -> None:
    """Somebody's lateral view lies in another one's study: the finding of the one would be treated in the other."""
    frontal, lateral = film("P-ONE", "W1", 31, ("PA", "LL"))
    lateral.PatientID = "P-OTHER"
    uid = hospital.send(frontal, lateral)
    hospital.waits(uid, "needs-attention")
    assert nothing_left(hospital, uid)
    shown = hospital.shown(uid)
    assert "patient-differs" in shown
    assert "Patient ID" in shown
    assert "P-OTHER" in shown


def test_an_order_that_fits_two_studies(hospital: Hospital) -> None:
    """The clinician who ordered one film is told what was seen on the other one."""
    hospital.hears(ordered("W2", "P-TWO", birth_date=BORN, placer="PL-W2"))
    first, second = film("P-TWO", "W2", 32), film("P-TWO", "W2", 33)
    uids = [str(image[0].StudyInstanceUID) for image in (first, second)]
    hospital.send(*first, *second)
    for uid in uids:
        line = hospital.waits(uid, "needs-attention", held=2)
        assert line.reason == "order-of-two-studies"
        assert "2 studies carry the accession number of one order" in hospital.shown(uid)
    assert nothing_left(hospital, *uids)
    order_id = hospital.site.json("show", uids[0])["identity"]["match"]["candidates"][0]
    site = hospital.site
    assert site.run("match", uids[1], "--none", "--reason", "repeated").returncode == 0
    assert site.run("match", uids[0], "--order", str(order_id), "--reason", "the first one").returncode == 0
    hospital.waits(uids[0], "read", delivered=2)
    hospital.waits(uids[1], "read", delivered=2)
    told = {filed_under(m) for m in hospital.ris.messages if any(u in str(m) for u in uids)}
    assert told == {("P-TWO", "PL-W2", "W2", "W2"), ("P-TWO", "", "W2", "W2")}


def test_two_orders_that_fit_one_study(hospital: Hospital) -> None:
    """The finding is filed under an order that asked for something else, and whoever waits for it never gets it."""
    hospital.hears(
        ordered("W3", "P-THREE", birth_date=BORN, placer="A"), ordered("W3", "P-THREE", birth_date=BORN, placer="B")
    )
    uid = hospital.send(*film("P-THREE", "W3", 34))
    hospital.waits(uid, "needs-attention", held=2)
    assert "2 orders carry the accession number of the images" in hospital.shown(uid)
    assert nothing_left(hospital, uid)


def test_an_accession_number_whose_order_names_another_patient(hospital: Hospital) -> None:
    """The technician picked the wrong line of the worklist: a healthy patient gets the disease of the next one."""
    hospital.hears(ordered("W4", "P-NEXT", name="Next^Patient", birth_date="19500102"))
    uid = hospital.send(*film("P-FOUR", "W4", 35))
    hospital.waits(uid, "needs-attention", held=2)
    shown = hospital.shown(uid)
    assert "order-of-another-patient" in shown
    assert "P-NEXT | - | Next^Patient" in shown, "a person sees whom the order is for"
    assert nothing_left(hospital, uid)
    refused = hospital.site.run("match", uid, "--order", shown.split("  order ")[1].split()[0], "--reason", "x")
    assert refused.returncode == 1
    assert "--patient images" in refused.stderr


def test_an_order_of_another_patient_that_comes_before_the_result_has_left(hospital: Hospital) -> None:
    """A doubt that comes up late holds back what has not left, and says so."""
    uid = hospital.send(*film("P-FIVE", "W5", 36))
    hospital.waits(uid, "read", delivered=2)
    hospital.hears(ordered("W5", "P-NEXT", name="Next^Patient", birth_date="19500102"))
    hospital.waits(uid, "needs-attention")
    assert hospital.site.run("retry", uid).returncode == 0
    hospital.waits(uid, "needs-attention", delivered=2)
    assert len([m for m in hospital.ris.messages if uid in str(m)]) == 1


def test_a_number_that_two_people_have(hospital: Hospital) -> None:
    """The Patient ID was mistyped at the modality and is somebody else's."""
    hospital.hears(corrected("P-SIX", "Somebody^Else", "19401231"))
    uid = hospital.send(*film("P-SIX", "W6", 37))
    line = hospital.waits(uid, "needs-attention", held=2)
    assert line.reason == "patient-contradicted"
    assert nothing_left(hospital, uid)


@pytest.mark.requirement("PATIENT-2")
def test_a_merge_in_mid_read(tmp_path: Path, checkpoint: Path) -> None:
    """The result would go into a record that nobody opens any more, while the one that is open stays empty."""
    made = Settings(model={"weights": str(checkpoint), "quantization": "none", "device": "cpu"})
    with Ris() as ris:
        line = Line(Node(tmp_path / "node", quiet_time_s=0.0), load_model(made.model), ris.port)
        (image,) = film("GONE", "W7", 38)
        line.send(image)
        line.do("assemble", "flag")

        def merge() -> None:
            hear(line.node.ledger, merged("GONE", "STAYS"))
            line.do("orders")

        line.during_read = merge
        line.do("read", "report")
        assert line.idle("deliver")
        assert ris.messages == []
        assert line.study().deliveries == {"held": 1}
        line.do("assemble", "report", "deliver")
        assert standing(ris.messages) == {("STAYS", "", "W7", "W7")}
        assert len(ris.messages) == 1
        line.node.stop()


@pytest.mark.requirement("PATIENT-2")
def test_a_merge_after_the_delivery(hospital: Hospital) -> None:
    """The old record keeps a finding that belongs to the new one, or the new one never learns of it."""
    uid = hospital.send(*film("P-OLD", "W8", 39))
    hospital.waits(uid, "read", delivered=2)
    hospital.hears(merged("P-OLD", "P-NEW"))
    hospital.waits(uid, "read", delivered=5)
    told = [m for m in hospital.ris.messages if "W8" in str(m)]
    assert [filed_under(m)[0] for m in told] == ["P-OLD", "P-OLD", "P-NEW"]
    assert standing(told) == {("P-NEW", "", "W8", "W8")}
    reports = [
        tags
        for i in hospital.pacs.instances()
        if (tags := hospital.pacs.get(f"/instances/{i}/simplified-tags"))["StudyInstanceUID"] == uid
    ]
    by_patient = {r["PatientID"]: r for r in reports}
    assert set(by_patient) == {"P-OLD", "P-NEW"}
    assert by_patient["P-OLD"]["SOPInstanceUID"] in str(by_patient["P-NEW"]["PredecessorDocumentsSequence"])
    shown = hospital.shown(uid)
    assert "Patient ID: P-OLD in the images, P-NEW by message" in shown
    assert "PatientsMerged done" in shown


@pytest.mark.requirement("PATIENT-2")
def test_what_the_ris_says_by_hl7_reaches_the_result(hospital: Hospital) -> None:
    """What was ordered, corrected and finished is known in the RIS and nowhere else: the result is filed where nobody looks."""
    head = "MSH|^~\\&|RIS|HOSP|PREREAD|RAD|20260103101500||{}|{}|P|2.5.1"
    person = "PID|1||{}^^^HOSP^MR||Phantom^Drawn||19640517|O"
    named = {
        "f1": "1",
        "f2": "PL10^RIS",
        "f3": "FI10^RIS",
        "f4": "36643-5^XR Chest 2 Views^LN",
        "f18": "W10",
        "f24": "CR",
    }
    port = hospital.site.settings().orders.port

    def says(*segments: str) -> None:
        with MLLPClient("127.0.0.1", port) as client:
            answer = hl7.parse(client.send_message("\r".join(segments) + "\r").decode())
        assert str(answer.segment("MSA")[1]) == "AA", answer

    says(
        head.format("ORM^O01", "T1"),
        person.format("P-TEN"),
        "ORC|NW|PL10^RIS|FI10^RIS",
        segment("OBR", **named, f27="^^^^^S"),
    )
    uid = hospital.send(*film("P-TEN", "W10", 42))
    line = hospital.waits(uid, "read", delivered=2)
    assert (line.priority, line.reasons) == ("critical", ("the order says critical",))
    says(head.format("ADT^A40^ADT_A39", "T2"), "EVN|A40|20260103", person.format("P-TEN-B"), "MRG|P-TEN^^^HOSP^MR")
    hospital.waits(uid, "read", delivered=5)
    told = [m for m in hospital.ris.messages if "W10" in str(m)]
    assert standing(told) == {("P-TEN-B", "PL10^RIS", "FI10^RIS", "W10")}, "with who gave the numbers"
    says(head.format("ORU^R01", "T3"), person.format("P-TEN-B"), segment("OBR", **named, f25="F"))
    hospital.waits(uid, "reported")
    assert [m["state"] for m in hospital.site.json("show", uid)["messages"]] == ["done"] * 3


@pytest.mark.requirement("WITHDRAW-1")
def test_a_withdrawn_result(hospital: Hospital) -> None:
    """A result that is known to be wrong goes on being used in the RIS, in the PACS, or comes back by itself."""
    of_others = hospital.site.json("messages", "--attention")
    (image,) = film("P-NINE", "W9", 40)
    uid = hospital.send(image)
    hospital.waits(uid, "read", delivered=2)
    done = hospital.site.run("withdraw", uid, "--reason", "film of the wrong side")
    assert done.returncode == 0, done.stderr
    hospital.waits(uid, "withdrawn", delivered=4)
    told = [m for m in hospital.ris.messages if "W9" in str(m)]
    assert standing(told) == set()
    assert "film of the wrong side" in str(told[-1])
    reports = [
        tags
        for i in hospital.pacs.instances()
        if (tags := hospital.pacs.get(f"/instances/{i}/simplified-tags"))["StudyInstanceUID"] == uid
    ]
    (newer,) = [r for r in reports if "PredecessorDocumentsSequence" in r]
    assert "film of the wrong side" in str(newer)
    (late,) = film("P-NINE", "W9", 41)
    late.StudyInstanceUID = uid
    hospital.send(late)
    until(lambda: "late-images-withdrawn" in hospital.shown(uid), what="the late image was weighed")
    assert hospital.site.json("reread", "--since", "2020-01-01")["read_again"] == []
    assert uid not in hospital.site.json("reread", "--since", "2020-01-01")["studies"]
    assert hospital.site.run("withdraw", uid, "--reason", "again").returncode == 1
    assert hospital.site.run("reread", uid, "--reason", "checked").returncode == 0
    line = hospital.waits(uid, "read", delivered=6)
    assert line.revision == 3
    assert hospital.site.json("messages", "--attention") == of_others
