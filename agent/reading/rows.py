"""A flag and a reading as the ledger keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from agent.reading.flag import Flag
from agent.reading.read import Read
from agent.store.flags import StoredFlag
from agent.store.results import StoredReading
from structured_report.content import Outcome
from structured_report.plain import finding_to_json, probability_to_json, region_to_json, verdict_to_json


def reading_row(
    revision_id: int,
    read: Read,
    *,
    provenance: dict[str, Any],
    uid_of: Mapping[int, str],
    seconds: float,
    completed_at: datetime,
) -> StoredReading:
    """The row of a reading.

    Args:
        uid_of: SOP Instance UID of each image, by the key its candidate had.
    """
    ranked = read.outcome is not Outcome.NOT_ANALYSED
    regions = [replace(region, sop_instance_uid=uid_of[key]) for key, region in read.regions]
    return StoredReading(
        revision_id=revision_id,
        outcome=read.outcome,
        reason=read.reason,
        explanation=read.explanation,
        provenance=provenance,
        reply=read.replies[0].text if read.replies else "",
        reasoning=read.reasoning,
        draft=read.draft,
        findings=[finding_to_json(f) for f in read.findings],
        notes=list(read.notes),
        seconds=seconds,
        completed_at=completed_at,
        impression=read.impression,
        comparison=read.comparison,
        regions=[region_to_json(r) for r in regions],
        verdicts=[verdict_to_json(v) for v in read.verdicts],
        priority=str(read.ranked.priority) if ranked else "",
        reasons=list(read.ranked.reasons) if ranked else [],
    )


def flag_row(
    revision_id: int, flag: Flag, *, provenance: dict[str, Any], started: datetime, now: datetime, trouble: str = ""
) -> StoredFlag:
    """The row of a flag."""
    return StoredFlag(
        revision_id=revision_id,
        priority=str(flag.ranked.priority),
        reasons=list(flag.ranked.reasons),
        probabilities=[probability_to_json(p) for p in flag.probabilities],
        provenance=provenance,
        trouble=trouble,
        seconds=(now - started).total_seconds(),
        flagged_at=now,
    )
