"""dciodvfy, dsrdump and PixelMed have nothing to say about our reports but what is known and explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from agent.demo.films import pydicom_data_file
from structured_report.content import Narrative, Outcome, PreRead, Presence, Region
from structured_report.sr import as_comprehensive_sr, encode_sr, file_bytes
from tests.support.reports import images, preread
from tests.support.validators import complaints

pytestmark = [pytest.mark.peers, pytest.mark.requirement("SR-1")]


@pytest.mark.parametrize(
    "form",
    [
        "comprehensive-3d", "comprehensive", "not-analysed", "abstained", "superseding", "rg1", "long", "one-region",
        "two-regions",
    ],
)  # fmt: skip
def test_a_report_is_valid(form: str, tmp_path: Path) -> None:
    evidence = images()
    value = preread(evidence)
    if form in ("not-analysed", "abstained"):
        value = preread(evidence, outcome=Outcome(form))
    if form == "superseding":
        value = preread(evidence, supersedes="2.25.42", remarks=("the image was compressed with loss",))
    if form == "rg1":
        evidence = [dcmread(pydicom_data_file("RG1_UNCR.dcm"), stop_before_pixels=True)]
        value = preread(evidence)
    if form == "long":
        value = preread(evidence, narrative=Narrative("≥ 2 findings\twith | ^ ~ \\ &\n" * 50, "", "x" * 40_000))
    if form.endswith(("region", "regions")):
        value = replace(value, regions=boxes(value, 1 if form == "one-region" else 2))
    report = encode_sr(value, evidence)
    if form == "comprehensive":
        report = as_comprehensive_sr(report)
    path = tmp_path / "sr.dcm"
    path.write_bytes(file_bytes(report))
    assert complaints(path) == []


def boxes(value: PreRead, count: int) -> tuple[Region, ...]:
    """Boxes of the first finding that is present."""
    finding = next(f for f in value.findings if f.presence is Presence.PRESENT)
    image = value.images[0].sop_instance_uid
    return tuple(
        Region(finding.concept, image, 10.0 + 50 * n, 20.0, 50.0 + 50 * n, 90.0, finding.laterality)
        for n in range(count)
    )


def test_the_validators_find_a_broken_report(tmp_path: Path) -> None:
    """They would pass for the wrong reason if they never complained."""
    evidence = images()
    report = encode_sr(preread(evidence), evidence)
    del report.ContentSequence[0].ConceptNameCodeSequence
    del report.PatientID
    path = tmp_path / "sr.dcm"
    path.write_bytes(file_bytes(report))
    assert complaints(path)
