"""What stands in the Structured Report: made by encoding reports, and looking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from pydicom import Dataset
from pydicom.datadict import dictionary_description

from agent.papers import example
from agent.papers.blocks import MissingRow, table
from structured_report.sr import encode_sr

# Where a value comes from (PS3.2 Annex N): from the images or the order, made here, from the settings, or always the same.
COPY, AUTO, CONFIG, FIXED = "COPY", "AUTO", "CONFIG", "FIXED"
_PATIENT, _STUDY, _SERIES, _EQUIPMENT = "Patient", "General Study", "SR Document Series", "General Equipment"
_GENERAL, _CONTENT, _COMMON = "SR Document General", "SR Document Content", "SOP Common"
_SOURCES = {
    "PatientName": (_PATIENT, COPY), "PatientID": (_PATIENT, COPY), "IssuerOfPatientID": (_PATIENT, COPY),
    "PatientBirthDate": (_PATIENT, COPY), "PatientSex": (_PATIENT, COPY),
    "StudyInstanceUID": (_STUDY, COPY), "StudyDate": (_STUDY, COPY), "StudyTime": (_STUDY, COPY), "StudyID": (_STUDY, COPY),
    "AccessionNumber": (_STUDY, COPY), "ReferringPhysicianName": (_STUDY, COPY), "StudyDescription": (_STUDY, COPY),
    "Modality": (_SERIES, FIXED), "SeriesInstanceUID": (_SERIES, AUTO), "SeriesNumber": (_SERIES, FIXED),
    "SeriesDescription": (_SERIES, FIXED), "SeriesDate": (_SERIES, AUTO), "SeriesTime": (_SERIES, AUTO),
    "ReferencedPerformedProcedureStepSequence": (_SERIES, FIXED),
    "Manufacturer": (_EQUIPMENT, FIXED), "ManufacturerModelName": (_EQUIPMENT, AUTO), "SoftwareVersions": (_EQUIPMENT, AUTO),
    "DeviceSerialNumber": (_EQUIPMENT, "CONFIG: `report.station_name`; else AUTO"),
    "InstitutionName": (_EQUIPMENT, "CONFIG: `report.institution_name`"),
    "InstanceNumber": (_GENERAL, FIXED), "CompletionFlag": (_GENERAL, AUTO), "VerificationFlag": (_GENERAL, FIXED),
    "PreliminaryFlag": (_GENERAL, FIXED), "ContentDate": (_GENERAL, AUTO), "ContentTime": (_GENERAL, AUTO),
    "AuthorObserverSequence": (_GENERAL, AUTO), "PredecessorDocumentsSequence": (_GENERAL, AUTO),
    "ReferencedRequestSequence": (_GENERAL, COPY), "PerformedProcedureCodeSequence": (_GENERAL, COPY),
    "CurrentRequestedProcedureEvidenceSequence": (_GENERAL, AUTO), "PertinentOtherEvidenceSequence": (_GENERAL, AUTO),
    "ValueType": (_CONTENT, FIXED), "ConceptNameCodeSequence": (_CONTENT, FIXED), "ContinuityOfContent": (_CONTENT, FIXED),
    "ContentTemplateSequence": (_CONTENT, FIXED), "ContentSequence": (_CONTENT, AUTO),
    "SOPClassUID": (_COMMON, FIXED), "SOPInstanceUID": (_COMMON, AUTO), "SpecificCharacterSet": (_COMMON, FIXED),
    "InstanceCreationDate": (_COMMON, AUTO), "InstanceCreationTime": (_COMMON, AUTO),
    "TimezoneOffsetFromUTC": (_COMMON, COPY), "ContentQualification": (_COMMON, FIXED),
    "CodingSchemeIdentificationSequence": (_COMMON, FIXED), "ContributingEquipmentSequence": (_COMMON, AUTO),
}  # fmt: skip
_ORDER = (_PATIENT, _STUDY, _SERIES, _EQUIPMENT, _GENERAL, _CONTENT, _COMMON)


_OF_A_FEW_VALUES = ("CompletionFlag",)


@lru_cache(maxsize=1)
def _reports() -> tuple[Dataset, ...]:
    image, poor = example.example_image(), example.bare_image()
    return (
        encode_sr(example.example(), [image]),
        encode_sr(example.short_example(), [image]),
        encode_sr(replace(example.short_example(), partial=True), [image]),
        encode_sr(example.bare(), [poor]),
        encode_sr(example.withdrawn(), [image]),
    )


def attributes_table() -> str:
    """The top level of a report, by module. Raises `MissingRow` for an attribute whose source is not explained."""
    reports = _reports()
    keywords = {e.keyword for r in reports for e in r}
    if silent := sorted(keywords - set(_SOURCES)):
        raise MissingRow(
            f"{', '.join(silent)} of the Structured Report: say where it comes from in agent/papers/report.py"
        )
    rows = []
    for keyword in sorted(keywords, key=lambda k: (_ORDER.index(_SOURCES[k][0]), _tag(reports, k))):
        element = next(r[keyword] for r in reports if keyword in r)
        module, source = _SOURCES[keyword]
        told = (source == FIXED and element.VR != "SQ") or keyword in _OF_A_FEW_VALUES
        values = dict.fromkeys(f"`{r[keyword].value}`" for r in reports if keyword in r)
        value = " or ".join(values) if told else ""
        rows.append(
            (module, dictionary_description(keyword), f"{element.tag}".strip("()"), element.VR, value, _presence(reports, keyword), source)
        )  # fmt: skip
    return table(("Module", "Attribute", "Tag", "VR", "Value", "Presence", "Source"), rows)


def _tag(reports: tuple[Dataset, ...], keyword: str) -> int:
    return next(int(r[keyword].tag) for r in reports if keyword in r)


def _presence(reports: tuple[Dataset, ...], keyword: str) -> str:
    """PS3.2 N: ALWAYS; VNAP, the value may be empty; ANAP, the attribute may be absent; EMPTY."""
    there = [r for r in reports if keyword in r]
    full = [r for r in there if not r[keyword].is_empty]
    if len(there) < len(reports):
        return "ANAP"
    if len(full) == len(reports):
        return "ALWAYS"
    return "VNAP" if full else "EMPTY"


def content_table() -> str:
    """The tree of a report that says everything; a node that only repeats its like is left out."""
    rows, seen = [], set[tuple[str, ...]]()
    for depth, path, item in _items(_reports()[0], 0, ()):
        if path in seen:
            continue
        seen.add(path)
        rows.append(
            ("&gt;" * depth, str(item.get("RelationshipType", "")), str(item.ValueType), _name(item), _value(item))
        )
    return table(("Nesting", "Relationship", "Value type", "Concept name", "Value, for example"), rows)


def _items(item: Dataset, depth: int, above: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...], Dataset]]:
    path = (*above, f"{item.get('RelationshipType', '')} {item.ValueType} {_name(item)}")
    yield depth, path, item
    for child in item.get("ContentSequence", []):
        yield from _items(child, depth + 1, path)


def _name(item: Dataset) -> str:
    if "ConceptNameCodeSequence" not in item:
        return ""
    return _code(item.ConceptNameCodeSequence[0])


def _code(code: Dataset) -> str:
    value = code.get("CodeValue") or code.get("LongCodeValue")
    return f"({value}, {code.CodingSchemeDesignator}, “{code.CodeMeaning}”)"


def _value(item: Dataset) -> str:
    kind = item.ValueType
    if kind == "CODE":
        return _code(item.ConceptCodeSequence[0])
    if kind == "NUM":
        measured = item.MeasuredValueSequence[0]
        return f"{measured.NumericValue} {measured.MeasurementUnitsCodeSequence[0].CodeValue}"
    if kind == "SCOORD":
        return f"{item.GraphicType}, {len(item.GraphicData) // 2} points"
    if kind == "IMAGE":
        return "reference to an image of the study"
    text = str(
        item.get({"TEXT": "TextValue", "PNAME": "PersonName", "UIDREF": "UID", "DATE": "Date"}.get(kind, ""), "")
    )
    shown = " ".join(text.split())
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
