"""Whose document it is, when and by what it was made: the same in every DICOM object of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import highdicom as hd
from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from structured_report.content import PreRead
from structured_report.header import valid_date, valid_sex, valid_time, with_caret
from structured_report.text import exactly, one_line


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the study a document goes: the UIDs of its series and of itself, and how its series is called."""

    series_uid: str
    sop_instance_uid: str
    series_description: str
    series_number: int


def identify(report: Dataset, preread: PreRead) -> None:
    """Identity is that of the pre-read, which the ORU carries too; highdicom copies that of the first image."""
    study, patient = preread.study, preread.study.patient
    for keyword, value in (
        ("PatientID", patient.patient_id),
        ("PatientName", patient.name),
        ("StudyID", study.study_id),
        ("AccessionNumber", study.order.accession_number),
    ):
        copy_exactly(report, keyword, value)
    if study.order.referring_physician:
        copy_exactly(report, "ReferringPhysicianName", with_caret(study.order.referring_physician))
    report.PatientBirthDate, report.PatientSex = valid_date(patient.birth_date), valid_sex(patient.sex)
    report.StudyDate, report.StudyTime = valid_date(study.study_date), valid_time(study.study_time)
    if patient.issuer:
        copy_exactly(report, "IssuerOfPatientID", patient.issuer)
    elif "IssuerOfPatientID" in report:
        del report.IssuerOfPatientID
    if study.order.procedure_description:
        report.StudyDescription = one_line(study.order.procedure_description, 64)


def copy_exactly(report: Dataset, keyword: str, text: str) -> None:
    """An identifier as it is but for control characters: too long is better than cut, which would be another's."""
    plain = exactly(text)
    tag = tag_for_keyword(keyword)
    assert tag is not None
    report.add(DataElement(tag, dictionary_VR(tag), plain, validation_mode=IGNORE))


def stamp(report: Dataset, preread: PreRead) -> None:
    """When it was made: when the model had read the study, in the images' own zone where they state one."""
    stated = _zone(preread.study.timezone_offset)
    local = preread.analysed_at.astimezone(stated)  # without an offset of the images: in this machine's own zone
    for prefix in ("Content", "InstanceCreation", "Series"):
        setattr(report, f"{prefix}Date", local.strftime("%Y%m%d"))
        setattr(report, f"{prefix}Time", local.strftime("%H%M%S.%f"))
    if stated is not None:
        # It holds for every date and time of the object, the study's copied ones included: said only when they say so.
        report.TimezoneOffsetFromUTC = local.strftime("%z")
    for item in report.get("ContributingEquipmentSequence", []):
        if "ContributionDateTime" in item:
            item.ContributionDateTime = local.strftime("%Y%m%d%H%M%S.%f%z")


def _zone(offset: str) -> timezone | None:
    """The images' own Timezone Offset From UTC (&ZZXX), so that the report's times read like theirs; None when they do
    not say."""
    try:
        parsed = datetime.strptime(offset.strip(), "%z").tzinfo
    except ValueError:
        return None
    shift = parsed.utcoffset(None) if parsed is not None else None
    return timezone(shift) if shift is not None and abs(shift) <= timedelta(hours=14) else None


def equipment(preread: PreRead) -> hd.ContributingEquipment:
    """The model build as Processing Equipment (IHE AIR 6.5.3.1)."""
    made_by = preread.provenance
    equipment = hd.ContributingEquipment(
        manufacturer=made_by.manufacturer,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=made_by.model_name,
        software_versions=made_by.algorithm_version,
        contribution_datetime=preread.analysed_at,
        contribution_description="Automated chest radiograph pre-read",
    )
    equipment.DeviceUID = made_by.device_uid  # highdicom has no argument for it
    return equipment


def maker(preread: PreRead, place: Place) -> dict[str, Any]:
    """What highdicom's documents are told of where they go and who made them (general series and equipment, PS3.3 C.7.3.1 and
    C.7.5.1), by the names of their arguments."""
    made_by = preread.provenance
    return {
        "series_instance_uid": place.series_uid,
        "series_number": place.series_number,
        "series_description": place.series_description,
        "sop_instance_uid": place.sop_instance_uid,
        "instance_number": 1,
        "manufacturer": made_by.manufacturer,
        "manufacturer_model_name": made_by.model_name,
        "software_versions": made_by.algorithm_version,
        "device_serial_number": made_by.station_name or made_by.device_uid[-16:],
        "institution_name": made_by.institution_name or None,
        "contributing_equipment": [equipment(preread)],
        "specific_character_set": "ISO_IR 192",
    }


def new_object(preread: PreRead, sop_class_uid: str, modality: str, place: Place) -> Dataset:
    """Patient, study, series, equipment and SOP common (PS3.3 C.7, C.12.1) of an object beside the report."""
    made, made_by = Dataset(), preread.provenance
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = sop_class_uid
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = place.sop_instance_uid
    made.StudyInstanceUID, made.SeriesInstanceUID = preread.study.study_instance_uid, place.series_uid
    made.Modality, made.InstanceNumber = modality, 1
    made.Laterality = ""  # of a paired part of the body (PS3.3 C.7.3.1), which a chest is not: empty, not absent
    made.SeriesNumber, made.SeriesDescription = place.series_number, place.series_description
    made.ReferringPhysicianName = ""
    made.Manufacturer, made.ManufacturerModelName = made_by.manufacturer, made_by.model_name
    made.SoftwareVersions = made_by.algorithm_version
    made.DeviceSerialNumber = made_by.station_name or made_by.device_uid[-16:]
    made.StationName, made.InstitutionName = one_line(made_by.station_name, 16), one_line(made_by.institution_name, 64)
    made.ContributingEquipmentSequence = [equipment(preread)]
    identify(made, preread)
    stamp(made, preread)
    return made
