"""What is answered about one study."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from agent.web.api.models.base import Answer


class Finding(Answer):
    """What the draft states of one finding (`concept`, a key of the vocabulary)."""

    concept: str
    presence: Literal["present", "absent", "undetermined"]
    laterality: str | None = None
    severity: str | None = None
    place: str = ""
    evidence: str = ""


class Probability(Answer):
    """How likely a finding is; `calibration` is empty where nothing calibrates the value."""

    concept: str
    value: float
    calibration: str = ""


class Region(Answer):
    """A box in the stored image, in columns and rows (PS3.3 C.18.6.1.1)."""

    concept: str
    sop_instance_uid: str
    x0: float
    y0: float
    x1: float
    y1: float
    laterality: str | None = None


class Verdict(Answer):
    """What a check of the reading found."""

    code: str
    effect: str
    sentence: str


class Image(Answer):
    """What was done with one image, and why."""

    sop_instance_uid: str
    version: int
    used: bool
    role: str
    reason: str
    explanation: str


class Flag(Answer):
    """The fast look. `trouble`: why there is no flag, where there is none."""

    priority: str
    reasons: tuple[str, ...]
    probabilities: tuple[Probability, ...]
    trouble: str
    seconds: float
    flagged_at: datetime


class Reading(Answer):
    """What was read, of the newest revision: an unverified draft by a machine. `reasoning`: the trace as the model wrote it."""

    outcome: str
    reason: str
    explanation: str
    findings: tuple[Finding, ...]
    regions: tuple[Region, ...]
    verdicts: tuple[Verdict, ...]
    reasoning: str
    draft: str
    impression: str
    comparison: str
    priority: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float
    completed_at: datetime
    provenance: dict[str, Any]


class Prior(Answer):
    """What became of the search for an earlier film."""

    outcome: str
    used: bool | None
    remarks: tuple[str, ...]
    study_instance_uid: str
    sop_instance_uid: str
    source: str


class Document(Answer):
    """Something that was made about the study. `identifier`: SOP Instance UID, or MSH-10."""

    kind: str
    identifier: str
    revision: int
    created_at: datetime
    deliveries: int


class Delivery(Answer):
    """One document on its way to one destination. `words`: the peer's own, of the last attempt."""

    id: int
    destination: str
    kind: str
    identifier: str
    revision: int
    state: str
    attempts: int
    words: str
    next_try_at: datetime | None
    finished_at: datetime | None


class Event(Answer):
    """One line of the history of a study."""

    id: int
    at: datetime
    stage: str
    code: str
    words: str


class Review(Answer):
    """What a radiologist said of one finding of a draft, or (`finding` empty) of the draft as a whole. `stated`: presence as the draft
    had it, empty where it said nothing of the finding. `presence`, `laterality`: of a correction, or of what was missed; ``none``: no
    side. `words`: the radiologist's own. `account`: who judged; ``token:NAME`` by a program. `id` grows with every review of the
    site."""

    id: int
    revision: int
    finding: str
    stated: str
    verdict: Literal["accepted", "corrected", "rejected", "missed", "taken-back"]
    presence: str
    laterality: str
    words: str
    account: str
    at: datetime


class Compared(Answer):
    """One finding in the draft and in the finished report, as the labeller of this program reads it: ``agree``, ``differ``,
    ``side_differs``, ``undecided``, ``only_draft`` or ``only_report``."""

    concept: str
    draft: Finding | None
    report: Finding | None
    verdict: Literal["agree", "differ", "side_differs", "undecided", "only_draft", "only_report"]


class FinalReport(Answer):
    """The newest report about the study that a person has finished. `status`: OBR-25 (HL7 table 0123). `text`: empty where the message
    holds none; `gone`: the message was let go since. `compared`: empty where the labeller knows nothing in it: it reads English."""

    status: str
    heard_at: datetime
    text: str
    gone: bool
    compared: tuple[Compared, ...]


class Study(Answer):
    """Everything about one study. `banner` belongs to every place that shows any of it.

    `reviews`: what counts of the judgements about the newest revision; what was taken back is not among them. `last_review`: the
    number of the last judgement about it, whichever, 0 where there is none: `seen` of a review that is given on these grounds."""

    banner: str
    study_instance_uid: str
    state: str
    reason: str
    explanation: str
    revision: int
    priority: str
    reasons: tuple[str, ...]
    first_received_at: datetime
    last_received_at: datetime
    about: dict[str, Any] = Field(description="Patient, order and study as they are reported; empty before assembly.")
    images: tuple[Image, ...]
    flag: Flag | None
    reading: Reading | None
    prior: Prior | None
    reviews: tuple[Review, ...]
    last_review: int
    final_report: FinalReport | None
    documents: tuple[Document, ...]
    deliveries: tuple[Delivery, ...]
    history: tuple[Event, ...]
