"""A report that an archive's validator refuses is a report nobody gets: dciodvfy, dsrdump and PixelMed on reports of every kind.

PixelMed takes seconds, so each report here stands for several rows of the matrix at once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from structured_report.content import (
    Finding,
    Laterality,
    Narrative,
    Outcome,
    Patient,
    Presence,
    PriorStudy,
    Probability,
    Region,
    Severity,
)
from structured_report.sr import encode_sr, file_bytes
from tests.support.reports import images, preread
from tests.support.validators import complaints

pytestmark = [pytest.mark.peers, pytest.mark.requirement("SR-1")]
LONG = "".join(chr(c) for c in (*range(0x20, 0x3000), *range(0x1F300, 0x1F600)) if chr(c).isprintable()) * 6
PRIOR = PriorStudy("2.25.51", "20250102", "1.2.840.10008.5.1.4.1.1.1", "2.25.52", "2.25.53")


@pytest.mark.parametrize("kind", ["withdrawn-one-view-poor-header", "many-findings-with-prior-and-predecessor"])
def test_a_report_of_every_kind_is_valid(kind: str, tmp_path: Path) -> None:
    evidence = images()
    value = preread(evidence, supersedes="2.25.42")
    if kind.startswith("withdrawn"):
        evidence = evidence[:1]
        for keyword in (
            "PatientBirthDate",
            "PatientSex",
            "AccessionNumber",
            "StudyID",
            "StudyTime",
            "PatientOrientation",
        ):
            delattr(evidence[0], keyword)
        value = preread(evidence, supersedes="2.25.42", patient=Patient("P1", "", "Nobody", "19990229", "U"))
        value = replace(value, outcome=Outcome.WITHDRAWN, explanation="It was another patient.")
        value = replace(value, study=replace(value.study, study_date="20260231", study_time="noon"))
    else:
        image = str(evidence[0].SOPInstanceUID)
        effusion = Finding(
            "pleural_effusion", Presence.PRESENT, Laterality.BILATERAL, "Both.", Severity.MODERATE, "basal"
        )
        value = replace(
            value,
            findings=(effusion, Finding("cardiomegaly", Presence.ABSENT)),
            checked=(Finding("pneumothorax", Presence.ABSENT), Finding("nodule", Presence.UNDETERMINED)),
            regions=tuple(
                Region("pleural_effusion", image, x, 500, x + 90, 700, side)
                for x, side in ((100, Laterality.RIGHT), (600, Laterality.LEFT))
            ),
            probabilities=(Probability("pneumothorax", 0.02), Probability("pleural_effusion", 0.97, "site-2026")),
            narrative=Narrative("Both.", "Effusions.", LONG, "Larger than before."),
            prior=PRIOR,
        )
        assert len(LONG) > 60_000
    path = tmp_path / "sr.dcm"
    path.write_bytes(file_bytes(encode_sr(value, evidence)))
    # Warnings that are true of what the images say, which a report copies unaltered: no date, a name of one component.
    poor = ("needed to build DICOMDIR", "Retired Person Name form") if kind.startswith("withdrawn") else ()
    said = complaints(path)
    assert [line for line in said if not (line.startswith("Warning") and any(p in line for p in poor))] == []
