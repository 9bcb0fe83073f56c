"""Whether an image is one that the model claims to read, from its header: the patient's age, the modality, and what was
done to the pixels. What the header does not say is remarked on, or declined where the site wants that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from agent.imaging.facts import InstanceFacts
from agent.settings import Gate
from dicom_nodes.contexts import SECONDARY_CAPTURE

Problem = tuple[str, str]  # a stable code, and the same in words

_PROJECTION = {"CR", "DX", "RG"}  # PS3.3 C.7.3.1.1.1; RG is a film that was digitized
_CAPTURED = _PROJECTION | {"OT", "SC", "DD"}  # what a Secondary Capture may say instead (DD and SC are old)
# In value 3 of Image Type and beyond: made from several exposures, or with something of the chest taken out, or not meant
# to be read. Makers write their own words, so a part of a word counts.
_PROCESSED = re.compile(
    r"SUBTRACT|SUPPRESS|DUAL.?ENERGY|SOFT.?TISSUE|\bBONE\b|TOMO|GENERATED.?2D|STITCH|LOCALI[SZ]ER|CALIBRAT|\bCAD\b|SCREENSHOT"
)
_REJECTED = re.compile(r"REJECT|REPEATED|DELETED")
_DAYS = {"D": 1.0, "W": 7.0, "M": 30.4375, "Y": 365.25}
_OLDEST_POSSIBLE = 130 * 365.25


@dataclass(frozen=True, slots=True)
class Verdict:
    """`problem`: why the image is declined; None when it is not. `remarks`: what a reader should know."""

    problem: Problem | None
    remarks: tuple[str, ...] = ()


def judge_claims(image: InstanceFacts, gate: Gate) -> Verdict:
    """Everything that the header says against reading the image, but for body part and view. The first problem
    counts."""
    problem = _modality(image) or _pixels(image)
    if problem is not None:
        return Verdict(problem)
    aged = _age(image, gate)
    if aged.problem is not None or image.modality:
        return aged
    return Verdict(None, (*aged.remarks, "the image does not say its modality"))


def _modality(image: InstanceFacts) -> Problem | None:
    allowed = _CAPTURED if image.sop_class_uid == SECONDARY_CAPTURE else _PROJECTION
    if image.modality and image.modality not in allowed:
        return "modality-not-read", "the modality is not one of plain radiographs (Modality)"
    return None


def _pixels(image: InstanceFacts) -> Problem | None:
    if image.presentation_intent_type == "FOR PROCESSING":
        return "for-processing", "the image is for processing: its pixels are raw detector values"
    if image.quality_control_image == "YES":
        return "quality-control", "the image is a quality control image"
    if image.image_type[:2] == ("DERIVED", "SECONDARY"):
        return "derived-image", "the image is derived from another, for example with bones suppressed"
    beyond = "\\".join(image.image_type[2:])
    if _REJECTED.search(beyond):
        return "rejected-image", "the image was rejected or repeated (Image Type)"
    if _PROCESSED.search(beyond):
        return "processed-image", "the image is no single plain exposure, or not one to be read (Image Type)"
    return None


def _age(image: InstanceFacts, gate: Gate) -> Verdict:
    youngest, oldest = gate.youngest_years, gate.oldest_years
    if not youngest and not oldest:
        return Verdict(None)
    days = age_in_days(image)
    if days is None:
        words = "the header does not say how old the patient is"
        return Verdict(("age-unknown", words)) if gate.unknown_age == "decline" else Verdict(None, (words,))
    years = days / _DAYS["Y"]
    if years < youngest:
        return Verdict(("too-young", f"the patient is younger than {youngest} years, and not whom the model is for"))
    if oldest and years >= oldest + 1:
        return Verdict(("too-old", f"the patient is older than {oldest} years, and not whom the model is for"))
    return Verdict(None)


def age_in_days(image: InstanceFacts) -> float | None:
    """Patient's Age (PS3.5 6.2, VR AS), else from Patient's Birth Date to Study Date or, without one, the date of
    acquisition; None where neither can be used."""
    stated = re.fullmatch(r"(\d{1,3})([DWMY])", image.patient_age)
    if stated is not None:
        return int(stated[1]) * _DAYS[stated[2]]
    born, seen = _date(image.patient_birth_date), _date(image.study_date) or _date(image.acquisition_datetime)
    if born is None or seen is None:
        return None
    # Whole years by the calendar: on the birthday one is older, whatever the leap years.
    years = seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day))
    days = max(float((seen - born).days), years * _DAYS["Y"]) if years > 0 else float((seen - born).days)
    return days if 0 <= days < _OLDEST_POSSIBLE else None


def _date(text: str) -> date | None:
    digits = text.replace(".", "").replace("-", "")[:8]
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) == 8 else None
    except ValueError:
        return None
