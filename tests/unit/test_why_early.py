"""Why a study comes early is said in the reader's own language, whatever made it urgent."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.reading.triage import load_rules, rank_findings, rank_probabilities
from agent.web.pages.early import why_early
from agent.web.pages.texts import Texts
from structured_report.content import Finding, Presence, Priority, Probability
from structured_report.vocabulary import vocabulary
from tests.support.unmarked import ENGLISH

GERMAN = Texts().of("de")


@pytest.mark.parametrize("concept", sorted({rule.finding for rule in load_rules(None)}))
def test_every_rule_of_the_program_is_said_in_german(concept: str) -> None:
    rules, name = load_rules(None), GERMAN(f"findings.name.{concept}")
    for probability, expected in (
        (Probability(concept, 0.914, "site-2026"), f"{name} ist wahrscheinlich (91 %, kalibriert durch site-2026)"),
        (Probability(concept, 0.957), f"{name} ist wahrscheinlich (Modellwert 96 %, nicht kalibriert)"),
    ):
        (reason,) = rank_probabilities(rules, [probability]).reasons
        assert why_early(reason, GERMAN) == expected
    (reason,) = rank_findings(rules, [Finding(concept, Presence.PRESENT)]).reasons
    assert why_early(reason, GERMAN) == f"{name} steht im Entwurf"


def test_what_an_order_says_and_how_long_a_study_waited_is_said_in_german() -> None:
    for priority in Priority:
        assert why_early(f"the order says {priority}", GERMAN).startswith("laut Auftrag ")
    waited = timedelta(hours=2)
    words = f"it arrived more than {waited.total_seconds() / 60:.0f} minutes ago"  # as agent.work.schedule has it
    assert why_early(words, GERMAN) == "vor mehr als 120 Minuten eingegangen"


@pytest.mark.parametrize(
    "words", ["Pneu!", "widened mediastinum is likely (0.91, uncalibrated)", "the order says soon", ""]
)
def test_what_a_site_says_in_its_own_words_is_left_as_it_is(words: str) -> None:
    assert "widened_mediastinum" not in vocabulary()
    assert why_early(words, GERMAN) == ""


def test_no_german_reason_is_english() -> None:
    assert not [t for t in GERMAN.starting("findings.early.").values() if ENGLISH.search(t)]
