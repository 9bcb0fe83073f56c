"""Our own report -> what it says, for comparing and for prior pre-reads. Reports of others have another shape, and are
refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from pydicom import Dataset
from pydicom.multival import MultiValue

from structured_report import concepts
from structured_report.content import (
    Assigner,
    Code,
    Finding,
    ImageUse,
    Laterality,
    Narrative,
    Order,
    Patient,
    PreRead,
    PriorStudy,
    Provenance,
    Region,
    Severity,
    Study,
)
from structured_report.groups import BY_QUESTION
from structured_report.parsed_sentences import Parsed, parse_sentences
from structured_report.text import from_dicom
from structured_report.vocabulary import vocabulary, whole_vocabulary

_Key = TypeVar("_Key")


class NotOurReport(ValueError):
    """The data set is not a report that `encode_sr` made."""


def read_sr(report: Dataset) -> PreRead:
    """The pre-read that a report of ours was made from.

    What comes back is what the report says, so it differs from what :func:`encode_sr` was given in this:

    * texts are normalised (`structured_report.text`), the explanation of an image is on one line of at most 900 characters, and
      an evidence or a remark that was empty is not there;
    * dates, times and the sex that cannot be written validly are empty, and so are numbers of an order that do not fit
      their attribute, the time zone when it is no offset, and the procedure code when it cannot be written whole; identifiers
      have lost control characters and blanks at their ends; the procedure's description, the indication and the institution
      are on one line of at most 64 characters;
    * a box is clipped to its image, to single precision, and stands by its finding; one of a finding that is not stated as
      present, or of the other side, is not there. A box without a side has that of its finding. Where the vocabulary
      knows no site for a finding, the side of a box is that of the finding, and a place is not there;
    * probabilities have four decimals; reasons that contain "; " are several;
    * a withdrawn report has an explanation, images and remarks, and nothing else about the study; a flag has no
      reason and no explanation;
    * the control id and the order's scheduled procedure step id and `match` are not in the document; of a build without weights the
      quantization and the prompt are not.

    Raises:
        NotOurReport: the data set has not the shape of our reports.
    """
    try:
        return _read(report)
    except (AttributeError, KeyError, IndexError, ValueError, TypeError) as error:
        raise NotOurReport(f"not a report of this program: {type(error).__name__}") from error


def read_narrative(report: Dataset) -> Narrative:
    """Findings, impression, comparison and reasoning trace as they were given to the encoder; empty where the report has
    none."""
    said = list(_said(report))
    return Narrative(
        findings=_first(said, concepts.FINDINGS),
        impression=_first(said, concepts.IMPRESSIONS),
        reasoning=_first(said, concepts.REASONING),
        comparison=_first(said, concepts.COMPARISON),
    )


def _read(report: Dataset) -> PreRead:
    said = parse_sentences([words for name, words in _said(report) if name == concepts.COMMENT.value])
    findings, checked, regions = _groups(report, said.evidence)
    replaced = _references(report, "PredecessorDocumentsSequence")
    evaluations = _child(report, concepts.QUALITATIVE_EVALUATIONS)
    return PreRead(
        study=_study(report),
        revision=int(said.made_by["revision"]),
        outcome=said.outcome,
        provenance=_provenance(report, said),
        images=_images(report, said),
        analysed_at=_analysed_at(report),
        sr_instance_uid=str(report.SOPInstanceUID),
        sr_series_uid=str(report.SeriesInstanceUID),
        control_id="",
        reason=said.reason,
        explanation=said.explanation,
        narrative=read_narrative(report),
        findings=findings,
        checked=checked,
        abnormal=_key_of(concepts.NORMALITY_VALUES, _value(_child(evaluations, concepts.NORMALITY))),
        priority=_key_of(concepts.SIGNIFICANCE_VALUES, _value(_child(evaluations, concepts.SIGNIFICANCE))),
        reasons=said.reasons,
        probabilities=said.probabilities,
        regions=regions,
        verdicts=said.verdicts,
        remarks=said.remarks,
        supersedes_sr_uid=replaced[0].sop_instance_uid if replaced else "",
        supersedes_series_uid=replaced[0].series_uid if replaced else "",
        partial=report.CompletionFlag == "PARTIAL",
        prior=_prior(report),
    )


def _groups(
    report: Dataset, evidence: Mapping[str, str]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...], tuple[Region, ...]]:
    """What the draft states, what only short questions checked, and the boxes."""
    findings: dict[tuple[str, Laterality | None], Finding] = {}
    checked: list[Finding] = []
    regions: list[Region] = []
    for container in _children(report, concepts.IMAGING_MEASUREMENTS):
        for group in _children(container, concepts.MEASUREMENT_GROUP):
            label = str(_child(group, concepts.TRACKING).TextValue)
            finding = _finding(group, label, evidence.get(label, ""))
            if any(i.TextValue == BY_QUESTION for i in _children(group, concepts.PARAMETERS)):
                checked.append(finding)
                continue
            findings.setdefault((finding.concept, finding.laterality), finding)
            regions += [_region(item, finding, _site_of(group)) for item in _children(group, concepts.IMAGE_REGION)]
    return tuple(findings.values()), tuple(checked), tuple(regions)


def _finding(group: Dataset, label: str, evidence: str) -> Finding:
    """The finding of a group; its concept and its own side stand in the tracking identifier (`structured_report.groups`)."""
    concept, *rest = label.split("-")
    code = vocabulary()[concept].code
    sides = [Laterality(part) for part in rest if not part.isdigit()]
    severities = {_value(i) for i in _children(group, concepts.SEVERITY)}
    places = {_value(i) for site in _site_of(group) for i in _children(site, concepts.PLACE)}
    return Finding(
        concept,
        _key_of(concepts.PRESENCE_VALUES, _value(_child(group, code))),
        sides[0] if sides else None,
        evidence,
        next((Severity(k) for k, m in whole_vocabulary().severities.items() if m.code.value in severities), None),
        next((k for k, m in whole_vocabulary().places.items() if m.code.value in places), ""),
    )


def _site_of(group: Dataset) -> list[Dataset]:
    return _children(group, concepts.FINDING_SITE)


def _region(item: Dataset, finding: Finding, sites: Sequence[Dataset]) -> Region:
    """A box from its outline."""
    points = [float(v) for v in item.GraphicData]
    columns, rows = points[::2], points[1::2]
    image = item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    sides = [_value(i) for site in sites for i in _children(site, concepts.LATERALITY)]
    side = _key_of(concepts.LATERALITY_VALUES, sides[0]) if sides else finding.laterality
    return Region(finding.concept, str(image), min(columns), min(rows), max(columns), max(rows), side)


# --- the header


class _Reference(NamedTuple):
    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def _references(report: Dataset, keyword: str) -> list[_Reference]:
    """Every instance of a Hierarchical SOP Instance Reference (PS3.3 Table C.17-3)."""
    return [
        _Reference(
            str(study.StudyInstanceUID),
            str(series.SeriesInstanceUID),
            str(instance.ReferencedSOPClassUID),
            str(instance.ReferencedSOPInstanceUID),
        )
        for study in report.get(keyword) or []
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]


def _images(report: Dataset, said: Parsed) -> tuple[ImageUse, ...]:
    known = {r.sop_instance_uid: r for r in _references(report, "CurrentRequestedProcedureEvidenceSequence")}
    return tuple(
        ImageUse(
            known[i.sop_instance_uid].sop_class_uid,
            i.sop_instance_uid,
            known[i.sop_instance_uid].series_uid,
            i.used,
            i.role,
            i.reason,
            i.explanation,
        )
        for i in said.images
    )


def _prior(report: Dataset) -> PriorStudy | None:
    for found in _references(report, "PertinentOtherEvidenceSequence"):
        dates = [
            str(item.Date)
            for library in _children(report, concepts.IMAGE_LIBRARY)
            for group in library.ContentSequence
            for item in _children(group, concepts.STUDY_DATE)
        ]
        day = dates[0] if dates else ""
        return PriorStudy(found.study_uid, day, found.sop_class_uid, found.sop_instance_uid, found.series_uid)
    return None


def _provenance(report: Dataset, said: Parsed) -> Provenance:
    author = report.AuthorObserverSequence[0]
    return Provenance(
        manufacturer=str(author.Manufacturer),
        model_name=str(author.ManufacturerModelName),
        algorithm_name=said.made_by["algorithm"],
        algorithm_version=said.made_by["version"],
        weights_digest=said.made_by["weights"],
        quantization=said.made_by["quantization"],
        prompt_id=said.made_by["prompt"],
        device_uid=str(author.DeviceUID),
        station_name=_text(author, "StationName"),
        institution_name=_text(author, "InstitutionName"),
        for_commissioning=said.for_commissioning,
    )


def _analysed_at(report: Dataset) -> datetime:
    """When the model build contributed: the one moment in the document that always has its offset."""
    device = str(report.AuthorObserverSequence[0].DeviceUID)
    (ours,) = [e for e in report.ContributingEquipmentSequence if e.get("DeviceUID") == device]
    return datetime.strptime(str(ours.ContributionDateTime), "%Y%m%d%H%M%S.%f%z").astimezone(UTC)


def _study(report: Dataset) -> Study:
    return Study(
        study_instance_uid=str(report.StudyInstanceUID),
        study_id=_text(report, "StudyID"),
        study_date=_text(report, "StudyDate"),
        study_time=_text(report, "StudyTime"),
        timezone_offset=_text(report, "TimezoneOffsetFromUTC"),
        patient=Patient(
            _text(report, "PatientID"),
            _text(report, "IssuerOfPatientID"),
            _text(report, "PatientName"),
            _text(report, "PatientBirthDate"),
            _text(report, "PatientSex"),
        ),
        order=_order(report),
    )


def _order(report: Dataset) -> Order:
    request = report.ReferencedRequestSequence[0]
    procedures = [
        Code(str(c.CodeValue), str(c.CodingSchemeDesignator), str(c.CodeMeaning))
        for c in request.RequestedProcedureCodeSequence
    ]
    return Order(
        accession_number=_text(report, "AccessionNumber"),
        placer_order_number=_text(request, "PlacerOrderNumberImagingServiceRequest"),
        filler_order_number=_text(request, "FillerOrderNumberImagingServiceRequest"),
        placer_assigner=_assigner(request, "OrderPlacerIdentifierSequence"),
        filler_assigner=_assigner(request, "OrderFillerIdentifierSequence"),
        requested_procedure_id=_text(request, "RequestedProcedureID"),
        procedure=procedures[0] if procedures else None,
        procedure_description=_text(request, "RequestedProcedureDescription"),
        referring_physician=_text(report, "ReferringPhysicianName").removesuffix("^"),
        indication=_text(request, "ReasonForTheRequestedProcedure"),
    )


def _assigner(request: Dataset, keyword: str) -> Assigner | None:
    items = request.get(keyword)
    if not items:
        return None
    keywords = ("LocalNamespaceEntityID", "UniversalEntityID", "UniversalEntityIDType")
    return Assigner(*(_text(items[0], k) for k in keywords))


def _text(item: Dataset, keyword: str) -> str:
    value = item.get(keyword)
    if isinstance(value, MultiValue):  # an identifier with a backslash
        return "\\".join(str(v) for v in value)
    return "" if value is None else str(value)


# --- the tree


def _name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def _value(item: Dataset) -> str:
    return str(item.ConceptCodeSequence[0].CodeValue)


def _children(item: Dataset, name: Code) -> list[Dataset]:
    return [i for i in item.get("ContentSequence") or [] if _name(i) == name.value]


def _child(item: Dataset, name: Code) -> Dataset:
    return _children(item, name)[0]


def _said(report: Dataset) -> Iterator[tuple[str, str]]:
    """(concept, words) of every text of Qualitative Evaluations."""
    for item in _child(report, concepts.QUALITATIVE_EVALUATIONS).ContentSequence:
        if item.ValueType == "TEXT":
            yield _name(item), from_dicom(str(item.TextValue))


def _first(said: list[tuple[str, str]], concept: Code) -> str:
    return next((words for name, words in said if name == concept.value), "")


def _key_of(values: Mapping[_Key, Code], value: str) -> _Key:
    return {code.value: key for key, code in values.items()}[value]
