"""What guards can say: stable codes and the effects they have. `docs/guards.md` explains each."""

from __future__ import annotations

from enum import StrEnum

from structured_report.content import Verdict


class Effect(StrEnum):
    """What a guard does about what it found."""

    NOTED = "noted"  # nothing is changed; the reader is told
    REPAIRED = "repaired"  # words were changed or left out; what is stated stayed the same
    UNDETERMINED = "undetermined"  # a finding's presence or side is not claimed any more
    DROPPED = "dropped"  # a sentence or a region was left out
    ABSTAINED = "abstained"  # the reading is withheld


class Code(StrEnum):
    """Which guard speaks. A code is never given another meaning."""

    # the whole answer
    NOT_A_REPORT = "not-a-report"
    MODEL_DECLINED = "model-declined"
    TOO_LONG = "answer-too-long"
    NOTHING_LEFT = "nothing-left"
    UNSTABLE = "not-repairable"
    # words
    MARKUP = "markup"
    FOREIGN_SCRIPT = "foreign-script"
    REPETITION = "repetition"
    EMPTY_NOUNS = "empty-nouns"
    MEASUREMENT = "measurement-impossible"
    COMPARISON = "comparison-without-prior"
    # statements
    LOST_IN_REPAIR = "lost-in-repair"
    CONTRADICTION_IN_TEXT = "contradiction-in-text"
    IMPRESSION_ONLY = "impression-only"
    TRACE_DISAGREES = "trace-disagrees"
    CONTRADICTION_WITH_PROBES = "contradiction-with-probes"
    PROBED_NOT_MENTIONED = "probed-not-mentioned"
    # regions
    BOX_IMPOSSIBLE = "box-impossible"
    BOX_OF_ANOTHER = "box-of-another"
    BOX_DUPLICATE = "box-duplicate"
    BOXES_IDENTICAL = "boxes-identical"
    SIDE_AGAINST_REGION = "side-against-region"
    ABSENT_WITH_REGION = "absent-with-region"
    PRESENT_WITHOUT_REGION = "present-without-region"
    DEVICE_NOT_LOCATED = "device-not-located"


def verdict(code: Code, effect: Effect, sentence: str) -> Verdict:
    """A verdict as it is stored and reported."""
    return Verdict(str(code), str(effect), sentence)
