"""Answers of a query: studies, series, images and scheduled steps, the same whether they came by C-FIND or as DICOM JSON.

A value that is absent, of another kind, or cannot be decoded is empty: an answer is the other side's, and nothing in it may
stop the query.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

MOST_TEXT = 1024  # characters of one value; no attribute asked for is longer by the standard (PS3.5 6.2)
T = TypeVar("T")


class Answer(Protocol):
    """Attributes by keyword."""

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Every value, without padding; a person name has its component groups, parted by ``=``."""
        ...

    def items(self, keyword: str) -> tuple[Answer, ...]:
        """The items of a sequence."""
        ...


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What a query found.

    Attributes:
        answers: at most so many as were asked for.
        more: the peer had more, and was told to stop.
        status: the final one: a DIMSE status, or that of HTTP.
        comment: the peer's own words.
    """

    answers: tuple[T, ...]
    more: bool
    status: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """One study of a patient. `modalities`: Modalities in Study, where the peer says them."""

    study_instance_uid: str
    study_date: str = ""
    study_time: str = ""
    description: str = ""
    modalities: tuple[str, ...] = ()
    accession_number: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """One series of a study."""

    series_instance_uid: str
    modality: str = ""
    body_part_examined: str = ""
    description: str = ""
    series_number: str = ""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """One image of a series. `sop_class_uid` is empty where the peer does not say it."""

    sop_instance_uid: str
    sop_class_uid: str = ""
    instance_number: str = ""


@dataclass(frozen=True, slots=True)
class DatasetAnswer:
    """The identifier of a C-FIND response."""

    dataset: Dataset

    def texts(self, keyword: str) -> tuple[str, ...]:
        value = self._value(keyword)
        if value is None or isinstance(value, bytes | Dataset):
            return ()
        values = value if isinstance(value, MultiValue | list | tuple) else [value]
        return tuple(text_of(v) for v in values if not isinstance(v, Dataset))

    def items(self, keyword: str) -> tuple[Answer, ...]:
        value = self._value(keyword)
        if value is None or isinstance(value, str | bytes | PersonName):
            return ()
        try:
            return tuple(DatasetAnswer(item) for item in value if isinstance(item, Dataset))
        except TypeError:
            return ()

    def _value(self, keyword: str) -> Any:
        tag = tag_for_keyword(keyword)
        if tag is None or tag not in self.dataset:
            return None
        try:
            return self.dataset[tag].value
        except Exception:  # noqa: BLE001  a value pydicom cannot convert (wrong VR, unknown character set) counts as absent
            return None


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """One object of the DICOM JSON model (PS3.18 F.2)."""

    value: Any

    def texts(self, keyword: str) -> tuple[str, ...]:
        return tuple(_json_text(v) for v in self._values(keyword) if isinstance(v, str | int | float | dict))

    def items(self, keyword: str) -> tuple[Answer, ...]:
        return tuple(JsonAnswer(v) for v in self._values(keyword) if isinstance(v, dict))

    def _values(self, keyword: str) -> list[Any]:
        tag = tag_for_keyword(keyword)
        if tag is None or not isinstance(self.value, dict):
            return []
        element = self.value.get(f"{tag:08X}")
        values = element.get("Value") if isinstance(element, dict) else None
        return values if isinstance(values, list) else []


def _json_text(value: Any) -> str:
    """A value as text. A person name has its groups (PS3.18 F.2.2)."""
    if isinstance(value, dict):
        groups = [value.get(name) for name in ("Alphabetic", "Ideographic", "Phonetic")]
        return text_of("=".join(g if isinstance(g, str) else "" for g in groups).rstrip("="))
    return text_of(value)


def text_of(value: Any) -> str:
    """One value without padding, in the length that any attribute asked for may have."""
    return str(value).strip(" \0")[:MOST_TEXT]


def first(answer: Answer, keyword: str) -> str:
    """The first value, or empty text."""
    return next(iter(answer.texts(keyword)), "")


def as_study(answer: Answer) -> FoundStudy:
    """A study-level answer (PS3.4 Table C.6-5, PS3.18 Table 10.6.3-3)."""
    return FoundStudy(
        study_instance_uid=first(answer, "StudyInstanceUID"),
        study_date=first(answer, "StudyDate").replace(".", ""),
        study_time=first(answer, "StudyTime").replace(":", ""),
        description=first(answer, "StudyDescription"),
        modalities=tuple(m.upper() for m in answer.texts("ModalitiesInStudy") if m),
        accession_number=first(answer, "AccessionNumber"),
        patient_id=first(answer, "PatientID"),
        issuer_of_patient_id=first(answer, "IssuerOfPatientID"),
        patient_name=first(answer, "PatientName"),
        patient_birth_date=first(answer, "PatientBirthDate").replace(".", ""),
        patient_sex=first(answer, "PatientSex").upper(),
    )


def as_series(answer: Answer) -> FoundSeries:
    """A series-level answer."""
    return FoundSeries(
        series_instance_uid=first(answer, "SeriesInstanceUID"),
        modality=first(answer, "Modality").upper(),
        body_part_examined=first(answer, "BodyPartExamined").upper(),
        description=first(answer, "SeriesDescription"),
        series_number=first(answer, "SeriesNumber"),
    )


def as_image(answer: Answer) -> FoundImage:
    """An image-level answer."""
    return FoundImage(
        sop_instance_uid=first(answer, "SOPInstanceUID"),
        sop_class_uid=first(answer, "SOPClassUID"),
        instance_number=first(answer, "InstanceNumber"),
    )


# What is asked for at each level, beside the unique keys.
STUDY_KEYS = (
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription", "ModalitiesInStudy", "AccessionNumber",
    "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex",
)  # fmt: skip
SERIES_KEYS = ("SeriesInstanceUID", "Modality", "BodyPartExamined", "SeriesDescription", "SeriesNumber")
IMAGE_KEYS = ("SOPInstanceUID", "SOPClassUID", "InstanceNumber")
Reader = Callable[[Answer], T]
