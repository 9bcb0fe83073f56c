"""Which images of a study are read, and why the others are not: decided from the headers, the first evidence that
answers wins.

What the headers do not say is not guessed: an image that nothing calls a chest, or whose view nothing names, is
declined with that reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.imaging.claims import judge_claims
from agent.imaging.facts import InstanceFacts
from agent.settings import Gate
from dicom_nodes.contexts import COMPUTED_RADIOGRAPHY, DX_FOR_PRESENTATION, SECONDARY_CAPTURE

FRONTAL, LATERAL = "frontal", "lateral"
LEAST_MATRIX = 64  # rows and columns
MOST_PIXELS = 60_000_000  # the largest detectors have 20 million; rendering takes some 30 bytes a pixel

_READABLE = (COMPUTED_RADIOGRAPHY, DX_FOR_PRESENTATION, SECONDARY_CAPTURE)
_CHEST_CODES = {
    ("816094009", "SCT"),
    ("51185008", "SCT"),
    ("T-D3000", "SRT"),
    ("T-D3000", "SNM3"),
    ("T-D3000", "99SDM"),
    ("39607008", "SCT"),
}
_CHEST_PARTS = {"CHEST", "THORAX", "TORAX", "LUNG", "LUNGS"}  # as a word of Body Part Examined: "CHEST", "CHEST_PA"
_CHEST_WORDS = re.compile(r"\b(chest|thora(x|kal|cic)|lungs?|cxr|torax|pulm\w*)\b", re.IGNORECASE)
_CHEST_LOINC = {"36643-5", "36554-4", "30746-2", "30745-4", "24627-2", "42272-5"}
# PS3.16 CID 4010, SNOMED CT and the retired SNOMED RT values: postero-anterior, antero-posterior, frontal; lateral, left
# and right lateral; and the views of it that a chest may have and that are not read.
_FRONTAL_CODES = {"272479007", "399348003", "399033003", "R-40888", "R-10214", "R-10206", "R-10202"}
_LATERAL_CODES = {"399067008", "399173006", "399198007", "R-102CD", "R-10236", "R-10232"}
_OTHER_CODES = {
    "399182000", "399236003", "399184004", "399135007", "399356000", "399006002", "399038007", "399160007", "399132005", "399061009",
    "399059000", "399312000", "260427002", "260426006", "399325008", "399004004",
    "R-102C1", "R-10234", "R-10238", "R-10220", "R-40985", "R-10212", "R-10210", "R-10204", "R-10252", "R-10241",
    "R-10216", "R-10208", "R-40783", "R-40782", "R-10254", "R-10246",
}  # fmt: skip
_FRONTAL_POSITIONS = {"PA", "AP"}
_LATERAL_POSITIONS = {"LL", "RL", "LATERAL", "LAT"}
_OTHER_POSITIONS = {"LLD", "RLD", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO", "XTABLE", "AXIAL", "LORDOTIC", "DECUBITUS"}
_FRONTAL_WORDS = re.compile(
    r"\b(pa|ap|p\.a\.|a\.p\.|frontal|posteroanterior|anteroposterior|postero-anterior|antero-posterior)\b",
    re.IGNORECASE,
)
_LATERAL_WORDS = re.compile(r"\b(lat|lateral|seitlich|profile?)\b", re.IGNORECASE)
_OTHER_WORDS = re.compile(r"\b(decub\w*|oblique?|lordotic|apical|expiration|ribs?|spine|abdomen)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is done with one image. `role` is ``frontal``, ``lateral`` or empty; `reason` a stable code, `explanation`
    the same in words."""

    used: bool
    role: str
    reason: str
    explanation: str


def select_images(images: Sequence[InstanceFacts], gate: Gate) -> tuple[Selection, ...]:
    """For each image of a study, in the order given, whether it is read and why. At most one frontal and one lateral
    are used, the newest of each. `gate`: whom the model is for."""
    judged = [_judge(image, gate) for image in images]
    for role in (FRONTAL, LATERAL):
        candidates = [n for n, s in enumerate(judged) if s.used and s.role == role]
        if len(candidates) > 1:
            newest = max(candidates, key=lambda n: (images[n].acquisition_datetime, images[n].sop_instance_uid))
            for n in candidates:
                if n != newest:
                    judged[n] = _declined(
                        f"newer-{role}-used", f"another {role} image of the study was taken later and is read instead"
                    )
    if not any(s.used and s.role == FRONTAL for s in judged):
        words = "a lateral image is not read without a frontal one"
        judged = [_declined("lateral-only", words) if s.used else s for s in judged]
    return tuple(judged)


def spare_role(reason: str) -> str:
    """The role in which an image that was declined for that reason may stand in for one that cannot be rendered; empty
    when it may not."""
    return next((role for role in (FRONTAL, LATERAL) if reason == f"newer-{role}-used"), "")


def _judge(image: InstanceFacts, gate: Gate) -> Selection:
    if image.sop_class_uid not in _READABLE:
        return _declined("sop-class-not-read", "the SOP class is not one that is read")
    claims = judge_claims(image, gate)
    if claims.problem is not None:
        return _declined(*claims.problem)
    declined = pixel_problem(image) or chest_problem(image)
    if declined is not None:
        return declined
    role, evidence = _view(image)
    if role in (FRONTAL, LATERAL):
        return Selection(True, role, f"used-{role}", "; ".join((f"{role} by {evidence}", *claims.remarks)))
    if role:
        return _declined("view-not-read", f"the view is neither frontal nor an upright lateral, by {evidence}")
    return _declined("view-unknown", "no attribute says whether the image is frontal or lateral")


def _declined(reason: str, explanation: str) -> Selection:
    return Selection(False, "", reason, explanation)


def pixel_problem(image: InstanceFacts) -> Selection | None:
    """Why the pixels cannot be rendered, judged from the header before anything is decoded; None when they can."""
    if image.samples_per_pixel != 1 or image.photometric_interpretation not in ("MONOCHROME1", "MONOCHROME2"):
        return _declined(
            "not-grayscale", "the image is not grayscale (Photometric Interpretation is not MONOCHROME1 or MONOCHROME2)"
        )
    if image.number_of_frames > 1:
        return _declined("multi-frame", "the image has more than one frame")
    if image.rows < LEAST_MATRIX or image.columns < LEAST_MATRIX:
        return _declined("matrix-too-small", f"the image has fewer than {LEAST_MATRIX} rows or columns")
    if image.rows * image.columns > MOST_PIXELS:
        return _declined("matrix-too-large", f"the image has more than {MOST_PIXELS // 1_000_000} million pixels")
    if image.bits_allocated not in (8, 16) or not 1 <= image.bits_stored <= image.bits_allocated:
        return _declined("bit-depth", "Bits Allocated is not 8 or 16, or Bits Stored does not fit")
    return None


def chest_problem(image: InstanceFacts) -> Selection | None:
    """Why the image is not taken for one of the chest; None for a chest. Body Part Examined is often empty; where
    it names something else it is believed."""
    if image.anatomic_regions:
        if any(code in _CHEST_CODES for code in image.anatomic_regions):
            return None
        return _declined("not-chest", "the anatomic region is not the chest (Anatomic Region Sequence)")
    if image.body_part_examined:
        if _CHEST_PARTS & set(re.split(r"[^A-Z]+", image.body_part_examined)):
            return None
        return _declined("not-chest", "the body part is not the chest (Body Part Examined)")
    if any(value in _CHEST_LOINC for value, _, _ in image.procedure_codes):
        return None
    words = (*image.descriptions, *(meaning for _, _, meaning in image.procedure_codes))
    if any(_CHEST_WORDS.search(text) for text in words):
        return None
    return _declined("not-known-to-be-chest", "no attribute says that the image shows the chest")


def _view(image: InstanceFacts) -> tuple[str, str]:
    """(role, evidence); the role is ``other`` for a view that is named and not read, and empty when nothing names
    it."""
    for value, _scheme in image.view_codes:
        if value in _FRONTAL_CODES:
            return FRONTAL, "View Code Sequence"
        if value in _LATERAL_CODES:
            return LATERAL, "View Code Sequence"
        if value in _OTHER_CODES:
            return "other", "View Code Sequence"
    position = image.view_position
    if position in _FRONTAL_POSITIONS:
        return FRONTAL, "View Position"
    if position in _LATERAL_POSITIONS:
        return LATERAL, "View Position"
    if position in _OTHER_POSITIONS:
        return "other", "View Position"
    if role := _by_orientation(image.patient_orientation):
        return role, "Patient Orientation"
    return _by_words(image.descriptions)


def _by_orientation(orientation: Sequence[str]) -> str:
    if len(orientation) != 2 or not all(orientation):
        return ""
    directions = {direction[0] for direction in orientation}
    if directions & {"H", "F"} and directions & {"L", "R"}:
        return FRONTAL
    if directions & {"H", "F"} and directions & {"A", "P"}:
        return LATERAL
    return ""


def _by_words(descriptions: Sequence[str]) -> tuple[str, str]:
    """The series says it better than the study, which often names both views: the last description that is
    unambiguous counts."""
    for text in reversed(descriptions):
        frontal, lateral = bool(_FRONTAL_WORDS.search(text)), bool(_LATERAL_WORDS.search(text))
        if _OTHER_WORDS.search(text):
            return "other", "a description"
        if frontal != lateral:
            return (FRONTAL if frontal else LATERAL), "a description"
    return "", ""
