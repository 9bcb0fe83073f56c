"""PreRead -> Comprehensive 3D SR or Comprehensive SR, root template TID 1500 (PS3.16), as IHE AIR asks for.

PRELIMINARY, COMPLETE and UNVERIFIED by construction: there is no argument that makes it anything else (PS3.3 Table
C.17-2). Encoding the same PreRead twice gives the same bytes: nothing comes from the wall clock or from chance.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from io import BytesIO

import highdicom as hd
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import Comprehensive3DSR
from pydicom import Dataset, dcmwrite
from pydicom.sr.codedict import codes
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian

from structured_report import concepts
from structured_report.content import Code, PreRead
from structured_report.header import evidence_dataset, valid_date, valid_sex, valid_time
from structured_report.text import one_line
from structured_report.tree import coded, content_tree, fits

SERIES_DESCRIPTION = "AI pre-read (unverified)"  # stable: PACS rules key on it
SERIES_NUMBER = 9001


def encode_sr(preread: PreRead, evidence: Sequence[Dataset]) -> Dataset:
    """Write the pre-read as a Comprehensive 3D SR (88.34).

    Args:
        evidence: the study's images with at least their headers, those of `preread.images`; not changed.

    Raises:
        ValueError: there is no evidence; a report about nothing belongs to no study.
    """
    if not evidence:
        raise ValueError("a Structured Report needs the headers of the images it is about")
    headers = [evidence_dataset(image) for image in evidence]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # highdicom and pydicom remark on source images we do not write
        report = _document(preread, headers)
    _complete(report, preread)
    return report


def as_comprehensive_sr(report: Dataset) -> Dataset:
    """The same report as Comprehensive SR (88.33), for a peer that takes nothing newer: nothing in the tree needs the
    third dimension. Changes the report."""
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = ComprehensiveSRStorage
    for document in report.get("PredecessorDocumentsSequence", []):
        for series in document.ReferencedSeriesSequence:
            for instance in series.ReferencedSOPSequence:
                instance.ReferencedSOPClassUID = ComprehensiveSRStorage
    return report


def file_bytes(report: Dataset) -> bytes:
    """The report as a DICOM file (PS3.10), Explicit VR Little Endian."""
    buffer = BytesIO()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(buffer, report, enforce_file_format=True)
    return buffer.getvalue()


def _document(preread: PreRead, headers: Sequence[Dataset]) -> Dataset:
    made_by = preread.provenance
    equipment = hd.ContributingEquipment(
        manufacturer=made_by.manufacturer,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=made_by.model_name,
        software_versions=made_by.algorithm_version,
        contribution_description="Automated chest radiograph pre-read",
    )
    equipment.DeviceUID = made_by.device_uid  # IHE AIR 6.5.3.1; highdicom has no argument for it
    scheme = CodingSchemeIdentificationItem(
        designator=concepts.PRIVATE_SCHEME,
        name=concepts.PRIVATE_SCHEME_NAME,
        version="1",
        responsible_organization=made_by.manufacturer,
    )
    scheme.CodingSchemeUID = concepts.PRIVATE_SCHEME_UID  # highdicom drops a uid that comes without a registry
    return Comprehensive3DSR(
        evidence=list(headers),
        content=content_tree(preread, headers),
        series_instance_uid=preread.sr_series_uid,
        series_number=SERIES_NUMBER,
        sop_instance_uid=preread.sr_instance_uid,
        instance_number=1,
        manufacturer=made_by.manufacturer,
        manufacturer_model_name=made_by.model_name,
        software_versions=made_by.algorithm_version,
        device_serial_number=made_by.station_name or made_by.device_uid[-16:],
        series_description=SERIES_DESCRIPTION,
        institution_name=made_by.institution_name or None,
        is_complete=True,
        is_final=False,
        is_verified=False,
        performed_procedure_codes=[coded(c) for c in [preread.study.order.procedure] if c is not None and fits(c)],
        contributing_equipment=[equipment],
        coding_schemes=[scheme],
        content_qualification="RESEARCH",
        specific_character_set="ISO_IR 192",
    )


def _complete(report: Dataset, preread: PreRead) -> None:
    """What highdicom does not write, or writes from the wall clock."""
    stated = _zone(preread.study.timezone_offset)
    local = preread.analysed_at.astimezone(stated)  # without an offset of the images: in this machine's own zone
    for prefix in ("Content", "InstanceCreation", "Series"):
        setattr(report, f"{prefix}Date", local.strftime("%Y%m%d"))
        setattr(report, f"{prefix}Time", local.strftime("%H%M%S.%f"))
    if stated is not None:
        # It holds for every date and time of the object, the study's copied ones included: said only when they say so.
        report.TimezoneOffsetFromUTC = local.strftime("%z")
    _identify(report, preread)
    if preread.study.patient.issuer:
        report.IssuerOfPatientID = one_line(preread.study.patient.issuer, 64)
    if preread.study.order.procedure_description:
        report.StudyDescription = one_line(preread.study.order.procedure_description, 64)
    report.AuthorObserverSequence = [_author(preread)]
    report.ReferencedRequestSequence = [_request(preread)]
    if preread.supersedes_sr_uid:
        report.PredecessorDocumentsSequence = [_predecessor(preread, report.SOPClassUID)]
    for item in report.get("ContributingEquipmentSequence", []):
        if "ContributionDateTime" in item:
            item.ContributionDateTime = local.strftime("%Y%m%d%H%M%S.%f%z")


def _identify(report: Dataset, preread: PreRead) -> None:
    """Identity is that of the pre-read, which the ORU carries too; highdicom copies that of the first image."""
    study, patient = preread.study, preread.study.patient
    report.PatientID, report.PatientName = patient.patient_id, patient.name
    report.PatientBirthDate, report.PatientSex = valid_date(patient.birth_date), valid_sex(patient.sex)
    report.StudyID, report.AccessionNumber = study.study_id, study.order.accession_number
    report.StudyDate, report.StudyTime = valid_date(study.study_date), valid_time(study.study_time)


def _zone(offset: str) -> timezone | None:
    """The images' own Timezone Offset From UTC (&ZZXX), so that the report's times read like theirs; None when they do
    not say."""
    try:
        parsed = datetime.strptime(offset.strip(), "%z").tzinfo
    except ValueError:
        return None
    shift = parsed.utcoffset(None) if parsed is not None else None
    return timezone(shift) if shift is not None and abs(shift) <= timedelta(hours=14) else None


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
    """Referenced Request (PS3.3 C.17.2): what is known of the order; unknown is empty, not absent."""
    study, order = preread.study, preread.study.order
    request = Dataset()
    request.StudyInstanceUID = study.study_instance_uid
    request.ReferencedStudySequence = []
    request.AccessionNumber = order.accession_number[:16]
    request.PlacerOrderNumberImagingServiceRequest = one_line(order.placer_order_number, 64)
    request.FillerOrderNumberImagingServiceRequest = one_line(order.filler_order_number, 64)
    request.RequestedProcedureID = one_line(order.requested_procedure_id, 16)
    request.RequestedProcedureDescription = one_line(order.procedure_description, 64)
    known = order.procedure is not None and fits(order.procedure)
    request.RequestedProcedureCodeSequence = [_plain_code(order.procedure)] if known and order.procedure else []
    return request


def _plain_code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning
    return item


def _predecessor(preread: PreRead, sop_class_uid: str) -> Dataset:
    """The report of the revision before, which this one replaces (PS3.3 C.17.2)."""
    instance = Dataset()
    instance.ReferencedSOPClassUID = sop_class_uid
    instance.ReferencedSOPInstanceUID = preread.supersedes_sr_uid
    series = Dataset()
    series.SeriesInstanceUID = preread.supersedes_series_uid
    series.ReferencedSOPSequence = [instance]
    study = Dataset()
    study.StudyInstanceUID = preread.study.study_instance_uid
    study.ReferencedSeriesSequence = [series]
    return study
