"""What is said about a study: frozen facts, no DICOM objects, no sockets, no clock.

One :class:`PreRead` is encoded twice, as a DICOM Structured Report (`structured_report.sr`) and as an HL7 ORU^R01
(`structured_report.oru`). Whatever both must agree on stands here once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

BANNER = (
    "AI PRE-READ - NOT A DIAGNOSTIC REPORT. Unverified draft made by software for review by a radiologist; "
    "it may be wrong and may miss findings."
)


FOR_COMMISSIONING = (
    "FOR COMMISSIONING, NOT FOR PATIENTS: the model that made this knows drawn phantoms. Whatever it says of a patient means "
    "nothing."
)


class Outcome(StrEnum):
    """How a reading ended, or that it has not yet. Each is a result and each may be reported."""

    FLAGGED = "flagged"  # only the short questions have been asked; the reading follows
    READ = "read"
    ABSTAINED = "abstained"  # the model was asked and its reply cannot be used
    NOT_ANALYSED = "not-analysed"  # nothing in the study may be read
    WITHDRAWN = "withdrawn"  # a person took the result back; the explanation is the reason in the person's words


class Presence(StrEnum):
    """PS3.16 CID 240."""

    PRESENT = "present"
    ABSENT = "absent"
    UNDETERMINED = "undetermined"


class Laterality(StrEnum):
    """PS3.16 CID 244. The patient's side, never the picture's."""

    LEFT = "left"
    RIGHT = "right"
    BILATERAL = "bilateral"


class Severity(StrEnum):
    """How much of it there is, in the three steps of PS3.16 CID 3716. `SEVERE` includes "large" and "tension"."""

    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


class Priority(StrEnum):
    """How soon a person should look. HL7 table 0485 in the ORU (R, A, S); CID 220 in the SR."""

    ROUTINE = "routine"
    URGENT = "urgent"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for routine, 2 for critical."""
        return list(Priority).index(self)


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: value (1-16 characters or longer for some schemes), scheme designator (<= 16), meaning (<=
    64)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One entry of the finding vocabulary, as the draft states it.

    Attributes:
        concept: key of `vocabulary.toml`, for example ``pleural_effusion``.
        evidence: the sentence of the draft that says so, or empty.
        severity: as the draft says, the highest when it says several; None when it says nothing.
        place: key of the place table of `vocabulary.toml`, for example ``lower_lobe``; empty when the draft says
            nothing, or several things.
    """

    concept: str
    presence: Presence
    laterality: Laterality | None = None
    evidence: str = ""
    severity: Severity | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Probability:
    """How likely a finding is, as the model answers a short question.

    Attributes:
        value: 0 to 1: the share of yes over no.
        calibration: name of the calibration that made the value of it; empty when there is none, and then the value stays out
            of numeric fields.
    """

    concept: str
    value: float
    calibration: str = ""


@dataclass(frozen=True, slots=True)
class Region:
    """Where a finding is: a box in the stored image, in columns and rows, the origin at the top left corner of the first
    pixel (PS3.3 C.18.6.1.1); ``0 <= x0 < x1 <= Columns`` and ``0 <= y0 < y1 <= Rows``."""

    concept: str
    sop_instance_uid: str
    x0: float
    y0: float
    x1: float
    y1: float
    laterality: Laterality | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the reading found.

    Attributes:
        code: stable, for example ``comparison-without-prior``.
        effect: ``noted``, ``repaired``, ``undetermined``, ``dropped`` or ``abstained``.
        sentence: the same in words for the reader.
    """

    code: str
    effect: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ImageUse:
    """What was done with one image of the study, and why.

    Attributes:
        role: ``frontal``, ``lateral`` or empty when not used.
        reason: stable code, for example ``used-frontal``, ``not-chest``, ``newer-frontal-used``.
        explanation: the same in words for the reader.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    used: bool
    role: str
    reason: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Patient:
    """Identity copied unaltered from the images; empty means absent. `name` is a DICOM PN string (all component
    groups)."""

    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    birth_date: str = ""  # DA, YYYYMMDD
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Assigner:
    """Who gave an order its number: EI.2 to EI.4 of HL7 v2 (2.5.1, 2.A.28), the HL7v2 Hierarchic Designator of DICOM (PS3.3 table
    10-17). A namespace, or a universal id with its type, or both."""

    namespace: str = ""
    universal_id: str = ""
    universal_id_type: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """What is known of the order, from the images or from an order message; empty means unknown.

    Attributes:
        match: why this order is taken for that of the study, in words: ``accession number``, ``study instance uid``,
            ``patient and time``, ``by hand``; empty when all of it stands in the images.
        placer_assigner: of the placer order number, where that is known; it goes with that number and no other.
        filler_assigner: of the filler order number.
    """

    accession_number: str = ""
    placer_order_number: str = ""
    filler_order_number: str = ""
    requested_procedure_id: str = ""
    scheduled_procedure_step_id: str = ""
    procedure: Code | None = None
    procedure_description: str = ""
    referring_physician: str = ""
    indication: str = ""
    match: str = ""
    placer_assigner: Assigner | None = None
    filler_assigner: Assigner | None = None

    def filled_from(self, other: Order) -> Order:
        """With what the other knows and this one does not. Who gave a number is taken over for the same number alone."""
        whole = {f: getattr(self, f) or getattr(other, f) for f in Order.__dataclass_fields__}
        for of in ("placer", "filler"):
            number, assigner = f"{of}_order_number", f"{of}_assigner"
            mine, its = str(getattr(self, number)).strip(), str(getattr(other, number)).strip()
            if mine and mine != its:
                whole[assigner] = getattr(self, assigner)
        return Order(**whole)


@dataclass(frozen=True, slots=True)
class Study:
    """The study the pre-read is about."""

    study_instance_uid: str
    study_id: str = ""
    study_date: str = ""  # DA
    study_time: str = ""  # TM
    timezone_offset: str = ""  # &ZZXX, empty when the images do not say
    patient: Patient = field(default_factory=Patient)
    order: Order = field(default_factory=Order)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which algorithm said it.

    Attributes:
        weights_digest: sha256 hex of the weight files (of their names, sizes and contents).
        quantization: ``nf4``, ``int8`` or ``none``.
        prompt_id: identifier and digest of the prompt, for example ``findings-reasoning@1a2b3c4d``.
        for_commissioning: the model is for phantoms; every document says so.
        device_uid: changes with every model build (IHE AIR 6.5.3.1).
    """

    manufacturer: str
    model_name: str
    algorithm_name: str
    algorithm_version: str
    weights_digest: str
    quantization: str
    prompt_id: str
    device_uid: str
    station_name: str = ""
    institution_name: str = ""
    for_commissioning: bool = False


@dataclass(frozen=True, slots=True)
class Narrative:
    """The words of the draft. `reasoning` is the model's trace, `findings` its final answer, `comparison` what it says of a
    prior image; each may be empty."""

    findings: str = ""
    impression: str = ""
    reasoning: str = ""
    comparison: str = ""


@dataclass(frozen=True, slots=True)
class PriorStudy:
    """The earlier film of the same patient that the study was compared with.

    Attributes:
        study_date: DA, empty when the prior does not say.
        sop_class_uid, sop_instance_uid, series_instance_uid: the one image that was shown to the model.
    """

    study_instance_uid: str
    study_date: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, slots=True)
class PreRead:
    """Everything that is reported about one revision of one study.

    Attributes:
        revision: 1 for the first set of images, 2 when late images came, and so on.
        reason: stable code when the outcome is not READ, else empty.
        explanation: the same in words.
        priority: None while nothing ranks the study.
        reasons: why it has that priority, in words.
        findings: what the draft states, at most one for each concept and side.
        checked: what only the short questions said of findings that the draft does not mention: absent or undetermined, without
            a side.
        regions: of the findings that are present.
        abnormal: True or False when the draft's findings say so, None when undetermined.
        verdicts: what was checked and did not hold.
        remarks: sentences for the reader about the images and how they were read.
        partial: a view of the study that should have been read could not be: what is said rests on the others.
        prior: the earlier film it was compared with, or None.
        sr_instance_uid / sr_series_uid: derived from all that is said: a re-run makes the same object.
        supersedes_sr_uid: SR of the revision before, or empty. supersedes_series_uid: its series.
        control_id: MSH-10, at most 20 characters, same on every resend.
        analysed_at: aware UTC.
    """

    study: Study
    revision: int
    outcome: Outcome
    provenance: Provenance
    images: tuple[ImageUse, ...]
    analysed_at: datetime
    sr_instance_uid: str
    sr_series_uid: str
    control_id: str
    reason: str = ""
    explanation: str = ""
    narrative: Narrative = field(default_factory=Narrative)
    findings: tuple[Finding, ...] = ()
    abnormal: bool | None = None
    priority: Priority | None = None
    reasons: tuple[str, ...] = ()
    probabilities: tuple[Probability, ...] = ()
    regions: tuple[Region, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    remarks: tuple[str, ...] = ()
    supersedes_sr_uid: str = ""
    supersedes_series_uid: str = ""
    prior: PriorStudy | None = None
    checked: tuple[Finding, ...] = ()
    partial: bool = False
