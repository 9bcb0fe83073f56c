"""All guards, in order."""

from __future__ import annotations

from agent.reading.guards.boxes import check_boxes
from agent.reading.guards.evidence import Draft, Evidence, Guarded
from agent.reading.labels import label


def guard(draft: Draft, evidence: Evidence) -> Guarded:
    """Check one reading."""
    regions, verdicts = check_boxes(evidence.boxes)
    return Guarded(draft, label(draft.findings), regions, verdicts)
