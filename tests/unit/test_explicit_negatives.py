"""A finding that was looked for and denied is said to be absent; one that was only doubted is not."""

from __future__ import annotations

from agent.reporting.compose import only_asked
from structured_report.content import Finding, Presence, Probability


def test_what_only_the_short_questions_checked_is_denied_or_left_open_and_never_present() -> None:
    stated = (Finding("pneumothorax", Presence.PRESENT),)
    asked = (
        Probability("pneumothorax", 0.01),
        Probability("nodule", 0.01),
        Probability("mass", 0.09),
        Probability("fracture", 0.09, "site-2026"),
        Probability("pneumonia", 0.99),
    )
    assert {f.concept: f.presence for f in only_asked(stated, asked)} == {
        "nodule": Presence.ABSENT,
        "mass": Presence.UNDETERMINED,
        "fracture": Presence.ABSENT,
        "pneumonia": Presence.UNDETERMINED,
    }
