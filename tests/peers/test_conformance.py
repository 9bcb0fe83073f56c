"""An integrator plans with the conformance statement: what it says is accepted, proposed and answered is negotiated here, by
pynetdicom and DCMTK, in both directions."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import UID, generate_uid
from pynetdicom import (
    AE,
    AllStoragePresentationContexts,
    BasicWorklistManagementPresentationContexts,
    ModalityPerformedPresentationContexts,
    QueryRetrievePresentationContexts,
    UnifiedProcedurePresentationContexts,
    build_context,
    build_role,
    evt,
)
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.presentation import PresentationContext

from agent.delivery.dicom_destination import BESIDE, DicomDestination
from agent.delivery.protocol import OutgoingDocument
from agent.intake.listen import node_contexts
from agent.papers.dicom import SWITCHES
from agent.settings import Settings
from dicom_nodes import contexts
from dicom_nodes.commitment import Reference, request
from dicom_nodes.contexts import (
    COMPUTED_RADIOGRAPHY,
    DX_FOR_PRESENTATION,
    STORAGE_COMMITMENT,
    VERIFICATION,
)
from dicom_nodes.deadline import Deadline
from dicom_nodes.query import find_studies
from dicom_nodes.retrieve import ImageAddress, get_image, move_image
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NodeError, echo
from dicom_nodes.worklist import find_steps
from structured_report.sr import encode_sr, file_bytes
from tests.support.films import small_image
from tests.support.node import Node, alone
from tests.support.reports import images, preread
from tests.support.site import PATIENCE_S

pytestmark = [pytest.mark.peers, pytest.mark.requirement("PAPERS-1"), pytest.mark.xdist_group("conformance")]
STATEMENT = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text("utf-8")
DX_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
# Every storage and service class that somebody might propose; those of the statement are among them.
KNOWN_TO_PYNETDICOM = (
    AllStoragePresentationContexts, QueryRetrievePresentationContexts, BasicWorklistManagementPresentationContexts,
    ModalityPerformedPresentationContexts, UnifiedProcedurePresentationContexts,
)  # fmt: skip
EVERYTHING = sorted(
    {str(c.abstract_syntax) for cs in KNOWN_TO_PYNETDICOM for c in cs} | {VERIFICATION, STORAGE_COMMITMENT}
)


def rows(block: str) -> list[list[str]]:
    """The cells of the table in that block of the statement, without its head."""
    found = re.search(rf"<!-- begin: {block} -->\n(.*?)<!-- end: {block} -->", STATEMENT, re.DOTALL)
    assert found, block
    lines = [line for line in found[1].splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in line.strip("| ").split(" | ")] for line in lines]


ALL_SYNTAXES = [uid for _, uid, _ in rows("transfer-syntaxes")]


def syntaxes(words: str) -> list[str]:
    """The UIDs of a cell of transfer syntaxes."""
    if words.endswith(("table below", "table above")):
        return ALL_SYNTAXES
    by_name = {UID(uid).name: uid for uid in ALL_SYNTAXES}
    return [by_name[name] for name in words.split(", ")]


def in_the_statement(*, upto: int) -> dict[str, list[str]]:
    """SOP class -> transfer syntaxes of what is accepted with the first so many switches."""
    switched = {words for words, _ in SWITCHES[: upto + 1]}
    return {uid: syntaxes(ts) for _, uid, ts, _, when in rows("accepted") if when in {w.strip("`") for w in switched}}


@contextmanager
def listening(tmp_path: Path, number: int) -> Iterator[Node]:
    """A node with the settings of that switch, and of those before it."""
    values: dict[str, Any] = {}
    for _, more in SWITCHES[: number + 1]:
        values |= more
    peers = [{**p, "host": "127.0.0.1", "may": ["send", "receive"]} for p in values.pop("peers", [])]
    intake = values.pop("intake", {})
    settings = Settings(peers=peers, intake=intake, **values)
    node = Node(tmp_path / str(number), peers=peers, contexts=node_contexts(settings), **values)
    try:
        yield node
    finally:
        node.stop()


def accepted_of(node: Node, calling: str, proposed: list[tuple[str, str]], *, scp_of: str = "") -> set[tuple[str, str]]:
    """What is accepted of (SOP class, transfer syntax), proposed one a context, in as many associations as it takes."""
    found = set()
    for start in range(0, len(proposed), 120):
        ae = AE(ae_title=calling)
        roles = [build_role(scp_of, scp_role=True)] if scp_of else []
        contexts_ = [build_context(a, t) for a, t in proposed[start : start + 120]]
        association = ae.associate("127.0.0.1", node.scp.port, contexts=contexts_, ae_title="PREREAD", ext_neg=roles)
        if association.is_established:
            found |= {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in association.accepted_contexts}
            association.release()
    return found


@pytest.mark.parametrize("number", range(len(SWITCHES)), ids=[w for w, _ in SWITCHES])
def test_exactly_the_contexts_of_the_table_are_accepted_and_no_others(number: int, tmp_path: Path) -> None:
    commits = number == len(SWITCHES) - 1
    with listening(tmp_path, number) as node:
        proposed = [(a, t) for a in EVERYTHING for t in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")]
        stated = in_the_statement(upto=number)
        assert set(stated) < set(EVERYTHING)
        proposed += [(a, t) for a in (*stated, DX_FOR_PROCESSING, CT) for t in (*ALL_SYNTAXES, "1.2.840.10008.1.2.2")]
        found = accepted_of(node, "P" if commits else "SENDER", list(dict.fromkeys(proposed)))
    assert found == {(a, t) for a, all_of in stated.items() for t in all_of}


def test_a_peer_that_may_not_send_and_is_not_asked_to_commit_gets_no_association(tmp_path: Path) -> None:
    with listening(tmp_path, 0) as node:
        association = AE(ae_title="MUTE").associate(
            "127.0.0.1", node.scp.port, [build_context(VERIFICATION)], "PREREAD"
        )
        assert association.is_rejected


def test_the_role_of_the_committing_peer_is_that_of_the_table(tmp_path: Path) -> None:
    (row,) = [r for r in rows("accepted") if r[1] == STORAGE_COMMITMENT]
    assert row[3] == "SCU, by role selection"
    with listening(tmp_path, len(SWITCHES) - 1) as node:
        ae = AE(ae_title="P")
        role = build_role(STORAGE_COMMITMENT, scp_role=True)
        association = ae.associate(
            "127.0.0.1", node.scp.port, [build_context(STORAGE_COMMITMENT)], "PREREAD", ext_neg=[role]
        )
        (context,) = association.accepted_contexts
        association.release()
        assert context.as_scp


def test_of_several_transfer_syntaxes_the_first_of_the_table_is_taken(tmp_path: Path) -> None:
    with listening(tmp_path, 0) as node:
        wanted = ["1.2.840.10008.1.2.2", *reversed(ALL_SYNTAXES)]
        association = AE(ae_title="SENDER").associate(
            "127.0.0.1", node.scp.port, [build_context(COMPUTED_RADIOGRAPHY, wanted)], "PREREAD"
        )
        assert [str(c.transfer_syntax[0]) for c in association.accepted_contexts] == ALL_SYNTAXES[:1]
        association.release()


def test_dcmtk_is_accepted_with_what_the_table_names_and_refused_with_the_rest(tmp_path: Path) -> None:
    """echoscu and storescu of DCMTK, which names every context of the answer in its debugging output."""
    with listening(tmp_path, 0) as node:
        for uid, accepted in ((DX_FOR_PRESENTATION, True), (DX_FOR_PROCESSING, False), (CT, False)):
            film = small_image(SOPClassUID=uid)
            film.file_meta.MediaStorageSOPClassUID = uid
            film.save_as(tmp_path / f"{uid}.dcm", enforce_file_format=True)
            done = subprocess.run(
                ["/usr/bin/storescu", "-d", "-R", "-aet", "SENDER", "-aec", "PREREAD", "127.0.0.1", str(node.scp.port),
                 str(tmp_path / f"{uid}.dcm")],
                capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            assert (done.returncode == 0) is accepted, done.stdout + done.stderr
        echoed = subprocess.run(
            ["/usr/bin/echoscu", "-aet", "SENDER", "-aec", "PREREAD", "127.0.0.1", str(node.scp.port)], check=False
        )
        assert echoed.returncode == 0


def stated_answers(service: str) -> set[int]:
    return {int(status, 16) for operation, status, _ in rows("answers") if operation == service}


def test_every_status_that_the_statement_names_is_answered_and_no_other(tmp_path: Path) -> None:
    """Each status, provoked."""
    seen: dict[str, set[int]] = {"C-STORE": set(), "C-ECHO": set(), "any other": set()}
    with listening(tmp_path, 0) as node:
        image = small_image()
        seen["C-STORE"].add(node.send_image(image)[0])
        seen["C-STORE"].add(node.send_image(image)[0])
        other = small_image(SOPInstanceUID=image.SOPInstanceUID, StudyInstanceUID=image.StudyInstanceUID)
        other.PixelData = bytes(len(other.PixelData))
        seen["C-STORE"].add(node.send_image(other)[0])
        seen["C-STORE"].add(node.send_image(small_image(), instance=generate_uid())[0])
        seen["C-STORE"].add(node.send(b"nothing", instance=generate_uid())[0])
        seen["C-STORE"].add(node.send_image(small_image(), sop_class=DX_FOR_PRESENTATION)[0])
        association = node.associate()
        seen["C-ECHO"].add(int(association.send_c_echo().Status))
        find = C_FIND()
        find.MessageID, find.Priority, find.AffectedSOPClassUID = 1, 2, UID(COMPUTED_RADIOGRAPHY)
        find.Identifier = BytesIO(b"\x08\x00\x52\x00CS\x00\x00")
        with alone(association):
            association.dimse.send_msg(find, association.accepted_contexts[0].context_id)
            _, answer = association.dimse.get_msg(block=True)
        association.release()
        assert answer is not None
        seen["any other"].add(int(answer.Status))
    full = Node(tmp_path / "full", reserve_gb=1e9)
    try:
        seen["C-STORE"].add(full.send_image(small_image())[0])
    finally:
        full.stop()
    for service, found in seen.items():
        assert found == stated_answers(service), service


def test_the_events_of_a_commitment_are_answered_as_stated(tmp_path: Path) -> None:
    with listening(tmp_path, len(SWITCHES) - 1) as node:
        ae = AE(ae_title="P")
        role = build_role(STORAGE_COMMITMENT, scp_role=True)
        association = ae.associate(
            "127.0.0.1", node.scp.port, [build_context(STORAGE_COMMITMENT)], "PREREAD", ext_neg=[role]
        )
        report = small_image()
        report.clear()
        report.TransactionUID = generate_uid()
        status, _ = association.send_n_event_report(report, 1, STORAGE_COMMITMENT, "1.2.840.10008.1.20.1.1")
        association.release()
        assert int(status.Status) in stated_answers("N-EVENT-REPORT") - {0}


class Witness:
    """A peer that writes down what is proposed to it, and accepts everything."""

    def __init__(self) -> None:
        self.proposed: list[PresentationContext] = []
        self.roles: dict[str, tuple[bool, bool]] = {}
        ae = AE(ae_title="WITNESS")
        for uid in EVERYTHING:
            ae.add_supported_context(uid, ALL_SYNTAXES, scu_role=True, scp_role=True)
        handlers = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_C_FIND, lambda _e: iter([(0x0000, None)])),
            (evt.EVT_C_GET, lambda _e: iter([0])),
            (evt.EVT_C_MOVE, lambda _e: iter([(None, None)])),
            (evt.EVT_C_STORE, lambda _e: 0x0000),
            (evt.EVT_N_ACTION, lambda _e: (0x0000, None)),
        ]
        self.server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.peer = Peer("w", "WITNESS", "127.0.0.1", int(self.server.server_address[1]), frozenset())

    def _requested(self, event: Any) -> None:
        self.proposed += event.assoc.requestor.requested_contexts
        self.roles |= {
            uid: (bool(r.scu_role), bool(r.scp_role)) for uid, r in event.assoc.requestor.role_selection.items()
        }


@pytest.fixture
def witness() -> Iterator[Witness]:
    made = Witness()
    yield made
    made.server.shutdown()


def deliver(kind: str, peer: Peer, folder: Path) -> None:
    """A document of that kind, by the destination that sends it."""
    evidence = images()
    document = encode_sr(preread(evidence), evidence)
    if kind in BESIDE:
        document.SOPClassUID = document.file_meta.MediaStorageSOPClassUID = BESIDE[kind][0]
    (folder / "document.dcm").write_bytes(file_bytes(document))
    outgoing = OutgoingDocument(kind, str(document.SOPInstanceUID), folder / "document.dcm", "1.2.3")
    DicomDestination("d", peer, own_ae_title="PREREAD", timeout_s=PATIENCE_S).send(outgoing)


ADDRESS = ImageAddress("1.2.3", "1.2.4", "1.2.5")
OPERATIONS: dict[str, Callable[[Peer, Path], object]] = {
    "Verification": lambda peer, _: echo(peer, own_ae_title="PREREAD", timeout_s=PATIENCE_S),
    "Storage of the report: the first that is accepted is sent": partial(deliver, "sr"),
    **{f"Storage of a {name} beside the report": partial(deliver, kind) for kind, (_, name, _) in BESIDE.items()},
    "Request of a storage commitment": lambda peer, _: request(
        peer, [Reference("1.2", "1.3")], "1.4", own_ae_title="PREREAD", timeout_s=PATIENCE_S
    ),
    "Search for earlier films, or for what is missing": lambda peer, _: find_studies(
        peer, "P", ("20260101", "20260102"), own_ae_title="PREREAD", deadline=Deadline(PATIENCE_S)
    ),
    "Retrieval by C-GET, each transfer syntax in a context of its own": lambda peer, folder: get_image(
        peer, ADDRESS, folder / "x", own_ae_title="PREREAD", deadline=Deadline(PATIENCE_S), secondary_capture=True
    ),
    "Retrieval by C-MOVE": lambda peer, _: move_image(
        peer, ADDRESS, own_ae_title="PREREAD", deadline=Deadline(PATIENCE_S)
    ),
    "Modality worklist": lambda peer, _: find_steps(
        peer, accession_number="A", own_ae_title="PREREAD", deadline=Deadline(PATIENCE_S)
    ),
}


def test_every_row_of_what_is_proposed_is_tried_here() -> None:
    assert set(OPERATIONS) == {what for what, *_ in rows("proposed")}


@pytest.mark.parametrize("what", OPERATIONS)
def test_what_is_proposed_is_what_the_table_says(what: str, witness: Witness, tmp_path: Path) -> None:
    try:
        OPERATIONS[what](witness.peer, tmp_path)
    except NodeError:
        pass  # the witness has nothing; what was proposed to it is the question
    stated = {(uid, t) for w, _, uid, ts, _, _ in rows("proposed") if w == what for t in syntaxes(ts)}
    assert {(str(c.abstract_syntax), str(t)) for c in witness.proposed for t in c.transfer_syntax} == stated
    if what.startswith("Retrieval by C-GET"):
        assert all(
            len(c.transfer_syntax) == 1 for c in witness.proposed if c.abstract_syntax != contexts.STUDY_ROOT_GET
        )
        assert set(witness.roles) == set(contexts.image_classes(secondary_capture=True))
        assert all(scp for _, scp in witness.roles.values())
    else:
        assert witness.roles == {}
