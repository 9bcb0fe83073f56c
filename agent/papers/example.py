"""The study that the papers show: of nobody, and always the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from agent.reading.build import Build, derived_control_id, derived_uid
from dicom_nodes.contexts import DX_FOR_PRESENTATION
from structured_report.content import (
    Code,
    Finding,
    ImageUse,
    Laterality,
    Narrative,
    Order,
    Outcome,
    Patient,
    PreRead,
    Presence,
    Priority,
    PriorStudy,
    Probability,
    Region,
    Severity,
    Study,
    Verdict,
)

_STUDY, _SERIES, _IMAGE = (derived_uid("papers", what) for what in ("study", "series", "image"))
_SR = derived_uid("papers", "sr")


def example_image() -> Dataset:
    """The header of the image that it is about."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SpecificCharacterSet = "ISO_IR 192"
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = DX_FOR_PRESENTATION
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = _IMAGE
    image.StudyInstanceUID, image.SeriesInstanceUID = _STUDY, _SERIES
    image.StudyDate, image.StudyTime, image.StudyID = "20260103", "101400", "1"
    image.Modality, image.Rows, image.Columns = "DX", 2048, 1792
    image.PatientID, image.PatientName, image.PatientBirthDate, image.PatientSex = (
        "PID0001",
        "Test^Patient",
        "19600101",
        "F",
    )
    image.AccessionNumber, image.ReferringPhysicianName = "ACC0001", "Referring^Doctor"
    image.PatientOrientation, image.ImagerPixelSpacing = ["L", "F"], [0.14, 0.14]
    image.Manufacturer, image.ManufacturerModelName = "Maker", "Detector"
    image.InstanceNumber, image.SeriesNumber = 1, 1
    return image


def bare_image() -> Dataset:
    """The same with as little in its header as an image may have."""
    image = example_image()
    for keyword in (
        "StudyTime", "StudyID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber",
        "ReferringPhysicianName", "PatientOrientation", "ImagerPixelSpacing", "Manufacturer", "ManufacturerModelName", "StudyDate",
    ):  # fmt: skip
        del image[keyword]
    return image


def example() -> PreRead:
    """A reading with everything that a report can say."""
    study = Study(
        study_instance_uid=_STUDY, study_id="1", study_date="20260103", study_time="101400", timezone_offset="+0100",
        patient=Patient("PID0001", "HOSPITAL", "Test^Patient", "19600101", "F"),
        order=Order(
            "ACC0001", "PO0001", "FO0001", "RP0001", "SPS0001", Code("36554-4", "LN", "XR Chest Single view"), "XR CHEST",
            "Referring^Doctor", "Shortness of breath",
        ),
    )  # fmt: skip
    return PreRead(
        study=study,
        revision=1,
        outcome=Outcome.READ,
        provenance=replace(
            Build("Hospital", "PREREAD1").without_model(),
            model_name="CheXOne",
            weights_digest="ab" * 32,
            quantization="nf4",
            prompt_id="findings-reasoning@1",
        ),
        images=(
            ImageUse(DX_FOR_PRESENTATION, _IMAGE, _SERIES, True, "frontal", "view-position", "frontal by View Position PA"),
        ),
        analysed_at=datetime(2026, 1, 3, 9, 15, tzinfo=UTC),
        sr_instance_uid=_SR,
        sr_series_uid=derived_uid("papers", "sr-series"),
        control_id=derived_control_id("papers"),
        narrative=Narrative(
            "There is a large right pneumothorax.\nThe heart is not enlarged.", "Right pneumothorax.",
            "A visceral pleural line is seen; no lung markings beyond it.", "New since 2025-01-02.",
        ),
        findings=(
            Finding("pneumothorax", Presence.PRESENT, Laterality.RIGHT, "There is a large right pneumothorax.", Severity.SEVERE),
            Finding("cardiomegaly", Presence.ABSENT, evidence="The heart is not enlarged."),
        ),
        abnormal=True,
        priority=Priority.CRITICAL,
        reasons=("pneumothorax is present",),
        probabilities=(Probability("pneumothorax", 0.97, "site-2026"),),
        regions=(Region("pneumothorax", _IMAGE, 200.0, 300.0, 700.0, 1100.0, Laterality.RIGHT),),
        verdicts=(Verdict("measurement", "dropped", "The sentence with a measurement was left out."),),
        remarks=("the picture is rotated",),
        checked=(Finding("pleural_effusion", Presence.ABSENT),),
        prior=PriorStudy(
            derived_uid("papers", "prior"), "20250102", DX_FOR_PRESENTATION, derived_uid("papers", "prior-image"),
            derived_uid("papers", "prior-series"),
        ),
        supersedes_sr_uid=derived_uid("papers", "old-sr"),
        supersedes_series_uid=derived_uid("papers", "old-sr-series"),
    )  # fmt: skip


def short_example() -> PreRead:
    """As much as a page can show: one finding, short texts."""
    return replace(
        example(), narrative=Narrative("There is a large right pneumothorax.", "", "No lung markings beyond a pleural line."),
        findings=example().findings[:1], regions=(), verdicts=(), remarks=(), checked=(), prior=None, supersedes_sr_uid="",
        supersedes_series_uid="",
    )  # fmt: skip


def bare() -> PreRead:
    """A result that says as little as one can: an unknown patient, no order, nothing analysed."""
    return replace(
        short_example(),
        study=Study(_STUDY),
        control_id=derived_control_id("papers", "not-analysed"),
        outcome=Outcome.NOT_ANALYSED,
        provenance=Build("", "").without_model(),
        reason="not-a-chest",
        explanation="the picture shows no chest",
        narrative=Narrative(),
        findings=(),
        abnormal=None,
        priority=None,
        reasons=(),
        probabilities=(),
        images=(
            ImageUse(DX_FOR_PRESENTATION, _IMAGE, _SERIES, False, "", "not-a-chest", "the picture shows no chest"),
        ),
    )


def withdrawn() -> PreRead:
    """A result that was taken back."""
    return replace(example(), outcome=Outcome.WITHDRAWN, explanation="the order was corrected")


def flagged() -> PreRead:
    """What is sent before the reading, where a destination wants it."""
    return replace(
        short_example(),
        control_id=derived_control_id("papers", "flag"),
        outcome=Outcome.FLAGGED,
        findings=(),
        narrative=Narrative(),
        abnormal=None,
    )
