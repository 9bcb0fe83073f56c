"""A report that an archive's validator refuses is a report nobody gets: dciodvfy, dsrdump and PixelMed on reports of every kind.

Every two values of two of these factors meet in at least one report.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword

from structured_report.content import (
    Finding,
    Laterality,
    Narrative,
    Outcome,
    Patient,
    PreRead,
    Presence,
    Priority,
    PriorStudy,
    Probability,
    Region,
    Severity,
    Verdict,
)
from structured_report.read_sr import read_narrative
from structured_report.sr import as_comprehensive_sr, encode_sr, file_bytes
from structured_report.text import normalise_text
from tests.support.pairwise import Row, pairwise
from tests.support.reports import images, preread
from tests.support.validators import complaints

pytestmark = [pytest.mark.peers, pytest.mark.requirement("SR-1"), pytest.mark.xdist_group("sr-matrix")]

TYPE_2 = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime",
          "ReferringPhysicianName", "PatientOrientation", "Laterality")  # fmt: skip
# Sex, birth date and study time, as devices and people write them.
WRITTEN = {
    "well": ("F", "19600101", "101400"),
    "X, a century, a word": ("X", "19", "noon"),
    "nothing, zeros, an hour too many": ("", "00000000", "250000"),
    "O, a range, colons": ("O", "19600101-19700101", "10:14:00"),
    "a word, dots, seven digits": ("male", "1960.01.01", "101400.1234567"),
}
NAMES = {
    "plain": "Test^Patient",
    "one component": "Nobody",
    "ideographic": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "marks": "Müller-Lüdenscheidt^Jürgen^^Dr.^M.D.",
}
LINES = (
    "a lone LF\nCR LF\r\na lone CR\ra tab\there, \\ | ^ & ~ \\F\\ \\.br\\ <b>&amp;</b>\n\n  two blank lines "
    "\x0c\x0b\x1c\x1d\x00\x1b[31m end"
)
MARKS = (
    "e\u0301 a\u0308\u0323 Z\u0351\u036b\u0343 \U0001d49c \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea "
    "\u202eright to left\u202c \u2066isolate\u2069 \u200f\u061cשלום عربى 気胸 ไม่มี \ufeff\ufffe\U0010ffff\ue000 \ud800 "
    "\u0085\u2028\u2029"
)
BLOCKS = ((0, 0x3000, 1), (0x4E00, 0x9FFF, 3), (0xD7F0, 0xE010, 1), (0xFFF0, 0x10000, 1), (0x1F000, 0x1FA00, 1))
EVERY = "".join(chr(c) for first, end, step in BLOCKS for c in range(first, end, step))
TEXTS = {
    "none": "",
    "lines": LINES,
    "marks": MARKS,
    "sixty thousand of every kind": (EVERY * 3)[:60_000],
    "sixty thousand, the marks last": "word " * 5_700 + MARKS * 250,
}
FACTORS: dict[str, Sequence[str]] = {
    "written": list(WRITTEN),
    "text": list(TEXTS),
    "outcome": [str(o) for o in Outcome],
    "findings": ["none", "one", "many", "one with a box", "many with boxes"],
    "header": ["whole", "lacking type 2", "empty type 2"],
    "name": list(NAMES),
    "prior": ["none", "dated", "undated"],
    "views": ["one", "two"],
    "predecessor": ["no", "yes"],
    "form": ["comprehensive 3d", "comprehensive"],
    "completion": ["complete", "partial"],
}
MATRIX = pairwise(FACTORS)

# Warnings that are true of what the images say, which a report copies unaltered: no study date, a name of one component.
TRUE_OF_THE_IMAGES = re.compile(r"^Warning.*(needed to build DICOMDIR|Retired Person Name form)")


def put(image: Dataset, keyword: str, value: str) -> None:
    """As a device wrote it, valid or not."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    image.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE))


def report_of(row: Row) -> tuple[PreRead, Dataset]:
    """The pre-read that a row describes, and its report."""
    evidence = images()[: 1 if row["views"] == "one" else 2]
    sex, birth_date, time = WRITTEN[row["written"]]
    name = NAMES[row["name"]]
    for image in evidence:
        for keyword, value in (
            ("PatientSex", sex), ("PatientBirthDate", birth_date), ("StudyTime", time), ("PatientName", name),
        ):  # fmt: skip
            put(image, keyword, value)
        for keyword in TYPE_2 if row["header"] != "whole" else ():
            if row["header"] == "empty type 2":
                put(image, keyword, "")
            elif keyword in image:
                del image[keyword]
    value = preread(
        evidence, outcome=Outcome(row["outcome"]), supersedes="2.25.42" if row["predecessor"] == "yes" else ""
    )
    value = replace(
        value,
        study=replace(value.study, study_time=time, patient=Patient("PID1", "HOSP", name, birth_date, sex)),
        narrative=Narrative(TEXTS[row["text"]], "Impression.", TEXTS[row["text"]], "Larger." if row["prior"] != "none" else ""),
        remarks=("the image was compressed with loss", TEXTS[row["text"]][:900]),
        verdicts=(Verdict("side", "noted", "The sides of text and box differ."),),
        prior=None if row["prior"] == "none" else PriorStudy(
            "2.25.51", "20250102" if row["prior"] == "dated" else "", "1.2.840.10008.5.1.4.1.1.1", "2.25.52", "2.25.53"
        ),
        partial=row["completion"] == "partial",
    )  # fmt: skip
    value = with_findings(value, row["findings"])
    if row["header"] == "lacking type 2":
        bare = replace(
            value.study, study_id="", study_date="", study_time="", patient=replace(Patient("PID1", name=name))
        )
        value = replace(value, study=bare)
    report = encode_sr(value, evidence)
    return value, as_comprehensive_sr(report) if row["form"] == "comprehensive" else report


def with_findings(value: PreRead, how: str) -> PreRead:
    """The same with findings, and what hangs on them."""
    image = value.images[0].sop_instance_uid
    effusion = Finding(
        "pleural_effusion", Presence.PRESENT, Laterality.LEFT, "An effusion.", Severity.MODERATE, "basal"
    )
    boxes = tuple(
        Region("pleural_effusion", image, x, 500.0, x + 90.5, 700.25, side)
        for x, side in ((100.0, Laterality.RIGHT), (600.0, Laterality.LEFT))
    )
    if how == "none":
        return replace(value, findings=(), abnormal=None)
    if how.startswith("one"):
        regions = boxes[1:] if how.endswith("box") else ()
        return replace(value, findings=(effusion,), abnormal=True, regions=regions, priority=Priority.ROUTINE)
    return replace(
        value,
        findings=(
            replace(effusion, laterality=Laterality.BILATERAL),
            Finding("cardiomegaly", Presence.ABSENT),
            Finding("lung_opacity", Presence.UNDETERMINED, evidence=value.narrative.findings[:300]),
        ),
        checked=(Finding("pneumothorax", Presence.ABSENT), Finding("nodule", Presence.UNDETERMINED)),
        probabilities=(Probability("pneumothorax", 0.02), Probability("pleural_effusion", 0.97, "site-2026")),
        regions=boxes if how.endswith("boxes") else (),
        abnormal=True,
        priority=Priority.CRITICAL,
        reasons=("effusion on both sides",),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Row, PreRead, Path]]:
    """Every report of the matrix as a file, with what it was made from."""
    folder, made = tmp_path_factory.mktemp("matrix"), []
    for number, row in enumerate(MATRIX):
        value, report = report_of(row)
        path = folder / f"sr-{number:02}.dcm"
        path.write_bytes(file_bytes(report))
        made.append((row, value, path))
    return made


@pytest.mark.timeout(900)
def test_a_report_of_every_kind_is_valid(written: list[tuple[Row, PreRead, Path]], tmp_path: Path) -> None:
    broken = tmp_path / "broken.dcm"
    report = dcmread(written[0][2])
    del report.PatientID
    report.ContentSequence[0].RelationshipType = "CONTAINS"  # the language, which has to be a modifier
    report.save_as(broken)
    said = complaints([*(path for _, _, path in written), broken])
    wrong = {
        f"{path.name} {row}": unexplained
        for row, _, path in written
        if (unexplained := [line for line in said[path] if not TRUE_OF_THE_IMAGES.match(line)])
    }
    assert wrong == {}
    for complaint in ("Error - </PatientID", "Error: Template 1204"):
        assert any(line.startswith(complaint) for line in said[broken]), "or they would complain of nothing"


def test_every_two_values_meet_in_a_report() -> None:
    seen = {frozenset([(a, row[a]), (b, row[b])]) for row in MATRIX for a in row for b in row if a != b}
    wanted = {
        frozenset([(a, x), (b, y)]) for a in FACTORS for b in FACTORS if a != b for x in FACTORS[a] for y in FACTORS[b]
    }
    assert seen == wanted


def test_no_report_of_the_matrix_loses_its_words(written: list[tuple[Row, PreRead, Path]]) -> None:
    """Valid would also be a report that says nothing."""
    for row, value, path in written:
        read = read_narrative(dcmread(path))
        withdrawn = row["outcome"] == Outcome.WITHDRAWN
        assert read.reasoning == ("" if withdrawn else normalise_text(value.narrative.reasoning)), row
        assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in read.reasoning.replace("\n", ""))
    assert len(EVERY) > 20_000
    assert {len(TEXTS[t]) for t in TEXTS if t.startswith("sixty")} >= {60_000}
