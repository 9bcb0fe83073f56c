"""What the header of an image says, as plain text and numbers: enough to decide whose it is, whether it is ours, and
how it is to be read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from agent.imaging.characters import make_readable

# No attribute kept here is longer by the standard (PS3.5 6.2: LO 64, PN 5 x 64), so that no identifier is ever cut.
MAX_TEXT = 1024
PHANTOM = ("cxr-preread project", "phantom")  # Manufacturer and Manufacturer's Model Name of every film that is drawn
QC_MARK = "QC"  # how Patient ID and Accession Number of the constancy test begin


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """Header attributes of one image. Text is decoded, without padding; empty or zero means absent. Names follow the
    attributes' keywords.

    Attributes:
        anatomic_regions: (code value, scheme) of Anatomic Region Sequence.
        view_codes: (code value, scheme) of View Code Sequence.
        procedure_codes: (value, scheme, meaning), the order's own (Requested Procedure Code Sequence of Request
            Attributes) before the performed ones.
        indication: Reason for the Requested Procedure, else Reason for Study (retired), else Additional Patient History.
        acquisition_datetime: Acquisition DateTime, else Acquisition, Content or Study date and time, as digits that
            sort.
        descriptions: study, series, protocol and performed procedure descriptions, for key words.
        undecodable: keywords of attributes that are there and are no text of the character set that the image declares.
    """

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    modality: str = ""
    rows: int = 0
    columns: int = 0
    samples_per_pixel: int = 1
    number_of_frames: int = 1
    bits_allocated: int = 0
    bits_stored: int = 0
    photometric_interpretation: str = ""
    presentation_intent_type: str = ""
    image_type: tuple[str, ...] = ()
    body_part_examined: str = ""
    anatomic_regions: tuple[tuple[str, str], ...] = ()
    view_codes: tuple[tuple[str, str], ...] = ()
    view_position: str = ""
    patient_orientation: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    acquisition_datetime: str = ""
    quality_control_image: str = ""
    burned_in_annotation: str = ""
    lossy_image_compression: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_age: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    placer_order_number: str = ""
    filler_order_number: str = ""
    requested_procedure_id: str = ""
    scheduled_procedure_step_id: str = ""
    procedure_codes: tuple[tuple[str, str, str], ...] = ()
    indication: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    timezone_offset: str = ""
    manufacturer: str = ""
    manufacturer_model_name: str = ""
    undecodable: tuple[str, ...] = ()

    @property
    def is_phantom(self) -> bool:
        """Whether this program drew the image."""
        return (self.manufacturer, self.manufacturer_model_name) == PHANTOM

    @property
    def is_own_picture(self) -> bool:
        """Whether the image is a summary picture of a pre-read, which must not be read in its turn."""
        return self.manufacturer == PHANTOM[0] and self.image_type[:2] == ("DERIVED", "SECONDARY")

    @property
    def is_of_constancy_test(self) -> bool:
        """Whether this program drew the image for its constancy test. A patient whose identifiers happen to begin like
        the test's has films that no program drew."""
        return self.is_phantom and self.patient_id.startswith(QC_MARK) and self.accession_number.startswith(QC_MARK)

    def to_json(self) -> str:
        """The facts as one JSON object."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> InstanceFacts:
        """The facts that :meth:`to_json` wrote. Raises `ValueError` or `TypeError` for anything else."""
        values = json.loads(text)
        return cls(**{f.name: _frozen(values[f.name]) for f in fields(cls) if f.name in values})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


_IN_ITEMS = (
    "CodeValue", "LongCodeValue", "CodingSchemeDesignator", "CodeMeaning", "RequestedProcedureID",
    "ScheduledProcedureStepID", "RequestedProcedureCodeSequence", "ReasonForTheRequestedProcedure",
)  # fmt: skip
KEYWORDS = (
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
    "Modality", "Rows", "Columns",
    "SamplesPerPixel", "NumberOfFrames", "BitsAllocated", "BitsStored", "PhotometricInterpretation",
    "PresentationIntentType", "ImageType",
    "BodyPartExamined", "AnatomicRegionSequence", "ViewCodeSequence", "ViewPosition", "PatientOrientation",
    "StudyDescription",
    "SeriesDescription", "ProtocolName", "PerformedProcedureStepDescription", "AcquisitionDateTime",
    "AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime", "QualityControlImage",
    "BurnedInAnnotation", "LossyImageCompression",
    "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientAge", "PatientSex", "AccessionNumber",
    "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest",
    "ReasonForTheRequestedProcedure", "RequestAttributesSequence", "ProcedureCodeSequence",
    "StudyID", "StudyDate", "StudyTime", "TimezoneOffsetFromUTC",
    "Manufacturer", "ManufacturerModelName", "ReasonForStudy", "AdditionalPatientHistory",
)  # fmt: skip
_TAG_OF = {k: BaseTag(t) for k in (*KEYWORDS, *_IN_ITEMS) if (t := tag_for_keyword(k)) is not None}
TAGS = tuple(sorted(int(t) for k in KEYWORDS if (t := tag_for_keyword(k)) is not None))


def facts_of(header: Dataset, *, undeclared: str = "") -> InstanceFacts:
    """The facts of a header, whose texts are decoded in place. Values that cannot be decoded count as absent: a wrong VR is no
    reason to lose an image; texts among them are named.

    Args:
        undeclared: the character set that is meant where the image declares none (`characters.make_readable`).
    """
    undecodable = make_readable(header, undeclared=undeclared)
    request = next(_items(header, "RequestAttributesSequence"), Dataset())
    return InstanceFacts(
        sop_class_uid=_text(header, "SOPClassUID"),
        sop_instance_uid=_text(header, "SOPInstanceUID"),
        study_instance_uid=_text(header, "StudyInstanceUID"),
        series_instance_uid=_text(header, "SeriesInstanceUID"),
        modality=_text(header, "Modality").upper(),
        rows=_number(header, "Rows", 0),
        columns=_number(header, "Columns", 0),
        samples_per_pixel=_number(header, "SamplesPerPixel", 1),
        number_of_frames=_number(header, "NumberOfFrames", 1),
        bits_allocated=_number(header, "BitsAllocated", 0),
        bits_stored=_number(header, "BitsStored", 0),
        photometric_interpretation=_text(header, "PhotometricInterpretation").upper(),
        presentation_intent_type=_text(header, "PresentationIntentType").upper(),
        image_type=tuple(v.upper() for v in _texts(header, "ImageType")),
        body_part_examined=_text(header, "BodyPartExamined").upper(),
        anatomic_regions=tuple(c[:2] for c in _codes(header, "AnatomicRegionSequence")),
        view_codes=tuple(c[:2] for c in _codes(header, "ViewCodeSequence")),
        view_position=_text(header, "ViewPosition").upper(),
        patient_orientation=tuple(v.upper() for v in _texts(header, "PatientOrientation")),
        descriptions=tuple(
            t
            for k in ("StudyDescription", "SeriesDescription", "ProtocolName", "PerformedProcedureStepDescription")
            if (t := _text(header, k))
        ),
        acquisition_datetime=_moment(header),
        quality_control_image=_text(header, "QualityControlImage").upper(),
        burned_in_annotation=_text(header, "BurnedInAnnotation").upper(),
        lossy_image_compression=_text(header, "LossyImageCompression"),
        patient_id=_text(header, "PatientID"),
        issuer_of_patient_id=_text(header, "IssuerOfPatientID"),
        patient_name=_text(header, "PatientName"),
        patient_birth_date=_text(header, "PatientBirthDate"),
        patient_age=_text(header, "PatientAge").upper(),
        patient_sex=_text(header, "PatientSex"),
        accession_number=_text(header, "AccessionNumber"),
        placer_order_number=_text(header, "PlacerOrderNumberImagingServiceRequest"),
        filler_order_number=_text(header, "FillerOrderNumberImagingServiceRequest"),
        requested_procedure_id=_text(request, "RequestedProcedureID"),
        scheduled_procedure_step_id=_text(request, "ScheduledProcedureStepID"),
        procedure_codes=(*_codes(request, "RequestedProcedureCodeSequence"), *_codes(header, "ProcedureCodeSequence")),
        indication=(
            _text(request, "ReasonForTheRequestedProcedure")
            or _text(header, "ReasonForTheRequestedProcedure")
            or _text(header, "ReasonForStudy")
            or _text(header, "AdditionalPatientHistory")
        ),
        study_id=_text(header, "StudyID"),
        study_date=_text(header, "StudyDate"),
        study_time=_text(header, "StudyTime"),
        study_description=_text(header, "StudyDescription"),
        timezone_offset=_text(header, "TimezoneOffsetFromUTC"),
        manufacturer=_text(header, "Manufacturer"),
        manufacturer_model_name=_text(header, "ManufacturerModelName"),
        undecodable=undecodable,
    )


def _value(header: Dataset, keyword: str) -> Any:
    tag = _TAG_OF[keyword]
    if tag not in header:
        return None
    try:
        return header[tag].value
    except Exception:  # noqa: BLE001  a value pydicom cannot convert (wrong VR, unknown character set) counts as absent
        return None


def _texts(header: Dataset, keyword: str) -> tuple[str, ...]:
    value = _value(header, keyword)
    if value is None or isinstance(value, bytes):
        return ()
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return tuple(str(v).strip(" \0")[:MAX_TEXT] for v in values)


def _text(header: Dataset, keyword: str) -> str:
    return "\\".join(_texts(header, keyword))


def _number(header: Dataset, keyword: str, default: int) -> int:
    texts = _texts(header, keyword)
    try:
        return int(float(texts[0])) if texts and texts[0] else default
    except (ValueError, OverflowError):
        return default


def _items(header: Dataset, keyword: str) -> Iterator[Dataset]:
    value = _value(header, keyword)
    if isinstance(value, str | bytes) or value is None:
        return
    yield from (item for item in value if isinstance(item, Dataset))


def _codes(header: Dataset, keyword: str) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (
            _text(i, "CodeValue") or _text(i, "LongCodeValue"),
            _text(i, "CodingSchemeDesignator"),
            _text(i, "CodeMeaning"),
        )
        for i in _items(header, keyword)
    )


def _moment(header: Dataset) -> str:
    if whole := _text(header, "AcquisitionDateTime"):
        return whole
    for date, time in (
        ("AcquisitionDate", "AcquisitionTime"),
        ("ContentDate", "ContentTime"),
        ("StudyDate", "StudyTime"),
    ):
        if day := _text(header, date):
            return day.replace(".", "") + _text(header, time).replace(":", "")
    return ""


# Whose the image is, and of which order: without one of these no result may leave.
_IDENTITY = frozenset({
    "PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyID", "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest", "RequestedProcedureID", "ScheduledProcedureStepID",
})  # fmt: skip


def unreadable_identity(images: Sequence[InstanceFacts]) -> str:
    """Which identifiers of the images are not text of the character set that they declare, as a list of attribute names;
    empty when all can be read."""
    return _names({k for i in images for k in i.undecodable if k in _IDENTITY})


def unreadable_texts(images: Sequence[InstanceFacts]) -> str:
    """A sentence for reader and administrator about other texts that cannot be read; empty when there are none."""
    lost = {k for i in images for k in i.undecodable if k not in _IDENTITY}
    if not lost:
        return ""
    return f"left out, because not in the character set that the images declare: {_names(lost)}"


def _names(keywords: Iterable[str]) -> str:
    return ", ".join(sorted(dictionary_description(k) for k in keywords))


def differing_orders(images: Sequence[InstanceFacts]) -> str:
    """A sentence for reader and administrator when the images belong to several orders; empty when they do not."""
    numbers = sorted({i.accession_number.strip() for i in images} - {""})
    if len(numbers) < 2:
        return ""
    return (
        f"the images carry {len(numbers)} accession numbers ({', '.join(numbers)}); the report goes under one of them"
    )
