"""What the interface answers. Names are those of the ledger and of the standards; moments are ISO 8601 with their offset, UTC;
a field that is not known is null, or empty where it is text."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Uid = Annotated[str, Field(max_length=64, pattern=r"^[0-9.]+$")]  # PS3.5 9.1


class Answer(BaseModel):
    """An object of an answer."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class ErrorBody(Answer):
    """Why something was not done. `code`: stable, for programs; `message`: for the person who reads the log."""

    code: str
    message: str


class Error(Answer):
    """The answer to every call that was not done."""

    error: ErrorBody


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


class WorklistStudy(Answer):
    """One study of the worklist.

    `standing`: where it stands, in one word. `findings`: what the reading has present, or the fast look before it suspects.
    `scanner`: calling AE title. `verdict`: what a radiologist said of the draft as a whole (``accepted``, ``corrected``,
    ``rejected``); without that ``by-finding`` where every finding that the draft states was judged, ``begun`` where only some were, or
    only what it missed was added; null where nothing was said. `reviewed`: a verdict other than ``begun``. The four numbers count
    deliveries."""

    study_instance_uid: str
    patient_name: str
    patient_id: str
    birth_date: str
    sex: str
    accession_number: str
    study_date: str
    study_time: str
    description: str
    modality: str
    scanner: str
    scanner_model: str
    images: int
    constancy: bool
    standing: str
    state: str
    reason: str
    explanation: str
    revision: int
    priority: str
    reasons: tuple[str, ...]
    flag: str
    flagged_at: datetime | None
    outcome: str
    read_at: datetime | None
    findings: tuple[dict[str, Any], ...]
    delivered: int
    waiting: int
    parked: int
    held: int
    failing: str
    trouble: bool
    reported_at: datetime | None
    verdict: str | None
    reviewed: bool
    is_waiting: bool
    arrived_at: datetime
    last_received_at: datetime
    changed_at: datetime


class Worklist(Answer):
    """One page. `next`: for `after` of the call that goes on; null at the end."""

    banner: str
    studies: tuple[WorklistStudy, ...]
    next: str | None


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


class Role(Answer):
    """One process of the line. `state`: its own word, or ``silent``, or ``missing``."""

    name: str
    state: str
    words: str
    since: datetime | None
    beat_at: datetime | None


class Waiting(Answer):
    """Unfinished work of one stage; `lane`: the destination it is for."""

    stage: str
    lane: str
    state: str
    count: int
    oldest: datetime


class ModelState(Answer):
    """The model of the settings, and (`build`) what the newest study was flagged with."""

    backend: str
    weights: str
    quantization: str
    device: str
    licence: str
    running: str
    build: dict[str, Any]


class Disk(Answer):
    """Bytes; `days_left` until the reserve is reached at the pace of the last two weeks."""

    root: str
    free: int | None
    reserve: int
    quarantine: int
    make_room: bool
    daily: int
    days_left: int | None


class Alarm(Answer):
    """Something that is, or was, wrong with the line; `words` say what it means and what to do."""

    id: int
    code: str
    about: str
    count: int
    words: str
    raised_at: datetime
    told_at: datetime | None
    recovered_at: datetime | None


class ConstancyRun(Answer):
    """One run of the constancy test; `passed` is null while it runs or when it was given up."""

    id: str
    started_by: str
    started_at: datetime
    finished_at: datetime | None
    passed: bool | None
    films: int
    checks: int
    failed: tuple[str, ...]


class ConstancyTest(Answer):
    """How the constancy test stands, and its last runs."""

    state: Literal["ok", "note", "bad"]
    words: str
    runs: tuple[ConstancyRun, ...]


class Certificate(Answer):
    """When the first certificate of a file of the settings runs out; null when it cannot be read, and `words` say why."""

    setting: str
    until: datetime | None
    words: str


class AuditCheck(Answer):
    """When the chain of the audit trail was proved last; `broken` is empty when it was whole."""

    at: datetime
    up_to: int
    head: str
    broken: str


class System(Answer):
    """How the site stands."""

    version: str
    python: str
    schema_version: int
    database: str
    database_bytes: int | None
    roles: tuple[Role, ...]
    model: ModelState
    queue: tuple[Waiting, ...]
    disk: Disk
    constancy_test: ConstancyTest
    alarms: tuple[Alarm, ...]
    past_alarms: tuple[Alarm, ...]
    certificates: tuple[Certificate, ...]
    web_sessions: int
    audit_messages: int
    audit_checked: AuditCheck | None


class DestinationState(Answer):
    """A destination of the settings, and how its deliveries stand: those that are not done with, by state."""

    name: str
    type: str
    where: str
    waiting: int
    held: int
    parked: int
    error: str = Field(description="Why the last of the parked deliveries was, in the destination's own words.")


class PeerState(Answer):
    """A peer of the settings."""

    name: str
    ae_title: str
    host: str
    port: int
    may: tuple[str, ...]
    tls: bool


class Destinations(Answer):
    """All destinations, in the order of the settings."""

    destinations: tuple[DestinationState, ...]


class Peers(Answer):
    """All peers, in the order of the settings."""

    peers: tuple[PeerState, ...]


class Times(Answer):
    """How long after the last image: seconds within which half, and 95 of 100, were done (right to 5 %); and how many."""

    what: str
    destination: str
    count: int
    median_s: float | None
    p95_s: float | None


class Rate(Answer):
    """How many of how many, with the 95 % interval of the share (Wilson); `few`: too few to say much."""

    name: str
    n: int
    of: int
    share: float | None
    low: float | None
    high: float | None
    few: bool


class Day(Answer):
    """What one day of the site brought."""

    day: date
    studies: int
    read: int
    abstained: int
    not_analysed: int


class Reason(Answer):
    """Why so many studies have no reading."""

    outcome: str
    code: str
    n: int


class Judged(Answer):
    """How many judgements that count were made on one day, of drafts and of findings, by verdict."""

    day: date
    accepted: int
    corrected: int
    rejected: int
    missed: int


class Numbers(Answer):
    """What the line did on these days, both included. Films of the constancy test are not counted."""

    first: date
    last: date
    counted_since: date | None
    days: tuple[Day, ...]
    hours: tuple[int, ...] = Field(description="Studies by the hour of their first image, 0 to 23, in the site's zone.")
    times: tuple[Times, ...]
    flagged_by_scanner: tuple[Rate, ...]
    findings: tuple[Rate, ...]
    reasons: tuple[Reason, ...]
    agreement: tuple[Rate, ...] = Field(description="Accepted of those judged, by finding; `-`: of drafts as a whole.")
    judged: tuple[Judged, ...] = Field(
        description="Days on which something was judged; in a long period months, each by its first day."
    )


class Retried(Answer):
    """How much will be tried again; `not_running`: roles that would do it and have no process at the moment."""

    deliveries: int
    stages: int
    read_again: bool
    not_running: tuple[str, ...]


class Held(Answer):
    """How many deliveries wait for the release."""

    held: int


class Released(Answer):
    """How many deliveries are due now."""

    due: int


class Reread(Answer):
    """Whether it will be read; false when none of its images can be, and it comes back as the result that says so."""

    will_be_read: bool


class Withdrawn(Answer):
    """Whether those who have the result are told now, and not only when the office runs."""

    told_now: bool
