"""Whatever a PACS answers, the report counts as delivered when the PACS has it, and not when it has not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.delivery.dicom_destination import DicomDestination
from agent.delivery.protocol import OutgoingDocument
from agent.errors import Permanent, PrereadError
from dicom_nodes.contexts import COMPREHENSIVE_3D_SR
from dicom_nodes.roles import Peer
from tests.faults.inflict import STATUSES
from tests.support.films import save, small_image
from tests.support.moody_peers import MoodyPacs, has_it


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[MoodyPacs]:
    with MoodyPacs(tmp_path / "pacs", ae_title="PACS") as peer:
        yield peer


def outcome(pacs: MoodyPacs, document: OutgoingDocument) -> str:
    peer = Peer("pacs", "PACS", "127.0.0.1", pacs.port, frozenset({"receive"}))
    destination = DicomDestination("to-pacs", peer, own_ae_title="PREREAD", timeout_s=5.0)
    try:
        destination.send(document)
    except PrereadError as error:
        return "parked" if isinstance(error, Permanent) else "tried again"
    return "delivered"


def test_a_report_counts_as_delivered_when_the_pacs_has_it_and_only_then(pacs: MoodyPacs, tmp_path: Path) -> None:
    told = {}
    for status in STATUSES:
        report = small_image(SOPClassUID=COMPREHENSIVE_3D_SR)
        report.file_meta.MediaStorageSOPClassUID = COMPREHENSIVE_3D_SR
        path = save(report, tmp_path / f"{status:04X}.dcm")
        pacs.answers.say([status])
        document = OutgoingDocument("sr", report.SOPInstanceUID, path, report.StudyInstanceUID)
        told[status] = outcome(pacs, document)
        kept = (tmp_path / "pacs" / f"{report.SOPInstanceUID}.dcm").is_file()
        assert kept == has_it(status)
    wrong = {f"{s:04X}": what for s, what in told.items() if (what == "delivered") != has_it(s)}
    assert wrong == {}
    again = {s for s, what in told.items() if what == "tried again"}
    assert again == {s for s in STATUSES if s & 0xFF00 == 0xA700} | {0x0110}, (
        "what passes is tried again, the rest is parked"
    )
