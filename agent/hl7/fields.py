"""Data types of HL7 v2 and what they are in DICOM: CX, XPN, XCN, CE and CWE, DT, priorities (v2.5.1 chapter 2A).

As IHE RAD TF-2 appendix B maps them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.hl7.faults import Condition, Fault
from agent.hl7.message import Segment
from structured_report.content import Code, Patient, Priority

# HL7 table 0396 and what hospitals write -> DICOM PS3.16 section 8; what is not here is the same in both, or the site's own.
_SCHEMES = {
    "SNOMEDCT": "SCT", "SNOMED-CT": "SCT", "SNOMED": "SCT", "LOINC": "LN", "CPT": "C4", "CPT4": "C4", "CPT-4": "C4",
    "RID": "RADLEX", "ICD10": "I10", "ICD-10": "I10", "DICOM": "DCM", "": "L",
}  # fmt: skip
_GROUPS = "AIP"  # alphabetic, ideographic, phonetic: XPN.8, table 0465; the component groups of a PN (PS3.5 6.2.1)
_NAME_TYPES = ("L", "", "D", "C", "B", "R")  # legal, not said, display, adopted, at birth, registered: table 0200
LONGEST_ID, LONGEST_NUMBER, LONGEST_ACCESSION = 64, 64, 16  # characters of LO and SH (PS3.5 6.2)
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
# HL7 tables 0485 and 0027; IHE takes preoperative, callback and timing critical for high.
_PRIORITIES = {"S": Priority.CRITICAL, "A": Priority.URGENT, "R": Priority.ROUTINE, "PRN": Priority.ROUTINE}
_PRIORITY_WORDS = {"STAT": "S", "ASAP": "A", "ROUTINE": "R", "URGENT": "A", "HIGH": "A"}


@dataclass(frozen=True, slots=True)
class Identifiers:
    """Which of a patient's identifiers is meant: that of the assigning authority `issuer` where one is set; among those the
    `type` of table 0203."""

    issuer: str = ""
    type: str = "MR"


def patient_of(pid: Segment, wanted: Identifiers) -> Patient | None:
    """PID as a patient; None when all its identifiers are of other assigning authorities.

    Raises:
        Fault: PID-3 is missing or leaves open which identifier is meant, or PID-7 is no date.
    """
    found = identifier(pid, 3, wanted)
    if found is None:
        return None
    return Patient(
        patient_id=found[0],
        issuer=found[1],
        name=name(pid, pid.repetitions(5)),
        birth_date=_date(pid, 7),
        sex={"M": "M", "F": "F", "O": "O", "A": "O", "N": "O"}.get(pid.value(8).upper(), ""),
    )


def identifier(segment: Segment, field: int, wanted: Identifiers) -> tuple[str, str] | None:
    """(identifier, issuer) of a field of type CX; None when all are of other assigning authorities. Raises `Fault`."""
    said = [
        (
            segment.part(r, 1),
            segment.part(r, 4) or segment.part(r, 4, 2),
            segment.part(r, 5).upper(),
            segment.part(r, 4, 2),
        )
        for r in segment.repetitions(field)
    ]
    said = [s for s in said if s[0]]
    if not said:
        raise Fault(Condition.REQUIRED_FIELD, segment.place(field), f"{segment.name}-{field} has no identifier")
    if wanted.issuer:
        said = [s for s in said if wanted.issuer in (s[1], s[3]) or not s[1]]
        if not said:
            return None
        said = [s for s in said if s[1]] or said
    for kind in (wanted.type.upper(), "", "PI", "PT"):
        if chosen := list(dict.fromkeys((s[0], wanted.issuer or s[1]) for s in said if s[2] == kind)):
            break
    else:
        words = f"none of its identifiers is of type {wanted.type}; set orders.identifier_type to the one that is meant"
        raise Fault(Condition.REQUIRED_FIELD, segment.place(field), words)
    if len(chosen) > 1:
        words = f"it leaves open which identifier is meant, there are {len(chosen)}; set orders.issuer to the assigning authority"
        raise Fault(Condition.DATA_TYPE, segment.place(field), words)
    return fitting(chosen[0][0], LONGEST_ID, segment, field), chosen[0][1]


def fits(text: str, longest: int) -> bool:
    """Whether DICOM can carry an identifier as it is: a backslash there parts two values (PS3.5 6.2)."""
    return len(text) <= longest and "\\" not in text


def fitting(text: str, longest: int, segment: Segment, field: int) -> str:
    """An identifier that DICOM can carry as it is. Raises `Fault` for any other: cut or changed it would be somebody else's."""
    if not fits(text, longest):
        words = (
            f"{segment.name}-{field} has a backslash or more than {longest} characters, which no DICOM image can carry"
        )
        raise Fault(Condition.DATA_TYPE, segment.place(field), words)
    return text


def name(segment: Segment, repetitions: Sequence[str]) -> str:
    """XPN as PN, a component group for each representation (XPN.8).

    A caret, an equals sign, a backslash or a line end cannot stand in a component of a PN: a blank does instead. The legal name
    goes before others.
    """
    kinds = [segment.part(r, 7).upper() for r in repetitions]
    kind = next((k for k in _NAME_TYPES if k in kinds), None)
    if kind is None:
        return ""
    groups: dict[str, str] = {}
    for repetition, own in zip(repetitions, kinds, strict=True):
        if own == kind:
            code = segment.part(repetition, 8).upper()
            groups.setdefault(code if code in ("I", "P") else "A", _group(segment, repetition, 1))
    return "=".join(groups.get(code, "") for code in _GROUPS).rstrip("=")


def person(segment: Segment, field: int) -> str:
    """XCN as PN: the first person who has a name; empty when there is none."""
    groups: dict[str, str] = {}
    for repetition in segment.repetitions(field):
        code = segment.part(repetition, 15).upper()
        if group := _group(segment, repetition, 2):
            groups.setdefault(code if code in ("I", "P") else "A", group)
    return "=".join(groups.get(code, "") for code in _GROUPS).rstrip("=")


def _group(segment: Segment, repetition: str, first: int) -> str:
    """HL7 has family, given, middle, suffix, prefix; DICOM has prefix before suffix."""
    order = (first, first + 1, first + 2, first + 4, first + 3)
    parts = (re.sub(r"[\^=\\\r\n]", " ", segment.part(repetition, n)).strip(" ") for n in order)
    return "^".join(parts).rstrip("^ ")


def code(segment: Segment, field: int) -> tuple[Code | None, str]:
    """CE or CWE as a code and its text; the alternative where there is no other."""
    for value, text, scheme in ((1, 2, 3), (4, 5, 6)):
        own, meaning = segment.value(field, value), segment.value(field, text)
        if own:
            named = segment.value(field, scheme)
            return Code(own, _SCHEMES.get(named.upper(), named)[:16], meaning or own), meaning or own
    return None, segment.value(field, 2) or segment.value(field, 5)


def uid(segment: Segment, field: int) -> str:
    """A UID; empty when there is none. Raises `Fault` for anything else (PS3.5 9.1)."""
    found = segment.value(field)
    if found and not (_UID.fullmatch(found) and len(found) <= 64):
        raise Fault(Condition.DATA_TYPE, segment.place(field), "it is no UID: digits and dots, at most 64")
    return found


def priority(*said: str) -> Priority | None:
    """The first priority that is known; None when none is."""
    for text in said:
        given = text.strip().upper()
        given = _PRIORITY_WORDS.get(given, given)
        if given in _PRIORITIES:
            return _PRIORITIES[given]
        if given[:1] in ("P", "C", "T") and len(given) <= 2:
            return Priority.URGENT
    return None


def _date(segment: Segment, field: int) -> str:
    """DA of a DT or TS; empty where the day is not said. Raises `Fault`."""
    given = segment.value(field)
    digits = re.match(r"\d*", given)
    day = digits.group()[:8] if digits else ""
    if not given or set(day) == {"0"}:
        return ""  # some write an unknown day in noughts
    if len(day) in (4, 6) and day == given:
        return ""  # a year or a month, which DICOM's DA cannot say
    try:
        if len(day) == 8 and datetime.strptime(day, "%Y%m%d"):  # noqa: DTZ007  a day, no moment
            return day
    except ValueError:
        pass
    raise Fault(Condition.DATA_TYPE, segment.place(field), f"{segment.name}-{field} is no date, YYYYMMDD")
