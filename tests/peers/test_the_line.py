"""The whole line between real peers: DCMTK's storescu sends, Orthanc is the PACS, the `hl7` package is the RIS."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_nodes.contexts import COMPREHENSIVE_3D_SR, TRANSFER_SYNTAXES
from structured_report.read_sr import read_narrative
from tests.support.films import HTJ2K, rg1
from tests.support.peers import Orthanc, Ris, storescu, text_of
from tests.support.site import SENDER, Site

pytestmark = [
    pytest.mark.peers,
    pytest.mark.model,
    pytest.mark.xdist_group("line"),
    pytest.mark.requirement("LINE-1"),
]


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with Orthanc(tmp_path_factory.mktemp("orthanc") / "pacs") as made:
        yield made


@pytest.fixture(scope="module")
def ris() -> Iterator[Ris]:
    with Ris() as made:
        yield made


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, pacs: Orthanc, ris: Ris) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("line") / "site")
    site.set("model", weights=str(checkpoint), quantization="nf4", device="cpu", commissioning_on_patients=True)
    site.peer("pacs", pacs.ae_title, pacs.port, ["send", "receive"])
    site.destination(name="to-pacs", type="dicom", peer="pacs")
    site.destination(
        name="to-ris",
        type="hl7",
        host="127.0.0.1",
        port=ris.port,
        receiving_application="RIS",
        receiving_facility="HOSPITAL",
    )
    site.serve()
    yield site
    site.stop()


def test_a_chest_film_in_any_transfer_syntax_becomes_an_sr_in_the_pacs_and_an_acknowledged_oru(
    line: Site, pacs: Orthanc, ris: Ris, tmp_path: Path
) -> None:
    films = {}
    for syntax in TRANSFER_SYNTAXES:
        film = rg1(tmp_path, syntax.uid)
        header = dcmread(film, stop_before_pixels=True)
        films[str(header.StudyInstanceUID)] = str(header.AccessionNumber)
        if syntax.uid in HTJ2K:  # DCMTK 3.6.7 does not know these
            sent = line.run("send", "--as", SENDER, str(film))
        else:
            sent = storescu(
                line.port, [film], calling=SENDER, called="PREREAD", transfer_syntax=syntax.uid, folder=tmp_path
            )
        assert sent.returncode == 0, f"{syntax.name}: {sent.stdout}{sent.stderr}"
    studies = line.wait_delivered(len(films), 2)
    assert {s["study_instance_uid"] for s in studies} == set(films)
    assert {s["state"] for s in studies} <= {"read", "abstained"}

    reports = [dcmread(BytesIO(pacs.file(i))) for i in pacs.instances()]
    assert {str(r.StudyInstanceUID) for r in reports} == set(films), (
        "every study has its SR in Orthanc, and nothing else is there"
    )
    assert len(reports) == len(films)
    messages = {str(m.segment("OBR")[18]): m for m in ris.messages}
    assert set(messages) == set(films.values())
    assert len(ris.messages) == len(films)
    for report in reports:
        assert report.SOPClassUID == COMPREHENSIVE_3D_SR
        assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
        shown = line.json("show", str(report.StudyInstanceUID))
        message = messages[films[str(report.StudyInstanceUID)]]
        assert str(message.segment("OBR")[25]) == "R"
        trace = read_narrative(report).reasoning
        assert trace
        assert [trace] == text_of(message, "REASONING"), "the trace in the SR and in the ORU is the same text"
        assert trace == shown["reading"]["reasoning"], "and so it is in `preread show`"
        assert trace in line.run("show", str(report.StudyInstanceUID)).stdout
