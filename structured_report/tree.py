"""The content tree of the report: TID 1500 with one TID 1501 group a finding, and the words in Qualitative
Evaluations (rows 12 to 14)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import highdicom as hd
import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from structured_report import concepts
from structured_report.content import (
    BANNER,
    FOR_COMMISSIONING,
    Code,
    Finding,
    ImageUse,
    Outcome,
    PreRead,
    Presence,
    Region,
)
from structured_report.header import library_is_possible
from structured_report.text import normalise_text, one_line, to_dicom
from structured_report.vocabulary import vocabulary, whole_vocabulary

_IMAGING_MEASUREMENTS = "126010"


def coded(code: Code) -> CodedConcept:
    """The code as highdicom has it."""
    return CodedConcept(code.value, code.scheme, code.meaning)


def content_tree(preread: PreRead, images: Sequence[Dataset]) -> Dataset:
    """The root container. `images`: headers made fit by `header.evidence_dataset`, at least one."""
    # A study with no finding to state has no measurement group (TID 1500 rows 6, 10 and 12 are alternatives), but
    # highdicom insists on one: it gets one that says only what the container is for, and the container is taken out
    # again.
    groups = [group for f in preread.findings for group in _groups(preread, f, images)]
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(preread)),
        procedure_reported=coded(_procedure(preread)),
        imaging_measurements=groups or [_group(preread, Finding("lung_opacity", Presence.UNDETERMINED), images)],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            CodedConcept("en-US", "RFC5646", "English (United States)")
        ),
        referenced_images=list(images) if all(library_is_possible(i) for i in images) else None,
    )
    root = report[0]
    if not groups:
        root.ContentSequence = [
            i for i in root.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue != _IMAGING_MEASUREMENTS
        ]
    root.ContentSequence.append(_evaluations(preread))
    return root


def _procedure(preread: PreRead) -> Code:
    """The order's own procedure where it is known and can be written (IHE AIR: the imaging procedure, not the algorithm)."""
    known = preread.study.order.procedure
    return known if known is not None and fits(known) else concepts.PROCEDURE_GENERIC


def fits(code: Code) -> bool:
    """Whether the code can be written: value and scheme are SH, the meaning is LO (PS3.3 8.1 to 8.3)."""
    return 0 < len(code.value) <= 16 and 0 < len(code.scheme) <= 16 and 0 < len(code.meaning) <= 64


def _observer(preread: PreRead) -> ObserverContext:
    made_by = preread.provenance
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=made_by.device_uid,
            name=made_by.station_name or made_by.algorithm_name,
            manufacturer_name=made_by.manufacturer,
            model_name=made_by.model_name,
            serial_number=made_by.station_name or made_by.device_uid[-16:],
        ),
    )


def _groups(preread: PreRead, finding: Finding, images: Sequence[Dataset]) -> list[Dataset]:
    """The groups of one finding: one TID 1410 for each region, or one TID 1501 where there is none."""
    regions = [r for r in preread.regions if r.concept == finding.concept and finding.presence is Presence.PRESENT]
    by_uid = {str(i.SOPInstanceUID): i for i in images}
    located = [
        _located_group(preread, finding, region, by_uid[region.sop_instance_uid], number)
        for number, region in enumerate(regions, start=1)
        if region.sop_instance_uid in by_uid
    ]
    return located or [_group(preread, finding, images)]


def _located_group(
    preread: PreRead, finding: Finding, region: Region, image: Dataset, number: int
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """TID 1410: a finding with a closed polyline in the stored image (PS3.3 C.18.6.1)."""
    corners = [(region.x0, region.y0), (region.x1, region.y0), (region.x1, region.y1), (region.x0, region.y1)]
    outline = np.array([*corners, corners[0]], dtype=np.float32)
    with_side = finding if finding.laterality else replace(finding, laterality=region.laterality)
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(preread, finding, number),
        referenced_region=ImageRegion(
            GraphicTypeValues.POLYLINE, outline, SourceImageForRegion.from_source_image(image)
        ),
        **_common(preread, with_side),
    )


def _group(preread: PreRead, finding: Finding, images: Sequence[Dataset]) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: one finding, present, absent or undetermined."""
    used = [u.sop_instance_uid for u in preread.images if u.used]
    sources = [i for i in images if str(i.SOPInstanceUID) in used] or list(images)
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(preread, finding),
        source_images=[SourceImageForMeasurementGroup.from_source_image(i) for i in sources],
        **_common(preread, finding),
    )


def _common(preread: PreRead, finding: Finding) -> dict[str, Any]:
    """What both kinds of group say of a finding."""
    concept = vocabulary()[finding.concept]
    side = None if finding.laterality is None else coded(concepts.LATERALITY_VALUES[finding.laterality])
    place = whole_vocabulary().places[finding.place].code if finding.place else None
    sites = (
        None
        if concept.site is None
        else [
            FindingSite(
                anatomic_location=coded(concept.site),
                laterality=side,
                topographical_modifier=None if place is None else coded(place),
            )
        ]
    )
    evaluations = [
        QualitativeEvaluation(name=coded(concept.code), value=coded(concepts.PRESENCE_VALUES[finding.presence]))
    ]
    if finding.severity is not None:
        degree = whole_vocabulary().severities[finding.severity].code
        evaluations.append(QualitativeEvaluation(name=coded(concepts.SEVERITY), value=coded(degree)))
    return {
        "finding_type": coded(concept.code),
        "finding_sites": sites,
        "algorithm_id": _algorithm(preread),
        "measurements": _certainty(preread, finding),
        "qualitative_evaluations": evaluations,
    }


def _certainty(preread: PreRead, finding: Finding) -> list[Measurement] | None:
    """The probability of the finding, and only a calibrated one."""
    known = next((p for p in preread.probabilities if p.concept == finding.concept and p.calibration), None)
    if known is None or finding.presence is Presence.UNDETERMINED:
        return None
    percent = 100 * (known.value if finding.presence is Presence.PRESENT else 1 - known.value)
    return [Measurement(name=coded(concepts.CERTAINTY), value=round(percent, 1), unit=codes.UCUM.Percent)]


def _tracking(preread: PreRead, finding: Finding, number: int = 0) -> TrackingIdentifier:
    """Derived from study and finding, so that a later revision's finding is the same tracked thing."""
    label = "-".join(filter(None, (finding.concept, finding.laterality, str(number or ""))))
    seed = hashlib.sha256(f"{preread.study.study_instance_uid}|{label}".encode()).digest()[:16]
    uid = f"2.25.{uuid.UUID(bytes=seed, version=5).int}"
    return TrackingIdentifier(identifier=label, uid=hd.UID(uid))


def _algorithm(preread: PreRead) -> AlgorithmIdentification:
    """TID 4019. No manufacturer: highdicom writes it as 122405, for which the template, which is not extensible, has
    no row."""
    made_by = preread.provenance
    # Name and version are those of Contributing Equipment and of the device observer (IHE AIR Table 6.5.3.1-1).
    parameters = [f"software={made_by.algorithm_name}"]
    for name, value in (
        ("weights_sha256", made_by.weights_digest),
        ("quantization", made_by.quantization),
        ("prompt_id", made_by.prompt_id),
    ):
        if value:
            parameters.append(f"{name}={value}")
    return AlgorithmIdentification(
        name=made_by.model_name,
        version=made_by.algorithm_version,
        parameters=parameters,
        family=codes.DCM.ArtificialIntelligence,
    )


def _evaluations(preread: PreRead) -> ContainerContentItem:
    """Qualitative Evaluations: the codes (row 13), then the words (row 14), the banner first among them."""
    container = ContainerContentItem(
        name=coded(concepts.QUALITATIVE_EVALUATIONS), relationship_type=RelationshipTypeValues.CONTAINS
    )
    items = ContentSequence()
    for name, value in (
        (concepts.NORMALITY, concepts.NORMALITY_VALUES[preread.abnormal]),
        (concepts.SIGNIFICANCE, concepts.SIGNIFICANCE_VALUES[preread.priority]),
    ):
        items.append(
            CodeContentItem(name=coded(name), value=coded(value), relationship_type=RelationshipTypeValues.CONTAINS)
        )
    for comment in comments(preread):
        items.append(_text(concepts.COMMENT, comment))
    narrative = preread.narrative
    for concept, words in (
        (concepts.FINDINGS, narrative.findings),
        (concepts.IMPRESSIONS, narrative.impression),
        (concepts.COMPARISON, narrative.comparison),
        (concepts.REASONING, narrative.reasoning),
    ):
        if normalise_text(words):
            items.append(_text(concept, words))
    for use in preread.images:
        items.append(_text(concepts.COMMENT, image_sentence(use)))
    items.append(_text(concepts.COMMENT, provenance_sentence(preread)))
    container.ContentSequence = items
    return container


def comments(preread: PreRead) -> list[str]:
    """What is said about the reading as a whole, the banner first; the same in the SR and in the ORU."""
    said = [BANNER]
    if preread.provenance.for_commissioning:
        said.append(FOR_COMMISSIONING)
    if preread.outcome is not Outcome.READ:
        said.append(outcome_sentence(preread))
    if preread.priority is not None:
        said.append(triage_sentence(preread))
    said += [f"Check {v.code} ({v.effect}): {v.sentence}" for v in preread.verdicts]
    said += [f"Remark: {remark}" for remark in preread.remarks]
    return said


def triage_sentence(preread: PreRead) -> str:
    """How soon a person should look, and why, in one line."""
    why = "; ".join(preread.reasons) or "nothing on the triage list is likely or stated"
    return f"Triage: {preread.priority}: {why}."


def outcome_sentence(preread: PreRead) -> str:
    """Why there is no draft, or not yet, in one sentence."""
    if preread.outcome is Outcome.FLAGGED:
        return "Flag before the reading: only short questions have been asked; the reading follows."
    if preread.outcome is Outcome.WITHDRAWN:
        return f"Withdrawn: the earlier result was taken back by a person and must not be used. Reason: {preread.explanation}"
    kind = "Not analysed" if preread.outcome is Outcome.NOT_ANALYSED else "Abstained"
    return f"{kind}: {preread.explanation} [{preread.reason}]"


def provenance_sentence(preread: PreRead) -> str:
    """Which build said it, in one line; also where no finding group carries TID 4019."""
    made_by = preread.provenance
    if not made_by.weights_digest:
        return f"Made by {made_by.algorithm_name} {made_by.algorithm_version}; no model was asked."
    return (
        f"Made by {made_by.algorithm_name} {made_by.algorithm_version}; model {made_by.model_name}; "
        f"weights sha256 {made_by.weights_digest}; "
        f"quantization {made_by.quantization}; prompt {made_by.prompt_id}; revision {preread.revision} of the study."
    )


def image_sentence(use: ImageUse) -> str:
    """What was done with one image and why, in one line."""
    how = f"read as {use.role}" if use.used else "not read"
    return one_line(f"Image {use.sop_instance_uid}: {how}: {use.explanation} [{use.reason}]", 1024)


def _text(name: Code, value: str) -> TextContentItem:
    return TextContentItem(
        name=coded(name), value=to_dicom(normalise_text(value)), relationship_type=RelationshipTypeValues.CONTAINS
    )
