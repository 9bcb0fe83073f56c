"""What a sender gets back, and what becomes of the bytes (PS3.4 Table B.2-1): nothing is lost, nothing is taken that should not be."""

from __future__ import annotations

import copy
import hashlib
import socket
import sqlite3
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, generate_uid
from pynetdicom.dimse_primitives import C_STORE

from agent.audit.trail import Trail
from agent.clock import SystemClock
from agent.imaging.headers import locate_data_set
from agent.keeping.forget import Forgetter
from agent.settings import Keeping
from agent.store import doomed, overview, retention
from dicom_nodes import scp, scu
from dicom_nodes.contexts import COMPUTED_RADIOGRAPHY, DEFLATED, VERIFICATION
from dicom_nodes.roles import Peer
from tests.support.films import rg1, save, small_image
from tests.support.node import Node, alone, encoded
from tests.support.site import PATIENCE_S, until

CT = "1.2.840.10008.5.1.4.1.1.2"
MPEG2 = "1.2.840.10008.1.2.4.100"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path / "node")
    yield made
    made.stop()


def test_success_means_the_very_bytes_are_on_disk_and_in_the_ledger(node: Node) -> None:
    image = small_image()
    data_set = encoded(image)
    assert node.send(data_set, instance=image.SOPInstanceUID) == (0x0000, "")
    (kept,) = node.images(image.StudyInstanceUID)
    content = node.files.path(kept.path).read_bytes()
    assert content[kept.data_set_offset :] == data_set
    assert kept.digest == hashlib.sha256(data_set).hexdigest()
    assert dcmread(node.files.path(kept.path)).PixelData == image.PixelData
    assert not list(node.files.incoming.iterdir())


def test_an_echo_is_answered(node: Node) -> None:
    association = node.associate()
    assert association.send_c_echo().Status == 0x0000
    association.release()


@pytest.mark.parametrize(
    ("calling", "called", "reason"),
    [
        ("SENDER", "WRONG", "called-ae-title-not-recognised"),
        ("STRANGER", "PREREAD", "calling-ae-title-not-recognised"),
        ("ELSEWHERE", "PREREAD", "calling-address-not-recognised"),
        ("MUTE", "PREREAD", "peer-may-not-send"),
    ],
)
def test_a_stranger_is_rejected_and_the_administrator_sees_why(
    node: Node, calling: str, called: str, reason: str
) -> None:
    association = node.associate(calling=calling, called=called)
    assert association.is_rejected
    assert association.acceptor.primitive.result_source == 1
    (refusal,) = node.refusals()
    assert (refusal["what"], refusal["reason"], refusal["calling_ae_title"]) == ("association", reason, calling)


def test_a_sop_class_that_is_not_ours_gets_no_presentation_context(node: Node) -> None:
    association = node.associate(sop_class=CT)
    assert [str(c.abstract_syntax) for c in association.accepted_contexts] == [VERIFICATION]
    association.release()


def test_what_a_peer_proposes_in_vain_is_seen_once_a_day(node: Node) -> None:
    for sop_class, syntax in (
        (CT, ExplicitVRLittleEndian),
        (CT, ExplicitVRLittleEndian),
        (COMPUTED_RADIOGRAPHY, MPEG2),
    ):
        node.associate(sop_class=sop_class, syntax=syntax).release()
    first, second = sorted(node.refusals(), key=lambda r: int(r["id"]))
    assert (first["what"], first["calling_ae_title"]) == ("contexts", "SENDER")
    assert "CT Image Storage (not this SOP class)" in first["comment"]
    assert "Computed Radiography Image Storage (none of its transfer syntaxes)" in second["comment"]


def test_a_request_that_cannot_be_read_is_seen(node: Node) -> None:
    """Something speaks HTTP, or TLS, to the DICOM port: the administrator should not have to guess."""
    with socket.create_connection(("127.0.0.1", node.scp.port), timeout=PATIENCE_S) as line:
        line.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while line.recv(100):
            pass
    (refusal,) = node.refusals()
    assert (refusal["reason"], refusal["address"]) == ("malformed-request", "127.0.0.1")


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"StudyInstanceUID": None}, 0xC000, "uid-missing"),
        ({"SeriesInstanceUID": None}, 0xC000, "uid-missing"),
        ({"SOPInstanceUID": None}, 0xC000, "uid-missing"),
        ({"StudyInstanceUID": "1." + "2" * 63}, 0xC000, "uid-too-long"),
        ({"SOPInstanceUID": "1.2.840." + "9" * 57}, 0xC000, "uid-too-long"),
        ({"StudyInstanceUID": "1.2.03"}, 0xC000, "uid-invalid"),
        ({"StudyInstanceUID": "../../etc"}, 0xC000, "uid-invalid"),
        ({"SOPClassUID": CT}, 0xA900, "sop-class-differs"),
        ({"PixelData": None}, 0xC000, "truncated"),
        ({"Rows": 5000}, 0xC000, "truncated"),
    ],
)
def test_a_data_set_that_cannot_be_trusted_is_refused_and_quarantined(
    node: Node, changes: dict[str, object], status: int, reason: str
) -> None:
    image = small_image(**changes)
    data_set = encoded(image)
    announced = str(image.get("SOPInstanceUID", "1.2.3"))
    answer, comment = node.send(data_set, instance=announced if len(announced) <= 64 else "1.2.3")
    assert (answer, comment != "") == (status, True)
    assert len(comment) <= 64
    (refusal,) = node.refusals()
    assert (refusal["reason"], refusal["status"]) == (reason, f"{status:04X}")
    assert node.files.path(refusal["path"]).read_bytes().endswith(data_set), "what is refused is kept"
    assert not list((node.settings.storage.root / "images").rglob("*.dcm"))


def let_go(node: Node, path: str) -> None:
    """As when its study is finished and old; the file itself is still to be deleted."""
    now = SystemClock().now()
    with node.ledger.begin() as tx:
        retention.forget_file(tx, path, now=now)
        doomed.doom(tx, [path], now=now)


def delete_what_was_let_go(node: Node) -> None:
    assert Forgetter(node.ledger, node.files, SystemClock(), Keeping(), Trail("PREREAD")).delete_doomed()


def test_a_film_that_was_let_go_and_is_sent_again_before_it_is_deleted_stays(node: Node) -> None:
    image = small_image()
    assert node.send_image(image)[0] == 0x0000
    (kept,) = node.images(image.StudyInstanceUID)
    let_go(node, kept.path)
    assert node.send_image(image)[0] == 0x0000
    delete_what_was_let_go(node)
    assert node.files.path(kept.path).is_file(), "it was answered Success"


def test_a_film_that_is_back_stays_though_its_deletion_was_never_written_down(node: Node) -> None:
    """The process that deleted it was killed before it could."""
    image = small_image()
    node.send_image(image)
    (kept,) = node.images(image.StudyInstanceUID)
    let_go(node, kept.path)
    node.files.path(kept.path).unlink()
    assert node.send_image(image)[0] == 0x0000
    delete_what_was_let_go(node)
    assert node.files.path(kept.path).is_file(), "it was answered Success"


@pytest.mark.parametrize("how", ["let go", "lost"])
def test_a_film_that_is_gone_takes_its_place_though_the_archive_has_changed_its_header(node: Node, how: str) -> None:
    image = small_image()
    node.send_image(image)
    (kept,) = node.images(image.StudyInstanceUID)
    if how == "let go":
        let_go(node, kept.path)
        delete_what_was_let_go(node)
    else:
        node.files.path(kept.path).unlink()
    image.InstitutionName = "As the archive writes it"
    assert node.send_image(image) == (0x0000, "")
    newest = node.images(image.StudyInstanceUID)[-1]
    assert newest.path != kept.path
    assert node.files.path(newest.path).is_file()


def test_an_instance_uid_that_differs_between_command_and_data_set_is_refused(node: Node) -> None:
    assert node.send_image(small_image(), instance="1.2.3.4.5")[0] == 0xA900


@pytest.mark.parametrize(
    "data_set", [b"", b"garbage that is not DICOM at all", b"\0" * 5000, Random(1).randbytes(4096)]
)
def test_garbage_is_refused_and_quarantined(node: Node, data_set: bytes) -> None:
    assert node.send(data_set, instance="1.2.3")[0] == 0xC000
    (refusal,) = node.refusals()
    assert node.files.path(refusal["path"]).read_bytes().endswith(data_set)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(share=st.floats(0, 0.9999))
def test_a_data_set_cut_anywhere_never_gets_success(node: Node, share: float) -> None:
    image = small_image()
    data_set = encoded(image)
    assert node.send(data_set[: int(len(data_set) * share)], instance=image.SOPInstanceUID)[0] == 0xC000
    assert node.images(image.StudyInstanceUID) == ()


@pytest.mark.parametrize("cut", [1, 8, 9, 5000, 4_000_000])
def test_an_encapsulated_data_set_cut_anywhere_never_gets_success(node: Node, tmp_path: Path, cut: int) -> None:
    film = rg1(tmp_path, JPEG2000Lossless)
    header = dcmread(film, stop_before_pixels=True)
    content = film.read_bytes()
    data_set = content[locate_data_set(film).offset :]
    assert node.send(data_set[:-cut], instance=header.SOPInstanceUID, syntax=JPEG2000Lossless)[0] == 0xC000
    assert node.send(data_set, instance=header.SOPInstanceUID, syntax=JPEG2000Lossless)[0] == 0x0000


def test_the_same_bytes_again_are_no_new_work(node: Node) -> None:
    image = small_image()
    assert node.send_image(image)[0] == 0x0000
    assert node.send_image(image)[0] == 0x0000
    assert len(node.images(image.StudyInstanceUID)) == 1
    assert len(list((node.settings.storage.root / "images").rglob("*.dcm"))) == 1


def test_other_pixels_under_the_same_uid_never_replace_the_first(node: Node) -> None:
    image = small_image()
    node.send_image(image)
    other = copy.deepcopy(image)
    other.PixelData = bytes(reversed(image.PixelData))
    assert node.send_image(other)[0] == 0x0111
    (kept,) = node.images(image.StudyInstanceUID)
    assert dcmread(node.files.path(kept.path)).PixelData == image.PixelData
    assert node.refusals()[0]["path"]


def test_a_corrected_header_is_kept_as_a_second_version(node: Node) -> None:
    image = small_image()
    node.send_image(image)
    image.AccessionNumber = "CORRECTED"
    assert node.send_image(image)[0] == 0x0000
    (kept,) = node.images(image.StudyInstanceUID)
    assert kept.version == 2
    assert "CORRECTED" in kept.facts


def test_the_disk_reserve_is_never_touched(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", reserve_gb=1e6)
    try:
        status, comment = node.send_image(small_image())
        assert (status, "send again" in comment) == (0xA700, True)
        assert node.refusals()[0]["reason"] == "disk-reserve"
        assert not list(node.files.incoming.iterdir())
    finally:
        node.stop()


def test_one_association_too_many_is_rejected_for_now_and_others_are_served(tmp_path: Path) -> None:
    other = {"name": "other", "ae_title": "OTHER", "host": "127.0.0.1", "may": ["send"]}
    node = Node(tmp_path / "node", max_associations=2, peers=[other])
    try:
        held = [node.associate(), node.associate(calling="OTHER")]
        third = node.associate()
        assert third.is_rejected
        assert third.acceptor.primitive.result == 2, "transient: come again"
        held[0].release()
        again = node.associate()
        assert again.is_established
        for association in (held[1], again):
            association.release()
    finally:
        node.stop()


def test_who_has_been_released_may_come_again_at_once_whatever_is_still_to_be_written_down(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", max_associations=1)
    try:
        association = node.associate()
        assert association.send_c_store(small_image()).Status == 0x0000
        with closing(sqlite3.connect(node.settings.storage.root / "preread.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # so that the end of the association cannot be
            association.release()
            again = node.associate()
            assert again.is_established
            other.execute("ROLLBACK")
        again.release()
    finally:
        node.stop()


def test_silent_connections_stop_nobody(node: Node) -> None:
    silent = [socket.create_connection(("127.0.0.1", node.scp.port)) for _ in range(20)]
    assert node.send_image(small_image())[0] == 0x0000
    for connection in silent:
        connection.close()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(noise=st.binary(max_size=300), kind=st.sampled_from([0, 1, 4, 5, 7, 9]))
def test_noise_on_the_wire_never_takes_the_node_down(node: Node, noise: bytes, kind: int) -> None:
    with socket.create_connection(("127.0.0.1", node.scp.port)) as connection:
        connection.sendall(struct.pack(">BxI", kind, len(noise)) + noise)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(PATIENCE_S)
        while connection.recv(4096):
            pass
    association = node.associate()
    assert association.send_c_echo().Status == 0x0000
    association.release()


def test_a_sender_that_dies_in_the_middle_leaves_nothing_behind(node: Node) -> None:
    association = node.associate()
    image = small_image(2000, 2000)
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = COMPUTED_RADIOGRAPHY, image.SOPInstanceUID
    request.DataSet = BytesIO(encoded(image)[:500_000])
    original = association.dul.send_pdu

    def without_last(pdu: Any) -> None:
        values = getattr(pdu, "presentation_data_value_list", None)
        if values is None or values[-1][1][:1] != b"\x02":
            original(pdu)

    association.dul.send_pdu = without_last
    with alone(association):
        association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    association.abort()
    assert node.send_image(small_image())[0] == 0x0000
    assert node.images(image.StudyInstanceUID) == ()
    node.scp.stop(2.0)
    assert not list(node.files.incoming.iterdir())


def test_two_senders_of_the_same_image_at_once_make_one_image(node: Node) -> None:
    image = small_image(400, 400)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(node.send_image(image)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [0x0000] * 4
    assert len(node.images(image.StudyInstanceUID)) == 1


def test_a_file_that_is_sent_by_our_own_scu_arrives_unchanged(node: Node, tmp_path: Path) -> None:
    films = [save(small_image(SOPInstanceUID=generate_uid()), tmp_path / f"{n}.dcm") for n in range(3)]
    peer = Peer("node", "PREREAD", "127.0.0.1", node.scp.port, frozenset())
    results = scu.store(peer, films, own_ae_title="SENDER", timeout_s=PATIENCE_S)
    assert all(r.accepted for r in results)


def test_a_correction_that_is_taken_back_counts(node: Node) -> None:
    """A merge that is undone in the PACS would otherwise leave the wrong patient for ever."""
    image = small_image(PatientID="RIGHT")
    for patient in ("RIGHT", "WRONG", "RIGHT"):
        image.PatientID = patient
        assert node.send_image(image)[0] == 0x0000
    (kept,) = node.images(image.StudyInstanceUID)
    assert kept.version == 3
    assert '"patient_id": "RIGHT"' in kept.facts


@pytest.mark.parametrize("second", [ImplicitVRLittleEndian, DEFLATED, JPEG2000Lossless])
def test_the_same_image_in_another_transfer_syntax_is_the_same_image(node: Node, second: str) -> None:
    image = small_image()
    assert node.send_image(image)[0] == 0x0000
    image.AccessionNumber = "CORRECTED"
    again = copy.deepcopy(image)
    if second == JPEG2000Lossless:
        again.compress(JPEG2000Lossless, generate_instance_uid=False)
        data_set = encoded(again)
    elif second == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data_set = deflater.compress(encoded(again)) + deflater.flush()
    else:
        data_set = encoded(again, implicit=True)
    assert node.send(data_set, instance=image.SOPInstanceUID, syntax=second)[0] == 0x0000
    (kept,) = node.images(image.StudyInstanceUID)
    assert (kept.version, "CORRECTED" in kept.facts) == (2, True)


@pytest.mark.parametrize("harm", ["lost", "damaged"])
def test_an_image_whose_file_was_lost_is_mended_by_sending_it_again(node: Node, harm: str) -> None:
    image = small_image()
    assert node.send_image(image)[0] == 0x0000
    (kept,) = node.images(image.StudyInstanceUID)
    path = node.files.path(kept.path)
    path.unlink() if harm == "lost" else path.write_bytes(path.read_bytes()[:-100] + bytes(100))
    assert node.send_image(image)[0] == 0x0000
    node.files.verified(kept.path, offset=kept.data_set_offset, digest=kept.digest)


def test_two_senders_of_different_images_under_one_uid_leave_one_image_and_one_refusal(node: Node) -> None:
    images = [small_image(400, 400, SOPInstanceUID="1.2.3.4") for _ in range(2)]
    images[1].PixelData = bytes(len(images[1].PixelData))
    answers: list[int] = []
    threads = [threading.Thread(target=lambda i=i: answers.append(node.send_image(i)[0])) for i in images]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [0x0000, 0x0111]
    (refusal,) = node.refusals()
    assert node.files.path(refusal["path"]).is_file(), "the bytes that were refused are kept"
    with node.ledger.read() as view:
        assert len(overview.studies(view)) == 1, "no study without an image"


def test_a_sender_that_repeats_what_is_refused_does_not_fill_the_disk(node: Node) -> None:
    image = small_image(SeriesInstanceUID=None)
    for _ in range(3):
        assert node.send_image(image)[0] == 0xC000
    assert len(node.refusals()) == 3
    assert len(list((node.files.root / "quarantine").iterdir())) == 1


def test_a_deflate_bomb_is_refused_without_being_kept_in_memory_or_on_disk(node: Node) -> None:
    deflater = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    image = small_image()
    data_set = encoded(image)
    bomb = (
        deflater.compress(data_set) + b"".join(deflater.compress(bytes(1 << 24)) for _ in range(40)) + deflater.flush()
    )
    status, comment = node.send(bomb, instance=image.SOPInstanceUID, syntax=DEFLATED)
    assert (status, "larger than any radiograph" in comment) == (0xC000, True)


def test_a_caller_that_drips_bytes_does_not_keep_its_place(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scp, "REQUEST_TIMEOUT_S", 1.0)
    with socket.create_connection(("127.0.0.1", node.scp.port)) as connection:
        connection.settimeout(0.2)

        def is_over() -> bool:
            try:
                connection.sendall(b"\x01")
                return connection.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        until(is_over, what="the connection is closed")
