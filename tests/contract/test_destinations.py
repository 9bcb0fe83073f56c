"""Every destination keeps the same promises: a repeated send is harmless, a refusal is final, silence is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt

from agent.delivery.dicom_destination import DicomDestination
from agent.delivery.folder import FolderDestination
from agent.delivery.hl7_destination import Hl7Destination
from agent.delivery.protocol import Destination, OutgoingDocument
from agent.delivery.stow_destination import StowDestination
from agent.delivery.web import WebPlace
from agent.delivery.webhook_destination import WebhookDestination
from agent.demo.pacs import DemoPacs
from agent.errors import Permanent, Transient
from agent.hl7.listener import MllpListener, acknowledge
from agent.in_words import english
from dicom_nodes.contexts import COMPREHENSIVE_SR
from dicom_nodes.roles import Peer
from structured_report.oru import encode_oru
from structured_report.read_sr import read_narrative
from structured_report.result_json import encode_result
from structured_report.sr import encode_sr, file_bytes
from tests.support.reports import images, preread
from tests.support.scripted_ris import ScriptedRis, answers, err, sends
from tests.support.site import PATIENCE_S, free_port
from tests.support.web import Archive, WebService

KINDS = ["dicom", "hl7", "folder", "stow", "webhook"]
EVIDENCE = images()
VALUE = preread(EVIDENCE)
ORU = encode_oru(
    VALUE, sending_application="A", sending_facility="B", receiving_application="C", receiving_facility="D"
)


@pytest.fixture
def documents(tmp_path: Path) -> dict[str, OutgoingDocument]:
    sr, oru, result = tmp_path / "sr.dcm", tmp_path / "oru.hl7", tmp_path / "result.json"
    sr.write_bytes(file_bytes(encode_sr(VALUE, EVIDENCE)))
    oru.write_bytes(ORU)
    result.write_bytes(encode_result(VALUE))
    uid = VALUE.study.study_instance_uid
    return {
        "sr": OutgoingDocument("sr", VALUE.sr_instance_uid, sr, uid),
        "oru": OutgoingDocument("oru", VALUE.control_id, oru, uid),
        "json": OutgoingDocument("json", VALUE.control_id, result, uid),
    }


def peer(port: int) -> Peer:
    return Peer("pacs", "PACS", "127.0.0.1", port, frozenset({"receive"}))


def stow(url: str, timeout: float = PATIENCE_S) -> StowDestination:
    return StowDestination(WebPlace("to-archive", url, timeout))


def webhook(url: str, folder: Path, timeout: float = PATIENCE_S) -> WebhookDestination:
    secret = folder / "secret"
    secret.write_text("correct horse\n", encoding="ascii")
    return WebhookDestination(WebPlace("to-program", url, timeout), secret)


def dicom(port: int, timeout: float = PATIENCE_S) -> DicomDestination:
    return DicomDestination("to-pacs", peer(port), own_ae_title="PREREAD", timeout_s=timeout)


@pytest.fixture(params=KINDS)
def reachable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Destination, str, Callable[[], int]]]:
    """A destination that works, the kind it takes, and how many results its other end holds."""
    folder = tmp_path / "other-end"
    if request.param == "dicom":
        with DemoPacs(folder, ae_title="PACS") as pacs:
            yield dicom(pacs.port), "sr", lambda: len(list(folder.iterdir()))
    elif request.param == "hl7":
        seen: set[bytes] = set()

        def take(message: bytes) -> bytes:
            seen.add(message.split(b"|")[9])
            return acknowledge(message, application="RIS", facility="H")

        with MllpListener(take) as ris:
            yield Hl7Destination("to-ris", "127.0.0.1", ris.port, timeout_s=PATIENCE_S), "oru", lambda: len(seen)
    elif request.param == "stow":
        with Archive() as archive:
            yield stow(archive.url), "sr", lambda: len(archive.kept)
    elif request.param == "webhook":
        with WebService(lambda _: (204, "", b"")) as program:
            given = lambda: {r.headers["Idempotency-Key"] for r in program.requests if r.method == "POST"}  # noqa: E731
            yield webhook(program.url, tmp_path), "json", lambda: len(given())
    else:
        yield FolderDestination("copies", folder), "oru", lambda: len(list(folder.iterdir()))


@pytest.fixture(params=KINDS)
def dead(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Destination, str]:
    if request.param == "dicom":
        return dicom(free_port()), "sr"
    if request.param == "hl7":
        return Hl7Destination("to-ris", "127.0.0.1", free_port(), timeout_s=1.0), "oru"
    if request.param == "stow":
        return stow(f"http://127.0.0.1:{free_port()}", 1.0), "sr"
    if request.param == "webhook":
        return webhook(f"http://127.0.0.1:{free_port()}", tmp_path, 1.0), "json"
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    return FolderDestination("copies", blocked / "below"), "sr"


def test_sending_twice_leaves_one_result(
    reachable: tuple[Destination, str, Callable[[], int]], documents: dict[str, OutgoingDocument]
) -> None:
    destination, kind, held = reachable
    assert english(*destination.probe().said)
    for _ in range(3):
        assert destination.send(documents[kind]).words
    assert held() == 1


def test_what_is_not_taken_is_refused_for_good(
    reachable: tuple[Destination, str, Callable[[], int]], documents: dict[str, OutgoingDocument]
) -> None:
    destination, _, _ = reachable
    for kind, document in documents.items():
        if not destination.accepts(kind):
            with pytest.raises(Permanent):
                destination.send(document)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "ris..local", "x" * 300])
def test_a_name_that_cannot_be_resolved_is_worth_another_try(
    host: str, documents: dict[str, OutgoingDocument], tmp_path: Path
) -> None:
    """Names come back with the name server; the delivery must not be lost meanwhile."""
    pacs = DicomDestination(
        "to-pacs", Peer("pacs", "PACS", host, 104, frozenset()), own_ae_title="PREREAD", timeout_s=2.0
    )
    ris = Hl7Destination("to-ris", host, 2575, timeout_s=2.0)
    archive, program = stow(f"http://{host}/dicom-web"), webhook(f"http://{host}/", tmp_path)
    for destination, kind in ((pacs, "sr"), (ris, "oru"), (archive, "sr"), (program, "json")):
        with pytest.raises(Transient):
            destination.send(documents[kind])
        with pytest.raises(Transient):
            destination.probe()


def test_nobody_there_is_worth_another_try(
    dead: tuple[Destination, str], documents: dict[str, OutgoingDocument]
) -> None:
    destination, kind = dead
    with pytest.raises(Transient):
        destination.send(documents[kind])
    with pytest.raises(Transient):
        destination.probe()


@pytest.fixture
def pacs_that() -> Iterator[Callable[..., int]]:
    """Starts a PACS that answers with a given status; returns its port."""
    servers: list[Any] = []

    def store(event: Any, answer: int) -> int:
        assert read_narrative(event.dataset) == VALUE.narrative, "the words arrive in whatever syntax was agreed"
        return answer

    def start(answer: int, sop_classes: tuple[str, ...] = (COMPREHENSIVE_SR, "1.2.840.10008.5.1.4.1.1.88.34")) -> int:
        ae = AE(ae_title="PACS")
        for sop_class in sop_classes:
            ae.add_supported_context(sop_class)
        handlers = [(evt.EVT_C_STORE, store, [answer])]
        servers.append(ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers))
        return int(servers[-1].server_address[1])

    yield start
    for server in servers:
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "error"),
    [(0xA700, Transient), (0x0110, Transient), (0xA900, Permanent), (0xC000, Permanent), (0x0124, Permanent)],
)
def test_the_status_of_the_pacs_decides(
    pacs_that: Callable[..., int], documents: dict[str, OutgoingDocument], status: int, error: type[Exception]
) -> None:
    with pytest.raises(error, match=f"{status:04X}"):
        dicom(pacs_that(status)).send(documents["sr"])


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB007, 0x0111])
def test_a_warning_or_a_duplicate_means_that_the_pacs_has_the_report(
    pacs_that: Callable[..., int], documents: dict[str, OutgoingDocument], status: int
) -> None:
    assert f"{status:04X}" in dicom(pacs_that(status)).send(documents["sr"]).words


def test_a_pacs_without_3d_sr_gets_comprehensive_sr(
    pacs_that: Callable[..., int], documents: dict[str, OutgoingDocument]
) -> None:
    port = pacs_that(0x0000, (COMPREHENSIVE_SR,))
    assert dicom(port).send(documents["sr"]).words == "0000 as Comprehensive SR"


def test_a_pacs_that_takes_no_reports_is_a_matter_for_a_person(
    pacs_that: Callable[..., int], documents: dict[str, OutgoingDocument]
) -> None:
    with pytest.raises(Permanent, match="store Structured Reports"):
        dicom(pacs_that(0x0000, ("1.2.840.10008.1.1",))).send(documents["sr"])


def test_a_probe_finds_out_that_reports_will_be_refused(pacs_that: Callable[..., int]) -> None:
    """A PACS that answers a C-ECHO and stores no report would otherwise look well until the first study."""
    with pytest.raises(Permanent, match="neither Comprehensive 3D SR nor Comprehensive SR"):
        dicom(pacs_that(0x0000, ("1.2.840.10008.1.1",))).probe()


def test_a_pacs_without_c_echo_is_not_taken_for_dead(pacs_that: Callable[..., int]) -> None:
    found = dicom(pacs_that(0x0000, (COMPREHENSIVE_SR,))).probe()
    said, remarked = english(*found.said), english(*found.remarks)
    assert (said, remarked) == ("accepts Comprehensive SR", "it offers no C-ECHO, and needs none")
    echoing = dicom(pacs_that(0x0000, (COMPREHENSIVE_SR, "1.2.840.10008.1.1"))).probe()
    assert (english(*echoing.said), echoing.remarks) == ("accepts Comprehensive SR; C-ECHO 0000", ())


def test_looking_at_a_folder_does_not_make_it(tmp_path: Path) -> None:
    """Made by an administrator's doctor, it could not be written by the service."""
    folder = tmp_path / "below" / "copies"
    assert "will be made" in english(*FolderDestination("copies", folder).probe().said)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_resolved_says_nothing_of_ports() -> None:
    pacs = DicomDestination(
        "to-pacs",
        Peer("pacs", "PACS", "no-such-host.invalid", 10104, frozenset()),
        own_ae_title="PREREAD",
        timeout_s=2.0,
    )
    for destination in (pacs, Hl7Destination("to-ris", "no-such-host.invalid", 10104, timeout_s=2.0)):
        with pytest.raises(Transient, match=r"no-such-host\.invalid cannot be resolved") as error:
            destination.probe()
        assert "port" not in str(error.value)
        assert "10104" not in str(error.value)


def test_what_the_ris_said_is_kept_for_the_ledger_and_stays_out_of_what_is_logged(
    documents: dict[str, OutgoingDocument],
) -> None:
    with (
        ScriptedRis(answers("AR", err("101", words="words with a patient"))) as ris,
        pytest.raises(Permanent) as refused,
    ):
        Hl7Destination("to-ris", "127.0.0.1", ris.port, timeout_s=PATIENCE_S).send(documents["oru"])
    assert "patient" not in str(refused.value)
    assert refused.value.for_the_ledger().endswith('it said: "words with a patient"')
    with ScriptedRis(answers("AA", text="filed for a patient")) as ris:
        receipt = Hl7Destination("to-ris", "127.0.0.1", ris.port, timeout_s=PATIENCE_S).send(documents["oru"])
    assert receipt.words == f"MSA|AA|{VALUE.control_id}"
    assert receipt.for_the_ledger().endswith('it said: "filed for a patient"')


def test_a_port_that_speaks_something_else_is_recognised(documents: dict[str, OutgoingDocument]) -> None:
    with ScriptedRis(sends(lambda _: [b"HTTP/1.1 400 Bad Request\r\n\r\n"])) as ris:
        destination = Hl7Destination("to-ris", "127.0.0.1", ris.port, timeout_s=2.0)
        with pytest.raises(Transient, match="no MLLP frame, beginning with 'HTTP"):
            destination.send(documents["oru"])


def test_a_connection_that_was_closed_between_messages_is_opened_again(documents: dict[str, OutgoingDocument]) -> None:
    with ScriptedRis(answers("AA"), ScriptedRis.hang_up, answers("AA")) as ris:
        destination = Hl7Destination("to-ris", "127.0.0.1", ris.port, timeout_s=2.0)
        for _ in range(2):
            assert destination.send(documents["oru"]).words
        assert ris.connections == 2
