"""A report counts as kept only when the PACS has said so; what it says is heard whenever and wherever it says it."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from sqlalchemy import select

from agent.store import results, schema, trouble
from agent.work.queue import revive
from dicom_nodes.contexts import COMPUTED_RADIOGRAPHY, STORAGE_COMMITMENT
from tests.support.commitments import VALUE, Office, ScriptedPacs, report
from tests.support.peers import Orthanc
from tests.support.site import PATIENCE_S, free_port

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("commitment")]
UID = VALUE.sr_instance_uid


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int]) -> Iterator[Orthanc]:
    ours = {"AET": "PREREAD", "Host": "127.0.0.1", "Port": ports[0], "AllowStorageCommitment": True}
    folder = tmp_path_factory.mktemp("orthanc") / "pacs"
    with Orthanc(folder, DicomModalities={"preread": ours}) as pacs:
        yield pacs


@pytest.fixture
def office_of(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    made: list[Office] = []

    def start(pacs_port: int, **settings: object) -> Office:
        made.append(Office(tmp_path / "state", pacs_port, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield start
    for office in made:
        office.close()


@pytest.fixture
def pacs_that(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ScriptedPacs]]:
    made: list[ScriptedPacs] = []

    def start(**settings: object) -> ScriptedPacs:
        if settings.get("same_association"):  # it does answer there, in its own time
            monkeypatch.setattr("agent.delivery.dicom_destination._SAME_ASSOCIATION_S", PATIENCE_S)
        made.append(ScriptedPacs(**settings))  # type: ignore[arg-type]
        return made[-1]

    yield start
    for pacs in made:
        pacs.stop()


def transactions(office: Office) -> list[str]:
    with office.ledger.read() as view:
        return list(view.execute(select(schema.commitment_request.c.transaction_uid)).scalars())


@pytest.mark.requirement("COMMIT-1")
def test_orthanc_says_on_an_association_of_its_own_that_it_keeps_the_report(
    office_of: Callable[..., Office], orthanc: Orthanc, ports: tuple[int, int]
) -> None:
    office = office_of(orthanc.port, port=ports[0], pacs_title="ORTHANC")
    office.listen()
    office.deliver()
    assert office.delivery()["state"] == "delivered", "sent, and not yet committed"
    found = office.settled("committed")
    assert found["words"] == "0000 as Comprehensive 3D SR; committed"
    assert office.queue.claim("commit", "to-pacs") is None, "nothing is left to do"
    with office.ledger.read() as view:
        assert results.newest_sent_sr(view, VALUE.study.study_instance_uid, 2) == UID, "it has a successor to name"


@pytest.mark.requirement("COMMIT-2")
def test_a_report_that_orthanc_has_lost_is_sent_again(
    office_of: Callable[..., Office], orthanc: Orthanc, ports: tuple[int, int]
) -> None:
    office = office_of(orthanc.port, port=ports[0], pacs_title="ORTHANC")
    office.listen()
    office.deliver()
    for instance in orthanc.instances():
        address = f"http://127.0.0.1:{orthanc._http}/instances/{instance}"
        urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=PATIENCE_S).close()
    found = office.settled("waiting")
    assert found["words"].startswith("not-committed-0112: 0112 no such object instance"), "in the PACS's own words"
    assert orthanc.instances() == []
    office.clock.go(seconds=30)
    office.deliver()
    assert len(orthanc.instances()) == 1
    office.settled("committed")


@pytest.mark.requirement("COMMIT-1")
def test_an_answer_on_the_association_of_the_question_is_heard(
    office_of: Callable[..., Office], pacs_that: Callable[..., ScriptedPacs]
) -> None:
    office = office_of(pacs_that(same_association=True).port)  # our own node does not even listen
    office.deliver()
    office.settled("committed")


@pytest.mark.requirement("COMMIT-2")
def test_what_the_pacs_will_never_keep_is_parked_with_its_reason(
    office_of: Callable[..., Office], pacs_that: Callable[..., ScriptedPacs]
) -> None:
    office = office_of(pacs_that(same_association=True, reasons=[0x0122]).port)
    office.deliver()
    office.settled("parked")
    (words,) = office.in_trouble()
    assert words == (
        "not-committed-0122: to-pacs took the object and does not keep it: 0122 referenced SOP class not supported"
    )


@pytest.mark.requirement("COMMIT-2")
def test_a_report_that_is_lost_again_and_again_becomes_a_matter_for_a_person(
    office_of: Callable[..., Office], pacs_that: Callable[..., ScriptedPacs]
) -> None:
    pacs = pacs_that(same_association=True, reasons=[0x0112])
    office = office_of(pacs.port)
    for _ in range(2):
        office.deliver()
        office.settled("waiting")
        office.clock.go(seconds=30)
    office.deliver()
    office.settled("parked")
    assert pacs.stored == [UID] * 3
    assert len(set(pacs.transactions)) == 3, "every request is a transaction of its own"


@pytest.mark.requirement("COMMIT-1")
def test_a_commitment_that_never_comes_is_seen_and_may_still_come(
    office_of: Callable[..., Office], pacs_that: Callable[..., ScriptedPacs]
) -> None:
    pacs = pacs_that()
    office = office_of(pacs.port)
    office.listen()
    office.deliver()
    assert office.see_to_it()
    assert office.delivery()["state"] == "delivered"
    assert "to be answered by 2026-03-01 12:10:00 UTC" in office.delivery()["words"]
    office.clock.go(seconds=599)
    assert not office.see_to_it(), "there is time left"
    office.clock.go(seconds=2)
    assert office.see_to_it()
    (words,) = office.in_trouble()
    assert words.startswith("commitment-overdue: to-pacs took the object and the request")
    association = office.associate("PACS", role=True)
    status, _ = association.send_n_event_report(*report(pacs.transactions[0], UID))
    association.release()
    assert status.Status == 0x0000
    office.settled("committed")
    assert office.in_trouble() == []


def test_retry_sends_and_asks_again(office_of: Callable[..., Office], pacs_that: Callable[..., ScriptedPacs]) -> None:
    pacs = pacs_that()
    office = office_of(pacs.port)
    office.deliver()
    office.see_to_it()
    office.clock.go(hours=1)
    office.see_to_it()
    assert office.delivery()["state"] == "parked"
    with office.ledger.begin() as tx:
        for delivery_id, lane in results.try_again(tx, VALUE.study.study_instance_uid, now=office.clock.now()):
            revive(tx, "deliver", str(delivery_id), lane=lane, now=office.clock.now())
    office.deliver()
    office.see_to_it()
    assert office.delivery()["state"] == "delivered"
    assert (len(pacs.stored), len(pacs.transactions)) == (2, 2)


@pytest.mark.parametrize(("status", "state"), [(0x0110, "delivered"), (0x0213, "delivered"), (0x0122, "parked")])
def test_the_status_of_the_request_decides(
    office_of: Callable[..., Office], pacs_that: Callable[..., ScriptedPacs], status: int, state: str
) -> None:
    office = office_of(pacs_that(action_status=status).port)
    office.deliver()
    office.see_to_it()
    assert office.delivery()["state"] == state
    assert any(f"{status:04X}" in line for line in office.history()), "the PACS's status is in the history"
    with office.ledger.read() as view:
        assert trouble.newest_in_trouble(view, 9) == (VALUE.study.study_instance_uid,), "and a person sees the study"


def test_a_pacs_that_does_not_commit_is_found_out_by_the_doctor_and_parked(
    office_of: Callable[..., Office], tmp_path: Path
) -> None:
    from agent.demo.pacs import DemoPacs
    from agent.errors import Permanent

    with DemoPacs(tmp_path / "pacs", ae_title="PACS") as pacs:
        office = office_of(pacs.port)
        with pytest.raises(Permanent, match="offers no storage commitment"):
            office.outbox._destinations["to-pacs"].probe()
        office.deliver()
        office.settled("parked")
        assert office.in_trouble()[0].startswith("no-commitment: ")


# Runs in another process, which dies without a word between the question and what it would write down about it.
_ASKS_AND_DIES = """
import os, sys
from pathlib import Path
from tests.support.commitments import Office
office = Office(Path(sys.argv[1]), int(sys.argv[2]), port=int(sys.argv[3]))
office.deliver()
asks = office.keepers["to-pacs"].ask_to_commit
def ask_and_die(stored, transaction_uid):
    assert asks(stored, transaction_uid) is None
    os.kill(os.getpid(), 9)
office.keepers["to-pacs"].ask_to_commit = ask_and_die
office.see_to_it()
"""


def test_an_answer_to_a_question_of_a_process_that_was_killed_is_understood(
    office_of: Callable[..., Office], pacs_that: Callable[..., ScriptedPacs], tmp_path: Path
) -> None:
    pacs, port = pacs_that(), free_port()
    script = [sys.executable, "-c", _ASKS_AND_DIES, str(tmp_path / "state"), str(pacs.port), str(port)]
    assert subprocess.run(script, timeout=PATIENCE_S, check=False).returncode == -9
    (transaction,) = pacs.transactions
    office = office_of(pacs.port, port=port, plant=False)
    assert transactions(office) == [transaction], "written down before it was asked"
    office.listen()
    association = office.associate("PACS", role=True)
    status, _ = association.send_n_event_report(*report(transaction, UID))
    association.release()
    assert status.Status == 0x0000
    assert office.delivery()["state"] == "delivered"
    office.queue.release_own()
    office.clock.go(seconds=1)
    office.settled("committed")


def test_who_says_it_without_a_role_is_heard_too(
    office_of: Callable[..., Office], pacs_that: Callable[..., ScriptedPacs]
) -> None:
    """Many archives propose no role and take theirs anyway."""
    pacs = pacs_that()
    office = office_of(pacs.port)
    office.listen()
    office.deliver()
    office.see_to_it()
    association = office.associate("PACS", role=False)
    assert association.is_established
    (context,) = association.accepted_contexts
    context._as_scp = True  # as those archives do
    status, _ = association.send_n_event_report(*report(pacs.transactions[0], UID))
    association.release()
    assert status.Status == 0x0000
    office.settled("committed")


@pytest.mark.requirement("COMMIT-1")
def test_nobody_else_can_say_that_a_report_is_kept(
    office_of: Callable[..., Office], pacs_that: Callable[..., ScriptedPacs]
) -> None:
    pacs = pacs_that()
    office = office_of(pacs.port)
    office.listen()
    office.deliver()
    office.see_to_it()
    (transaction,) = pacs.transactions
    assert not office.associate("MODALITY", role=True).accepted_contexts, (
        "a sender of images is asked for no commitment"
    )
    for calling, said in (
        ("OTHER", report(transaction, UID)),
        ("PACS", report("2.25.4711", UID)),
        ("PACS", report(transaction, "2.25.4711")),
    ):
        association = office.associate(calling, role=True)
        status, _ = association.send_n_event_report(*said)
        association.release()
        assert status.Status == 0x0115
    while office.see_to_it():
        pass
    assert office.delivery()["state"] == "delivered"


def test_a_pacs_that_may_only_receive_does_not_get_to_send_images(
    office_of: Callable[..., Office], pacs_that: Callable[..., ScriptedPacs]
) -> None:
    office = office_of(pacs_that().port)
    office.listen()
    association = office.associate("PACS", role=False, sop_class=COMPUTED_RADIOGRAPHY)
    assert not association.accepted_contexts


@pytest.mark.parametrize("what", ["nothing", "no transaction", "event type 9", "not DICOM"])
def test_a_report_that_cannot_be_understood_changes_nothing(
    office_of: Callable[..., Office], pacs_that: Callable[..., ScriptedPacs], what: str
) -> None:
    from dicom_nodes.receiver import Event
    from dicom_nodes.roles import AssociationInfo

    office = office_of(pacs_that().port)
    office.deliver()
    office.see_to_it()
    before = office.delivery()
    without = Dataset()
    without.ReferencedSOPSequence = []
    content = {"nothing": b"", "no transaction": b"\x08\x00\x99\x11\x00\x00\x00\x00", "not DICOM": b"\xff" * 99}
    event = Event(
        STORAGE_COMMITMENT,
        "1.2.840.10008.1.20.1.1",
        9 if "9" in what else 1,
        "1.2.840.10008.1.2",
        content.get(what, b""),
    )
    answer = office.admission.event(AssociationInfo("1", "PACS", "PREREAD", "127.0.0.1", 1), event)
    assert answer.status == 0x0115
    assert office.delivery() == before
