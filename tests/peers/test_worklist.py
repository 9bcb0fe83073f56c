"""The order that no message brought: what DCMTK's worklist server has is written down beside the study, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.errors import Transient
from agent.intake.assembly import assembly_of
from agent.intake.worklist import ATTEMPTS, WorklistOrder, WorklistStage, worklist_orders
from agent.intake.worklist_orders import take_answer
from agent.store import flags, studies, worklist
from agent.store.worklist import StoredAnswer
from agent.work.queue import Queue
from dicom_nodes.deadline import Deadline
from dicom_nodes.query import UnusableKey
from dicom_nodes.roles import Peer
from structured_report.content import Code, Order, Patient, Study
from tests.support.archives import Wlmscpfs, worklist_entry
from tests.support.films import small_image
from tests.support.node import Node
from tests.support.site import PATIENCE_S, free_port

pytestmark = [pytest.mark.peers, pytest.mark.requirement("WORKLIST-1")]

NAMES = {
    "ISO_IR 100": "Müller^Jürgen",
    "ISO_IR 144": "Люкceмбypг",
    "ISO_IR 192": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "GB18030": "Wang^XiaoDong=王^小东",
}


def entries() -> list[object]:
    made = [
        worklist_entry(
            PatientID=f"P{n}",
            PatientName=name,
            SpecificCharacterSet=charset,
            AccessionNumber=f"A{n}",
            PatientBirthDate="19500102",
            ReasonForTheRequestedProcedure="cough",
            RequestedProcedurePriority="STAT",
        )
        for n, (charset, name) in enumerate(NAMES.items())
    ]
    second = worklist_entry(
        PatientID="P0", PatientName="Müller^Jürgen", AccessionNumber="A9", ScheduledProcedureStepID="SPS9"
    )
    other_day = worklist_entry(PatientID="P0", AccessionNumber="A8", ScheduledProcedureStepStartDate="20250103")
    return [*made, second, other_day]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wlmscpfs]:
    made = Wlmscpfs(tmp_path_factory.mktemp("worklist"), entries())  # type: ignore[arg-type]
    yield made
    made.stop()


def study(accession: str = "", patient: str = "", day: str = "20260103") -> Study:
    return Study("1.2.3", study_date=day, patient=Patient(patient), order=Order(accession))


def asked(server: Wlmscpfs, about: Study) -> list[WorklistOrder]:
    answer = worklist_orders(server.peer(), about, own_ae_title="PREREAD", deadline=Deadline(PATIENCE_S))
    assert answer.status == 0x0000
    return list(answer.orders)


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_the_name_on_an_order_is_not_mangled_by_its_character_set(server: Wlmscpfs, number: int) -> None:
    (found,) = asked(server, study(f"A{number}"))
    assert found.patient.name == list(NAMES.values())[number]
    assert found.patient.birth_date == "19500102"
    assert (found.order.accession_number, found.order.indication, found.priority) == (f"A{number}", "cough", "STAT")
    assert found.order.scheduled_procedure_step_id == "SPS1"
    assert (found.scheduled_date, found.scheduled_time, found.modality) == ("20260103", "090000", "DX")
    assert WorklistOrder.from_json(found.to_json()) == found


def test_a_study_without_an_accession_number_finds_all_the_orders_of_its_patient_and_its_day(server: Wlmscpfs) -> None:
    assert {o.order.accession_number for o in asked(server, study(patient="P0"))} == {"A0", "A9"}
    assert {o.order.accession_number for o in asked(server, study("UNKNOWN", "P1"))} == {"A1"}
    assert asked(server, study(patient="NOBODY")) == []


@pytest.mark.parametrize("about", [study(), study("A*"), study(patient="P?"), study("*", "*")])
def test_nobody_elses_orders_are_asked_for_by_a_wild_card(server: Wlmscpfs, about: Study) -> None:
    with pytest.raises(UnusableKey):
        asked(server, about)


def test_a_code_of_the_order_is_kept(tmp_path: Path) -> None:
    entry = worklist_entry(PatientID="P1", AccessionNumber="A1")
    code = type(entry)()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "36643-5", "LN", "XR Chest 2 Views"
    entry.RequestedProcedureCodeSequence = [code]
    server = Wlmscpfs(tmp_path / "w", [entry])
    try:
        (found,) = asked(server, study("A1"))
    finally:
        server.stop()
    assert found.order.procedure == Code("36643-5", "LN", "XR Chest 2 Views")


class Asking:
    """A receiver, assembly and the stage that asks."""

    def __init__(self, root: Path, peer: Peer, *, matched: bool = False) -> None:
        self.node, clock = Node(root, quiet_time_s=0.0), SystemClock()
        self.queue, s = Queue(self.node.ledger, clock, "test"), self.node.settings
        self.told: list[str] = []
        asking = s.model_copy(update={"worklist": s.worklist.model_copy(update={"source": "ris"})})
        self.assembly = assembly_of(asking, self.node.ledger, self.queue, clock)
        self.stage = WorklistStage(
            self.node.ledger,
            self.queue,
            clock,
            peer,
            own_ae_title="PREREAD",
            deadline_s=PATIENCE_S,
            answered=take_answer(clock) if matched else lambda _tx, uid: self.told.append(uid),
        )

    def arrives(self, accession: str, patient: str = "P7", name: str = "Test^Small") -> str:
        image = small_image(AccessionNumber=accession, PatientID=patient)
        image.SpecificCharacterSet, image.PatientName = "ISO_IR 192", name
        assert self.node.send_image(image)[0] == 0x0000
        job = self.queue.claim("assemble")
        assert job is not None
        self.assembly(job)
        return str(image.StudyInstanceUID)

    def ask(self) -> None:
        job = self.queue.claim("worklist")
        assert job is not None
        self.stage(job)

    def answer(self, uid: str) -> StoredAnswer | None:
        with self.node.ledger.read() as view:
            return worklist.answer_of(view, uid)


def test_what_was_ordered_for_a_study_is_written_down_when_it_has_arrived(server: Wlmscpfs, tmp_path: Path) -> None:
    line = Asking(tmp_path / "node", server.peer("ris"))
    uid = line.arrives("A2")
    line.ask()
    answer = line.answer(uid)
    assert answer is not None
    assert (answer.source, answer.status) == ("ris", "0000")
    (entry,) = [WorklistOrder.from_json(e) for e in answer.entries]
    assert entry.patient.name == NAMES["ISO_IR 192"]
    assert line.told == [uid], "whoever matches orders hears of it"
    line.node.stop()


def test_a_dead_worklist_is_asked_again_and_then_given_up_in_words(tmp_path: Path) -> None:
    line = Asking(tmp_path / "node", Peer("ris", "DEAD", "127.0.0.1", free_port(), frozenset({"query"})))
    uid = line.arrives("A2")
    for failures in range(ATTEMPTS - 1):
        job = line.queue.claim("worklist")
        assert job is not None
        assert job.failures == failures
        with pytest.raises(Transient):
            line.stage(job)
        with line.node.ledger.begin() as tx:
            line.queue.postpone(tx, job, SystemClock().now(), failed=True)
    line.ask()
    answer = line.answer(uid)
    assert answer is not None
    assert (answer.status, answer.entries, line.told) == ("", [], [])
    assert "could not be asked" in answer.words
    line.node.stop()


@pytest.mark.parametrize(
    ("patient", "name", "state", "how"),
    [("P2", NAMES["ISO_IR 192"], "assembled", "accession number"), ("P7", "Test^Small", "needs-attention", "")],
)
def test_what_a_worklist_answers_is_the_order_of_that_patient_and_of_nobody_else(
    server: Wlmscpfs, tmp_path: Path, patient: str, name: str, state: str, how: str
) -> None:
    """The technician has picked the line above: the worklist knows whose the number is."""
    line = Asking(tmp_path / "node", server.peer("ris"), matched=True)
    uid = line.arrives("A2", patient, name)
    line.ask()
    job = line.queue.claim("assemble")
    assert job is not None, "the answer has the study weighed anew"
    line.assembly(job)
    with line.node.ledger.read() as view:
        newest = studies.newest_revision(view, uid)
        assert newest is not None
        assert studies.state_of(view, uid) == state
        urgency = flags.urgency_of(view, uid)
    assert newest.study["order"]["match"] == how
    assert newest.study["order"]["indication"] == ("cough" if how else "")
    assert (urgency is not None) == bool(how), "it says STAT"
    while (job := line.queue.claim("worklist")) is not None:
        line.stage(job)
    assert line.queue.claim("assemble") is None, "the same answer again is nothing new"
    line.node.stop()
