"""What is answered about the worklist."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent.web.api.models.base import Answer


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
