"""What an SR says can be got back from it, so that nothing that was said of a patient is only in our ledger."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread

from structured_report.content import (
    Finding,
    Laterality,
    Narrative,
    Outcome,
    Patient,
    PreRead,
    Presence,
    PriorStudy,
    Probability,
    Region,
    Verdict,
)
from structured_report.groups import tracked
from structured_report.read_sr import NotOurReport, read_sr
from structured_report.sr import encode_sr, file_bytes
from structured_report.text import exactly
from tests.support.films import small_image
from tests.support.reports import TEXTS, images, preread, prereads

EVIDENCE = images()
slow = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def sent(value: PreRead, evidence: list[Dataset] = EVIDENCE) -> Dataset:
    """The report as its receiver has it."""
    return dcmread(BytesIO(file_bytes(encode_sr(value, evidence))))


@slow
@given(prereads(EVIDENCE))
def test_whatever_is_said_can_be_read_back_from_the_report(value: PreRead) -> None:
    assert read_sr(sent(value)) == value


@slow
@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
def test_texts_nobody_normalised_come_back_once_normalised_and_stay_so(
    a: str, b: str, c: str, d: str, name: str
) -> None:
    value = replace(
        preread(EVIDENCE),
        narrative=Narrative(a, b, c, d),
        remarks=(a, b),
        verdicts=(Verdict("a-code", "noted", c),),
        findings=(Finding("nodule", Presence.PRESENT, evidence=d),),
    )
    value = replace(value, study=replace(value.study, patient=Patient(name, name, name)))
    once = read_sr(sent(value))
    assert read_sr(sent(once)) == once


@given(prereads(EVIDENCE), prereads(EVIDENCE))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_finding_is_the_same_tracked_thing_in_every_revision(one: PreRead, other: PreRead) -> None:
    """A longitudinal viewer follows the tracking UID."""
    uids: dict[str, str] = {}
    for value in (one, replace(other, study=one.study)):
        said = tracked(value)
        assert len({t.uid for t in said}) == len(said), "never two things under one UID"
        assert all(uids.setdefault(t.label, t.uid) == t.uid for t in said)


def test_another_study_has_other_tracked_things() -> None:
    value = preread(EVIDENCE)
    elsewhere = replace(value, study=replace(value.study, study_instance_uid="2.25.1"))
    assert not {t.uid for t in tracked(value)} & {t.uid for t in tracked(elsewhere)}


def test_a_withdrawn_report_says_nothing_but_that_it_is_and_why() -> None:
    """The old findings in the document that takes them back would be read as findings."""
    value = replace(
        preread(EVIDENCE, supersedes="2.25.42"),
        outcome=Outcome.WITHDRAWN,
        explanation="The films are of another patient.",
        regions=(Region("pleural_effusion", EVIDENCE[0].SOPInstanceUID, 1, 1, 9, 9),),
        probabilities=(Probability("nodule", 0.5),),
        checked=(Finding("nodule", Presence.ABSENT),),
        prior=PriorStudy("2.25.1", "", "1.2.840.10008.5.1.4.1.1.1", "2.25.2", "2.25.3"),
    )
    report = sent(value)
    back = read_sr(report)
    assert (back.outcome, back.explanation) == (Outcome.WITHDRAWN, "The films are of another patient.")
    assert back.supersedes_sr_uid == "2.25.42"
    assert (back.findings, back.checked, back.regions, back.probabilities, back.narrative) == (
        (),
        (),
        (),
        (),
        Narrative(),
    )
    assert (back.abnormal, back.priority, back.prior) == (None, None, None)
    words = report.to_json()
    assert "effusion" not in words
    assert "odule" not in words


def test_a_box_is_clipped_to_its_image_and_one_outside_is_left_out() -> None:
    image = EVIDENCE[0].SOPInstanceUID
    columns, rows = float(EVIDENCE[0].Columns), float(EVIDENCE[0].Rows)
    outside = (
        Region("pleural_effusion", image, -20, 5, columns + 7, rows + 100),
        Region("pleural_effusion", image, columns + 1, 5, columns + 9, 20),
    )
    back = read_sr(sent(replace(preread(EVIDENCE), regions=outside))).regions
    assert [(r.x0, r.y0, r.x1, r.y1) for r in back] == [(0.0, 5.0, columns, rows)]


def test_a_box_never_stands_under_a_finding_of_the_other_side() -> None:
    left, right = (Finding("pleural_effusion", Presence.PRESENT, s) for s in (Laterality.LEFT, Laterality.RIGHT))
    image = EVIDENCE[0].SOPInstanceUID
    on_the_right = Region("pleural_effusion", image, 1, 1, 9, 9, Laterality.RIGHT)
    both = read_sr(sent(replace(preread(EVIDENCE), findings=(left, right), regions=(on_the_right,))))
    assert (both.findings, both.regions) == ((left, right), (on_the_right,))
    assert [t.label for t in tracked(both) if t.region] == ["pleural_effusion-right"]
    one = read_sr(sent(replace(preread(EVIDENCE), findings=(left,), regions=(on_the_right,))))
    assert (one.findings, one.regions) == ((left,), ())


def test_only_a_calibrated_probability_is_a_number() -> None:
    def certainties(calibration: str) -> list[float]:
        value = replace(preread(EVIDENCE), probabilities=(Probability("pneumothorax", 0.125, calibration),))
        found: list[float] = []

        def walk(item: Dataset) -> None:
            for child in item.get("ContentSequence", []):
                if child.ConceptNameCodeSequence[0].CodeValue == "111012":
                    found.append(float(child.MeasuredValueSequence[0].NumericValue))
                walk(child)

        walk(sent(value))
        return found

    assert certainties("") == []
    assert certainties("site-2026") == [87.5], "the draft denies it: how certain that is"


@pytest.mark.parametrize("damage", ["nothing-of-ours", "no-tree", "another-coding", "half"])
def test_a_report_of_somebody_else_is_refused_and_not_half_understood(damage: str) -> None:
    report = sent(preread(EVIDENCE))
    if damage == "nothing-of-ours":
        report = small_image()
    if damage == "no-tree":
        del report.ContentSequence
    if damage == "another-coding":
        report.ContentSequence[-1].ContentSequence[0].ConceptCodeSequence[0].CodeValue = "0"
    if damage == "half":
        report.ContentSequence[-1].ContentSequence.pop()
    with pytest.raises(NotOurReport):
        read_sr(report)


@slow
@given(st.text(max_size=100), st.text(max_size=100), st.text(max_size=200))
def test_no_identity_however_odd_costs_a_study_its_report(identifier: str, accession: str, name: str) -> None:
    value = preread(EVIDENCE)
    order = replace(value.study.order, accession_number=accession, placer_order_number=identifier)
    patient = Patient(identifier, identifier, name, "19", "U")
    back = read_sr(sent(replace(value, study=replace(value.study, order=order, patient=patient))))
    printable = exactly(identifier).strip(" ")
    assert back.study.patient.patient_id.replace(" ", "") == printable.replace(" ", ""), "an identifier is never cut"
