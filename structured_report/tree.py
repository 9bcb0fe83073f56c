"""The content tree of the report: TID 1500 with one group a finding (`structured_report.groups`), and the words in
Qualitative Evaluations (rows 12 to 14)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    DateContentItem,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from structured_report import concepts
from structured_report.content import Code, Finding, PreRead, PriorStudy
from structured_report.groups import coded, groups, placeholder, tracked
from structured_report.header import library_is_possible
from structured_report.sentences import (
    asked_sentence,
    comments,
    image_sentence,
    prior_sentence,
    provenance_sentence,
    stated_sentence,
    triage_sentence,
)
from structured_report.text import normalise_text, to_dicom

__all__ = ["coded", "comments", "content_tree", "fits", "image_sentence", "triage_sentence"]


def content_tree(preread: PreRead, images: Sequence[Dataset]) -> Dataset:
    """The root container. `images`: headers made fit by `header.evidence_dataset`, at least one."""
    # A study with no finding to state has no measurement group (TID 1500 rows 6, 10 and 12 are alternatives), but
    # highdicom insists on one: it gets one that says only what the container is for, and the container is taken out
    # again.
    said = list(groups(preread, images))
    report = MeasurementReport(
        observation_context=observed(preread),
        procedure_reported=coded(_procedure(preread)),
        imaging_measurements=said or [placeholder(preread, images)],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=language(),
        referenced_images=list(images) if all(library_is_possible(i) for i in images) else None,
    )
    root = report[0]
    if preread.prior is not None:
        _add_to_library(root, preread.prior)
    if not said:
        root.ContentSequence = [i for i in root.ContentSequence if _name_of(i) != concepts.IMAGING_MEASUREMENTS.value]
    root.ContentSequence.append(_evaluations(preread))
    return root


def _name_of(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def _procedure(preread: PreRead) -> Code:
    """The order's own procedure where it is known and can be written (IHE AIR: the imaging procedure, not the algorithm)."""
    known = preread.study.order.procedure
    return known if known is not None and fits(known) else concepts.PROCEDURE_GENERIC


def fits(code: Code) -> bool:
    """Whether the code can be written: value and scheme are SH, the meaning is LO (PS3.3 8.1 to 8.3)."""
    return (
        0 < len(code.value) <= 16
        and 0 < len(code.scheme) <= 16
        and 0 < len(code.meaning) <= 64
        and all(c.isprintable() and c != "\\" for c in (*code.value, *code.scheme, *code.meaning))
        and all(part == part.strip() for part in (code.value, code.scheme, code.meaning))
    )


def language() -> LanguageOfContentItemAndDescendants:
    """TID 1204."""
    return LanguageOfContentItemAndDescendants(CodedConcept("en-US", "RFC5646", "English (United States)"))


def observed(preread: PreRead) -> ObservationContext:
    """TID 1001: a device has observed, this build."""
    return ObservationContext(observer_device_context=device_observer(preread))


def device_observer(preread: PreRead) -> ObserverContext:
    """TID 1002 and 1004: this build."""
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


def _add_to_library(root: Dataset, prior: PriorStudy) -> None:
    """The image the study was compared with, in a group of its own of the image library (TID 1600), with the date of its
    study where that is known (TID 1602)."""
    group = ContainerContentItem(name=codes.DCM.ImageLibraryGroup, relationship_type=RelationshipTypeValues.CONTAINS)
    group.ContentSequence = ContentSequence()
    if prior.study_date:
        group.ContentSequence.append(
            DateContentItem(
                name=codes.DCM.StudyDate,
                value=prior.study_date,
                relationship_type=RelationshipTypeValues.HAS_ACQ_CONTEXT,
            )
        )
    group.ContentSequence.append(
        ImageContentItem(
            name=coded(concepts.SOURCE),
            referenced_sop_class_uid=prior.sop_class_uid,
            referenced_sop_instance_uid=prior.sop_instance_uid,
            relationship_type=RelationshipTypeValues.CONTAINS,
        )
    )
    _library(root).ContentSequence.append(group)


def _library(root: Dataset) -> Dataset:
    """The image library of the report; an empty one, in the place the template has for it, where there was none."""
    for item in root.ContentSequence:
        if _name_of(item) == concepts.IMAGE_LIBRARY.value:
            return item
    library = ContainerContentItem(
        name=codes.DCM.ImageLibrary,
        template_id="1600",
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    library.ContentSequence = ContentSequence()
    names = [_name_of(i) for i in root.ContentSequence]
    root.ContentSequence.insert(names.index(concepts.IMAGING_MEASUREMENTS.value), library)
    return library


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
    for concept, words in _words(preread):
        if normalise_text(words):
            items.append(text(concept, words))
    container.ContentSequence = items
    return container


def _words(preread: PreRead) -> Iterator[tuple[Code, str]]:
    narrative = preread.narrative
    yield from ((concepts.COMMENT, comment) for comment in comments(preread))
    yield concepts.FINDINGS, narrative.findings
    yield concepts.IMPRESSIONS, narrative.impression
    yield concepts.COMPARISON, narrative.comparison
    yield concepts.REASONING, narrative.reasoning
    if preread.prior is not None:
        yield concepts.COMMENT, prior_sentence(preread.prior)
    stated: set[Finding] = set()
    for one in tracked(preread):
        if one.finding.evidence and one.finding not in stated:
            stated.add(one.finding)
            yield concepts.COMMENT, stated_sentence(one.label, one.finding)
    yield from ((concepts.COMMENT, asked_sentence(p)) for p in preread.probabilities)
    yield from ((concepts.COMMENT, image_sentence(use)) for use in preread.images)
    yield concepts.COMMENT, provenance_sentence(preread)


def text(name: Code, value: str) -> TextContentItem:
    """One text below a container."""
    return TextContentItem(
        name=coded(name), value=to_dicom(normalise_text(value)), relationship_type=RelationshipTypeValues.CONTAINS
    )
