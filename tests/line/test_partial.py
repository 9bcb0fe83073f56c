"""A report that rests on fewer views than the study has says so."""

from __future__ import annotations

import pytest
from pydicom import Dataset, dcmread

from agent.commissioning.films import make_study
from agent.store import overview
from structured_report.read_sr import read_sr
from tests.support.stages import Line

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("flag")]


@pytest.mark.parametrize("broken", ["", "lateral", "newer frontal"])
def test_a_view_that_could_not_be_read_makes_the_report_partial(line: Line, broken: str) -> None:
    """PS3.3 Table C.17-2. An image that another of its view stands in for is not missed."""
    frontal, lateral = make_study("left-effusion", seed=3, patient_id="P3", accession="ACC3")
    images = [frontal, lateral]
    if broken == "newer frontal":
        images.append(_blank(_later(frontal)))
    elif broken:
        _blank(lateral)
    line.send(*images)
    line.do("assemble", "flag", "read", "report")
    study = line.study()
    assert study.state == "read"
    with line.node.ledger.read() as view:
        (path,) = [d["path"] for d in overview.documents(view, study.study_instance_uid) if d["kind"] == "sr"]
    report = dcmread(line.node.files.path(path))
    assert report.CompletionFlag == ("PARTIAL" if broken == "lateral" else "COMPLETE")
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    said = read_sr(report)
    assert said.partial == (broken == "lateral")
    not_read = [i for i in said.images if not i.used]
    assert len(not_read) == bool(broken)
    assert all("image cannot be read" in i.explanation for i in not_read)


def _blank(image: Dataset) -> Dataset:
    image.PixelData = bytes(len(image.PixelData))
    return image


def _later(image: Dataset) -> Dataset:
    again = make_study("left-effusion", seed=3, patient_id="P3", accession="ACC3")[0]
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = f"{image.SOPInstanceUID}.2"
    again.AcquisitionTime = again.ContentTime = "235959"
    return again
