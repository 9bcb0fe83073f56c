"""The sentences of `structured_report.sentences`, taken apart again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from structured_report.content import FOR_COMMISSIONING, Outcome, Probability, Verdict
from structured_report.sentences import NO_REASON

_OUTCOMES = (
    (re.compile(r"Flag before the reading: "), Outcome.FLAGGED),
    (re.compile(r"Withdrawn: the earlier result .*? Reason: (?P<explanation>.*)", re.DOTALL), Outcome.WITHDRAWN),
    (re.compile(r"Not analysed: (?P<explanation>.*) \[(?P<reason>.*)\]", re.DOTALL), Outcome.NOT_ANALYSED),
    (re.compile(r"Abstained: (?P<explanation>.*) \[(?P<reason>.*)\]", re.DOTALL), Outcome.ABSTAINED),
)
_TRIAGE = re.compile(r"Triage: \S+: (.*)\.", re.DOTALL)
_CHECK = re.compile(r"Check (\S+) \((\S+)\): (.*)", re.DOTALL)
_REMARK = re.compile(r"Remark: (.*)", re.DOTALL)
_STATED = re.compile(r"Stated (\S+): (.*)", re.DOTALL)
_ASKED = re.compile(r"Asked (\S+): share of yes ([\d.]+) \((?:calibrated by (.*)|uncalibrated)\)", re.DOTALL)
_IMAGE = re.compile(r"Image (\S+): (?:read as (\S*)|not read): (.*) \[(\S*)\]", re.DOTALL)
_MADE_BY = re.compile(
    r"Made by (?P<algorithm>.*) (?P<version>\S+); (?:no model was asked|model .*; weights sha256 (?P<weights>\S*); "
    r"quantization (?P<quantization>\S*); prompt (?P<prompt>\S*)); revision (?P<revision>\d+) of the study\."
)


@dataclass(frozen=True, slots=True)
class SaidOfImage:
    """What a sentence says was done with one image."""

    sop_instance_uid: str
    used: bool
    role: str
    explanation: str
    reason: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """The comments of a report.

    Attributes:
        evidence: sentences of the draft, by tracking identifier.
        made_by: algorithm, version, weights, quantization, prompt and revision.
    """

    outcome: Outcome
    explanation: str
    reason: str
    for_commissioning: bool
    reasons: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    remarks: tuple[str, ...]
    evidence: Mapping[str, str]
    probabilities: tuple[Probability, ...]
    images: tuple[SaidOfImage, ...]
    made_by: Mapping[str, str]


def parse_sentences(said: Sequence[str]) -> Parsed:
    """The comments by what they say. Raises `ValueError` when the sentence that names the build is not among them."""
    made_by = next((m for text in said if (m := _MADE_BY.fullmatch(text))), None)
    if made_by is None:
        raise ValueError("no sentence says what made the report")
    outcome, explanation, reason = _outcome(said)
    return Parsed(
        outcome,
        explanation,
        reason,
        FOR_COMMISSIONING in said,
        tuple(r for m in _all(_TRIAGE, said) if m[1] != NO_REASON for r in m[1].split("; ")),
        tuple(Verdict(m[1], m[2], m[3]) for m in _all(_CHECK, said)),
        tuple(m[1] for m in _all(_REMARK, said)),
        {m[1]: m[2] for m in _all(_STATED, said)},
        tuple(Probability(m[1], float(m[2]), m[3] or "") for m in _all(_ASKED, said)),
        tuple(SaidOfImage(m[1], m[2] is not None, m[2] or "", m[3], m[4]) for m in _all(_IMAGE, said)),
        {name: value or "" for name, value in made_by.groupdict().items()},
    )


def _all(pattern: re.Pattern[str], said: Sequence[str]) -> list[re.Match[str]]:
    return [found for text in said if (found := pattern.fullmatch(text))]


def _outcome(said: Sequence[str]) -> tuple[Outcome, str, str]:
    for text in said:
        for pattern, outcome in _OUTCOMES:
            if found := pattern.match(text):
                parts = found.groupdict()
                return outcome, parts.get("explanation", ""), parts.get("reason", "")
    return Outcome.READ, "", ""
