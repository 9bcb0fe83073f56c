"""A report goes into a foreign DICOMweb archive, once, however often it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from agent.delivery.protocol import OutgoingDocument
from agent.delivery.stow_destination import StowDestination
from agent.delivery.web import WebPlace
from agent.errors import Permanent, Transient
from agent.in_words import english
from structured_report.read_sr import read_narrative
from structured_report.sr import encode_sr, file_bytes
from tests.support.peers import Orthanc
from tests.support.reports import images, preread
from tests.support.site import PATIENCE_S

pytestmark = [
    pytest.mark.peers, pytest.mark.requirement("STOW-1"), pytest.mark.xdist_group("stow"),
]  # fmt: skip
PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
EVIDENCE = images()
VALUE = preread(EVIDENCE)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    folder = tmp_path_factory.mktemp("orthanc") / "pacs"
    with Orthanc(folder, Plugins=[PLUGIN]) as pacs:
        yield pacs


@pytest.fixture
def report(tmp_path: Path) -> OutgoingDocument:
    file = tmp_path / "sr.dcm"
    file.write_bytes(file_bytes(encode_sr(VALUE, EVIDENCE)))
    return OutgoingDocument("sr", VALUE.sr_instance_uid, file, VALUE.study.study_instance_uid)


def test_orthanc_has_the_report_once_and_word_for_word(orthanc: Orthanc, report: OutgoingDocument) -> None:
    destination = StowDestination(WebPlace("to-archive", f"http://127.0.0.1:{orthanc._http}/dicom-web", PATIENCE_S))
    assert english(*destination.probe().said)
    for _ in range(3):
        assert destination.send(report).words.startswith("HTTP 200")
    (instance,) = orthanc.instances()
    kept = dcmread(BytesIO(orthanc.file(instance)))
    assert kept == dcmread(report.path)
    assert read_narrative(kept) == VALUE.narrative


def test_what_is_no_dicom_is_refused_for_good(orthanc: Orthanc, tmp_path: Path) -> None:
    from dicom_nodes import stow

    place = WebPlace("to-archive", f"http://127.0.0.1:{orthanc._http}/dicom-web", PATIENCE_S)
    with place.service() as service:
        answer = stow.store(service, b"no DICOM at all", "2.25.1", deadline=place.deadline())
    assert not answer.accepted


def test_a_wrong_path_and_an_archive_that_is_gone_are_told_apart(orthanc: Orthanc, report: OutgoingDocument) -> None:
    url = f"http://127.0.0.1:{orthanc._http}/not-dicom-web"
    with pytest.raises(Permanent, match="404"):
        StowDestination(WebPlace("to-archive", url, PATIENCE_S)).send(report)
    orthanc.process.send_signal(19)  # as a machine that hangs
    try:
        with pytest.raises(Transient, match="in time"):
            StowDestination(WebPlace("to-archive", f"http://127.0.0.1:{orthanc._http}/dicom-web", 0.5)).send(report)
    finally:
        orthanc.process.send_signal(18)
