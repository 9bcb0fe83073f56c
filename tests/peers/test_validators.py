"""dciodvfy, dsrdump and PixelMed have nothing to say about our reports but what is known and explained."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom import Dataset, dcmread

from agent.demo.films import pydicom_data_file
from structured_report.content import Narrative, Outcome, PreRead, Presence, Region
from structured_report.sr import as_comprehensive_sr, encode_sr, file_bytes
from tests.support.reports import images, preread
from tests.support.validators import complaints

# One process, and with it one start of PixelMed, for all of them.
pytestmark = [pytest.mark.peers, pytest.mark.requirement("SR-1"), pytest.mark.xdist_group("validators")]

FORMS = (
    "comprehensive-3d", "comprehensive", "not-analysed", "abstained", "superseding", "rg1", "long", "one-region",
    "two-regions",
)  # fmt: skip
BROKEN = "broken"


def report_of(form: str) -> Dataset:
    """A report of that form."""
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
    if form == BROKEN:
        del report.ContentSequence[0].ConceptNameCodeSequence
        del report.PatientID
    return report


def boxes(value: PreRead, count: int) -> tuple[Region, ...]:
    """Boxes of the first finding that is present."""
    finding = next(f for f in value.findings if f.presence is Presence.PRESENT)
    image = value.images[0].sop_instance_uid
    return tuple(
        Region(finding.concept, image, 10.0 + 50 * n, 20.0, 50.0 + 50 * n, 90.0, finding.laterality)
        for n in range(count)
    )


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the validators say about each form."""
    folder = tmp_path_factory.mktemp("reports")
    paths = {form: folder / f"{form}.dcm" for form in (*FORMS, BROKEN)}
    for form, path in paths.items():
        path.write_bytes(file_bytes(report_of(form)))
    found = complaints(list(paths.values()))
    return {form: found[path] for form, path in paths.items()}


@pytest.mark.parametrize("form", FORMS)
def test_a_report_is_valid(form: str, said: dict[str, list[str]]) -> None:
    assert said[form] == []


def test_the_validators_find_a_broken_report(said: dict[str, list[str]]) -> None:
    """They would pass for the wrong reason if they never complained."""
    assert said[BROKEN]
