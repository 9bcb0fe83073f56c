"""What is said about a reading as a whole, sentence by sentence; the SR and the ORU take their comments from here.

`read_sr` takes them apart again: what stands before the first free text of a sentence is fixed.
"""

from __future__ import annotations

from structured_report.content import (
    BANNER,
    FOR_COMMISSIONING,
    Finding,
    ImageUse,
    Outcome,
    PreRead,
    PriorStudy,
    Probability,
)
from structured_report.text import normalise_text

NO_REASON = "nothing on the triage list is likely or stated"


def comments(preread: PreRead) -> list[str]:
    """What is said about the reading as a whole, the banner first; the same in the SR and in the ORU."""
    said = [BANNER]
    if preread.provenance.for_commissioning:
        said.append(FOR_COMMISSIONING)
    if preread.outcome is not Outcome.READ:
        said.append(outcome_sentence(preread))
    if preread.priority is not None:
        said.append(triage_sentence(preread))
    said += [f"Check {v.code} ({v.effect}): {v.sentence}" for v in preread.verdicts]
    said += [f"Remark: {remark}" for remark in preread.remarks]
    return said


def triage_sentence(preread: PreRead) -> str:
    """How soon a person should look, and why, in one line."""
    why = "; ".join(preread.reasons) or NO_REASON
    return f"Triage: {preread.priority}: {why}."


def outcome_sentence(preread: PreRead) -> str:
    """Why there is no draft, or not yet, in one sentence."""
    if preread.outcome is Outcome.FLAGGED:
        return "Flag before the reading: only short questions have been asked; the reading follows."
    if preread.outcome is Outcome.WITHDRAWN:
        return f"Withdrawn: the earlier result was taken back by a person and must not be used. Reason: {preread.explanation}"
    kind = "Not analysed" if preread.outcome is Outcome.NOT_ANALYSED else "Abstained"
    return f"{kind}: {preread.explanation} [{preread.reason}]"


def provenance_sentence(preread: PreRead) -> str:
    """Which build said it, in one line; also where no finding group carries TID 4019."""
    made_by = preread.provenance
    about = f"revision {preread.revision} of the study."
    if not made_by.weights_digest:
        return f"Made by {made_by.algorithm_name} {made_by.algorithm_version}; no model was asked; {about}"
    return (
        f"Made by {made_by.algorithm_name} {made_by.algorithm_version}; model {made_by.model_name}; "
        f"weights sha256 {made_by.weights_digest}; "
        f"quantization {made_by.quantization}; prompt {made_by.prompt_id}; {about}"
    )


def image_sentence(use: ImageUse) -> str:
    """What was done with one image and why, in one line."""
    how = f"read as {use.role}" if use.used else "not read"
    return f"Image {use.sop_instance_uid}: {how}: {_on_one_line(use.explanation, 900)} [{use.reason}]"


def prior_sentence(prior: PriorStudy) -> str:
    """What the study was compared with."""
    when = f" of {prior.study_date}" if prior.study_date else ""
    return f"Compared with image {prior.sop_instance_uid} of the study{when} {prior.study_instance_uid}"


def stated_sentence(label: str, finding: Finding) -> str:
    """The sentence of the draft that a finding was taken from. `label`: the finding's tracking identifier."""
    return f"Stated {label}: {finding.evidence}"


def asked_sentence(probability: Probability) -> str:
    """What a short question came to. A share of yes that nothing has calibrated is words and no number (PS3.16 TID 1501
    would give it to every reader as a certainty)."""
    how = f"calibrated by {probability.calibration}" if probability.calibration else "uncalibrated"
    return f"Asked {probability.concept}: share of yes {probability.value:.4f} ({how})"


def _on_one_line(text: str, limit: int) -> str:
    return " ".join(normalise_text(text).split())[:limit].rstrip()
