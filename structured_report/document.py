"""What every Structured Report of ours has around its content tree: document general, equipment, evidence and relations
(PS3.3 C.17).

PRELIMINARY and UNVERIFIED by construction: there is no argument that makes it anything else (PS3.3 Table C.17-2), and
PARTIAL where a view of the study could not be read. Encoding
the same PreRead twice gives the same bytes: nothing comes from the wall clock or from chance.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom import Dataset, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from structured_report import concepts
from structured_report.content import Assigner, Code, Narrative, Outcome, Patient, PreRead, PriorStudy, Region
from structured_report.groups import coded
from structured_report.header import OF_THE_PERSON, evidence_dataset, size_of, valid_date
from structured_report.identity import Place, identify, maker, stamp
from structured_report.text import exactly, one_line
from structured_report.tree import fits


def file_bytes(report: Dataset) -> bytes:
    """The report as a DICOM file (PS3.10), Explicit VR Little Endian."""
    buffer = BytesIO()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(buffer, report, enforce_file_format=True)
    return buffer.getvalue()


def sayable(preread: PreRead, evidence: Sequence[Dataset]) -> PreRead:
    """The pre-read as a report can say it: boxes clipped to their images (PS3.3 C.18.6.1.1), those with no area left
    out; and nothing at all of what has been withdrawn but why."""
    if preread.outcome is Outcome.WITHDRAWN:
        return replace(
            preread, narrative=Narrative(), findings=(), checked=(), regions=(), probabilities=(), verdicts=(), reasons=(),
            abnormal=None, priority=None, prior=None, partial=False,
        )  # fmt: skip
    sizes = {str(i.get("SOPInstanceUID", "")): size_of(i) for i in evidence}
    clipped = (_clipped(r, sizes.get(r.sop_instance_uid)) for r in preread.regions)
    return replace(preread, regions=tuple(r for r in clipped if r.x0 < r.x1 and r.y0 < r.y1))


def _clipped(region: Region, size: tuple[int, int] | None) -> Region:
    if size is None:
        return region
    (x0, x1), (y0, y1) = (
        (min(max(low, 0.0), float(most)), min(max(high, 0.0), float(most)))
        for low, high, most in ((region.x0, region.x1, size[0]), (region.y0, region.y1, size[1]))
    )
    return replace(region, x0=x0, y0=y0, x1=x1, y1=y1)


def write_document(
    kind: type[Dataset],
    tree: Callable[[Sequence[Dataset]], Dataset],
    preread: PreRead,
    evidence: Sequence[Dataset],
    place: Place,
) -> Dataset:
    """One Structured Report around a content tree.

    Args:
        kind: highdicom's class of the SOP class.
        tree: makes the root container from the images' headers, which have been made fit.
        evidence: the study's images with at least their headers; not changed.

    Raises:
        ValueError: there is no evidence; a report about nothing belongs to no study.
    """
    if not evidence:
        raise ValueError("a Structured Report needs the headers of the images it is about")
    headers = [_of_the_patient(evidence_dataset(image), preread.study.patient) for image in evidence]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # highdicom and pydicom remark on source images we do not write
        report = kind(
            evidence=[*headers, *(_prior_evidence(p) for p in [preread.prior] if p is not None)],
            content=tree(headers),
            **maker(preread, place),
            is_complete=not preread.partial,
            is_final=False,
            is_verified=False,
            performed_procedure_codes=[coded(c) for c in [preread.study.order.procedure] if c is not None and fits(c)],
            coding_schemes=[_private_scheme(preread)],
            content_qualification="RESEARCH",
        )
        _complete(report, preread)
    return report


def _of_the_patient(header: Dataset, patient: Patient) -> Dataset:
    """The header without what it says of a person who is not the one that the report is about: a wrong line of the worklist was
    picked, or numbers were merged. Another's identifiers in it, and an archive files the report under him or her too."""
    same_number = str(header.PatientID or "").strip() == patient.patient_id.strip()
    if same_number and valid_date(str(header.PatientBirthDate or "")) == valid_date(patient.birth_date):
        return header
    for keyword in OF_THE_PERSON:
        if keyword in header:
            delattr(header, keyword)
    return header


def _private_scheme(preread: PreRead) -> CodingSchemeIdentificationItem:
    scheme = CodingSchemeIdentificationItem(
        designator=concepts.PRIVATE_SCHEME,
        name=concepts.PRIVATE_SCHEME_NAME,
        version="1",
        responsible_organization=preread.provenance.manufacturer,
    )
    scheme.CodingSchemeUID = concepts.PRIVATE_SCHEME_UID  # highdicom drops a uid that comes without a registry
    return scheme


def _complete(report: Dataset, preread: PreRead) -> None:
    """What highdicom does not write, or writes from the wall clock."""
    identify(report, preread)
    stamp(report, preread)
    report.AuthorObserverSequence = [_author(preread)]
    report.ReferencedRequestSequence = [_request(preread)]


def _author(preread: PreRead) -> Dataset:
    """Identified Person or Device macro for a device (PS3.3 Table C.17-3b)."""
    author = Dataset()
    author.ObserverType = "DEV"
    author.StationName = one_line(preread.provenance.station_name, 16)
    author.DeviceUID = preread.provenance.device_uid
    author.Manufacturer = preread.provenance.manufacturer
    author.ManufacturerModelName = preread.provenance.model_name
    author.InstitutionName = one_line(preread.provenance.institution_name, 64)
    author.InstitutionCodeSequence = []
    return author


def _request(preread: PreRead) -> Dataset:
    """Referenced Request (PS3.3 C.17.2): what is known of the order; unknown is empty, not absent. A number that cannot be
    written whole is left out: half a number is another order's."""
    study, order = preread.study, preread.study.order
    request = Dataset()
    request.StudyInstanceUID = study.study_instance_uid
    request.ReferencedStudySequence = []
    request.AccessionNumber = _whole(order.accession_number, 16)
    request.PlacerOrderNumberImagingServiceRequest = _whole(order.placer_order_number, 64)
    request.FillerOrderNumberImagingServiceRequest = _whole(order.filler_order_number, 64)
    for keyword, number, assigner in (
        ("OrderPlacerIdentifierSequence", request.PlacerOrderNumberImagingServiceRequest, order.placer_assigner),
        ("OrderFillerIdentifierSequence", request.FillerOrderNumberImagingServiceRequest, order.filler_assigner),
    ):
        if number and assigner is not None and (item := _designator(assigner)) is not None:
            setattr(request, keyword, [item])
    request.RequestedProcedureID = _whole(order.requested_procedure_id, 16)
    request.RequestedProcedureDescription = one_line(order.procedure_description, 64)
    known = order.procedure is not None and fits(order.procedure)
    request.RequestedProcedureCodeSequence = [_plain_code(order.procedure)] if known and order.procedure else []
    if order.indication:
        request.ReasonForTheRequestedProcedure = one_line(order.indication, 64)
    return request


# PS3.3 table 10-17.
UNIVERSAL_ID_TYPES = ("DNS", "EUI64", "ISO", "URI", "UUID", "X400", "X500")


def _designator(assigner: Assigner) -> Dataset | None:
    """HL7v2 Hierarchic Designator (PS3.3 table 10-17); None when nothing of it can be written. DICOM has not all the types of a
    universal id that HL7 has."""
    item = Dataset()
    if assigner.namespace and exactly(assigner.namespace) == assigner.namespace:
        item.LocalNamespaceEntityID = assigner.namespace
    if assigner.universal_id_type in UNIVERSAL_ID_TYPES and exactly(assigner.universal_id) == assigner.universal_id:
        item.UniversalEntityID, item.UniversalEntityIDType = assigner.universal_id, assigner.universal_id_type
    return item if len(item) else None


def _whole(identifier: str, limit: int) -> str:
    fit = len(identifier) <= limit and exactly(identifier) == identifier and "\\" not in identifier
    return identifier if fit else ""


def _plain_code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning
    return item


def _prior_evidence(prior: PriorStudy) -> Dataset:
    """As much of the prior image as Pertinent Other Evidence (PS3.3 C.17.2.3) takes from it."""
    image = Dataset()
    image.StudyInstanceUID, image.SeriesInstanceUID = prior.study_instance_uid, prior.series_instance_uid
    image.SOPClassUID, image.SOPInstanceUID = prior.sop_class_uid, prior.sop_instance_uid
    return image


def reference(study_uid: str, series_uid: str, sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    """One instance in its series and study."""
    instance = Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
    series = Dataset()
    series.SeriesInstanceUID = series_uid
    series.ReferencedSOPSequence = [instance]
    study = Dataset()
    study.StudyInstanceUID = study_uid
    study.ReferencedSeriesSequence = [series]
    return study
