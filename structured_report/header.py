"""Image headers made fit for a report: nothing invented, nothing that makes a report impossible.

highdicom reads Type 2 attributes without a default and refuses some values that real devices write. Identifiers are
copied unaltered; an attribute that cannot be written in a valid report is left empty.
"""

from __future__ import annotations

import copy
import re
from datetime import date

from pydicom import Dataset
from pydicom.multival import MultiValue

_TYPE_2 = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
OF_THE_PERSON = ("PatientAge", "OtherPatientIDsSequence", "EthnicGroup", "PatientComments")
"""What a header says of the person beside name, number, birth date and sex, and a report copies."""
_REPORTED = (
    *_TYPE_2, "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality",
    "Rows", "Columns", "IssuerOfPatientID", "StudyDescription", "PatientOrientation", "ImagerPixelSpacing", "PixelSpacing",
    "BodyPartExamined", "ImageLaterality",
    "AnatomicRegionSequence", "ViewCodeSequence", "ViewPosition", "AcquisitionDate", "AcquisitionTime",
    "ContentDate", "ContentTime", "Manufacturer",
    "ManufacturerModelName", "InstitutionName", "SoftwareVersions", "DeviceSerialNumber", "StationName",
    "InstanceNumber", "SeriesNumber",
    "FrameOfReferenceUID", *OF_THE_PERSON,
)  # fmt: skip
# highdicom asks for these; none of them gets into the report when it is made up here.
_NEEDED = {"Modality": "OT", "Rows": 1, "Columns": 1}
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?", re.ASCII)
_DATE = re.compile(r"\d{8}", re.ASCII)


def evidence_dataset(image: Dataset) -> Dataset:
    """A copy of the attributes of an image that a report about it may need, acceptable to highdicom."""
    header = Dataset()
    for keyword in _REPORTED:
        if (element := _element(image, keyword)) is not None:
            header.add(element)
    for keyword in _TYPE_2:
        if keyword not in header:
            setattr(header, keyword, None if keyword in ("StudyDate", "StudyTime") else "")
    header.StudyDate = valid_date(str(header.get("StudyDate") or "")) or None
    header.StudyTime = valid_time(str(header.get("StudyTime") or "")) or None
    header.PatientBirthDate = valid_date(str(header.get("PatientBirthDate") or ""))
    header.PatientSex = valid_sex(str(header.get("PatientSex") or ""))
    header.PatientName = _one_name(header.get("PatientName"))
    header.ReferringPhysicianName = with_caret(_one_name(header.get("ReferringPhysicianName")))
    for keyword, absent in _NEEDED.items():
        if not header.get(keyword):
            setattr(header, keyword, absent)
    header.file_meta = copy.deepcopy(getattr(image, "file_meta", None)) or Dataset()
    return header


def _one_name(value: object) -> str:
    """A Patient's Name has one value (PS3.3 C.7.1.1); a backslash in one that is sent makes it several."""
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return " ".join(str(v) for v in values if v)


def with_caret(name: str) -> str:
    """A name of one component, with the delimiter that tells it from the retired free form; a trailing delimiter means
    nothing else (PS3.5 6.2.1.1)."""
    return f"{name}^" if name and "^" not in name and "=" not in name else name


def size_of(image: Dataset) -> tuple[int, int] | None:
    """(columns, rows) of the stored image; None when the header does not say."""
    try:
        columns, rows = int(image.get("Columns") or 0), int(image.get("Rows") or 0)
    except (TypeError, ValueError):
        return None
    return (columns, rows) if columns > 0 and rows > 0 else None


def _element(image: Dataset, keyword: str) -> object:
    try:
        return copy.deepcopy(image[keyword]) if keyword in image else None
    except Exception:  # noqa: BLE001  an element pydicom cannot convert is as good as absent: it must not cost the study its report
        return None


def valid_date(text: str) -> str:
    """The text if it is a DA (PS3.5 6.2) and a day of the calendar, else empty."""
    day = text.strip()
    if not _DATE.fullmatch(day):
        return ""
    try:
        date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError:
        return ""
    return day


def valid_time(text: str) -> str:
    """The text if it is a TM (PS3.5 6.2), else empty."""
    return text.strip() if _TIME.fullmatch(text.strip()) else ""


def valid_sex(text: str) -> str:
    """M, F or O (PS3.3 C.7.1.1), else empty."""
    return text.strip() if text.strip() in ("M", "F", "O") else ""


def library_is_possible(image: Dataset) -> bool:
    """Whether TID 1600 can be filled from the header without inventing anything."""
    orientation = image.get("PatientOrientation")
    spacing = image.get("ImagerPixelSpacing")
    return bool(orientation) and len(orientation) == 2 and all(orientation) and bool(spacing) and len(spacing) == 2
