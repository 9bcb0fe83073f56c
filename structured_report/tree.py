"""The content tree of the report: TID 1500 with one TID 1501 group a finding, and the words in Qualitative
Evaluations (rows 12 to 14)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence

import highdicom as hd
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from structured_report import concepts
from structured_report.content import BANNER, Code, Finding, ImageUse, Outcome, PreRead, Presence
from structured_report.header import library_is_possible
from structured_report.text import normalise_text, one_line, to_dicom
from structured_report.vocabulary import vocabulary

_IMAGING_MEASUREMENTS = "126010"


def coded(code: Code) -> CodedConcept:
    """The code as highdicom has it."""
    return CodedConcept(code.value, code.scheme, code.meaning)


def content_tree(preread: PreRead, images: Sequence[Dataset]) -> Dataset:
    """The root container. `images`: headers made fit by `header.evidence_dataset`, at least one."""
    # A study with no finding to state has no measurement group (TID 1500 rows 6, 10 and 12 are alternatives), but
    # highdicom insists on one: it gets one that says only what the container is for, and the container is taken out
    # again.
    groups = [_group(preread, f, images) for f in preread.findings]
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


def _group(preread: PreRead, finding: Finding, images: Sequence[Dataset]) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: one finding, present, absent or undetermined."""
    concept = vocabulary()[finding.concept]
    side = None if finding.laterality is None else coded(concepts.LATERALITY_VALUES[finding.laterality])
    sites = None if concept.site is None else [FindingSite(anatomic_location=coded(concept.site), laterality=side)]
    certainty = (
        None
        if finding.certainty_percent is None
        else [
            Measurement(
                name=coded(concepts.CERTAINTY), value=round(finding.certainty_percent, 1), unit=codes.UCUM.Percent
            )
        ]
    )
    used = [u.sop_instance_uid for u in preread.images if u.used]
    sources = [i for i in images if str(i.SOPInstanceUID) in used] or list(images)
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(preread, finding),
        finding_type=coded(concept.code),
        finding_sites=sites,
        algorithm_id=_algorithm(preread),
        measurements=certainty,
        qualitative_evaluations=[
            QualitativeEvaluation(name=coded(concept.code), value=coded(concepts.PRESENCE_VALUES[finding.presence]))
        ],
        source_images=[SourceImageForMeasurementGroup.from_source_image(i) for i in sources],
    )


def _tracking(preread: PreRead, finding: Finding) -> TrackingIdentifier:
    """Derived from study and finding, so that a later revision's finding is the same tracked thing."""
    label = "-".join(filter(None, (finding.concept, finding.laterality)))
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
    items.append(_text(concepts.COMMENT, BANNER))
    if preread.outcome is not Outcome.READ:
        items.append(_text(concepts.COMMENT, outcome_sentence(preread)))
    narrative = preread.narrative
    for concept, words in (
        (concepts.FINDINGS, narrative.findings),
        (concepts.IMPRESSIONS, narrative.impression),
        (concepts.REASONING, narrative.reasoning),
    ):
        if normalise_text(words):
            items.append(_text(concept, words))
    for remark in preread.remarks:
        items.append(_text(concepts.COMMENT, f"Remark: {remark}"))
    for use in preread.images:
        items.append(_text(concepts.COMMENT, _image_sentence(use)))
    items.append(_text(concepts.COMMENT, provenance_sentence(preread)))
    container.ContentSequence = items
    return container


def outcome_sentence(preread: PreRead) -> str:
    """Why there is no draft, in one sentence."""
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


def _image_sentence(use: ImageUse) -> str:
    how = f"read as {use.role}" if use.used else "not read"
    return one_line(f"Image {use.sop_instance_uid}: {how}: {use.explanation} [{use.reason}]", 1024)


def _text(name: Code, value: str) -> TextContentItem:
    return TextContentItem(
        name=coded(name), value=to_dicom(normalise_text(value)), relationship_type=RelationshipTypeValues.CONTAINS
    )
