"""From findings to a priority, by rules that a site can read and change. A priority is only ever raised."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from agent.errors import SettingsError
from structured_report.content import Finding, Presence, Priority, Probability
from structured_report.vocabulary import vocabulary


@dataclass(frozen=True, slots=True)
class Rule:
    """`finding` at least so probable, or, where `stated`, present in the draft, gives `priority` for `reason`."""

    finding: str
    probability: float
    stated: bool
    priority: Priority
    reason: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """A priority and why, in words."""

    priority: Priority
    reasons: tuple[str, ...]

    def raised_to(self, other: Ranked) -> Ranked:
        """The higher of both; on a tie the reasons of both."""
        if self.priority.rank != other.priority.rank:
            return max(self, other, key=lambda r: r.priority.rank)
        return Ranked(self.priority, tuple(dict.fromkeys((*self.reasons, *other.reasons))))


ROUTINE = Ranked(Priority.ROUTINE, ())


def rank_probabilities(rules: Sequence[Rule], probabilities: Sequence[Probability]) -> Ranked:
    """What the short answers say."""
    ranked = ROUTINE
    for one in probabilities:
        rule = next((r for r in rules if r.finding == one.concept and one.value >= r.probability), None)
        if rule is not None:
            how = f"calibrated by {one.calibration}" if one.calibration else "uncalibrated"
            ranked = ranked.raised_to(Ranked(rule.priority, (f"{rule.reason} ({one.value:.2f}, {how})",)))
    return ranked


def rank_findings(rules: Sequence[Rule], findings: Sequence[Finding]) -> Ranked:
    """What the draft says."""
    ranked = ROUTINE
    for finding in findings:
        rule = next((r for r in rules if r.finding == finding.concept and r.stated), None)
        if rule is not None and finding.presence is Presence.PRESENT:
            ranked = ranked.raised_to(Ranked(rule.priority, (f"{rule.reason} (stated in the draft)",)))
    return ranked


def load_rules(file: Path | None) -> tuple[Rule, ...]:
    """The rules of the site, or those that come with the program. Raises `SettingsError`."""
    if file is None:
        return parse_rules(resources.files("agent.reading").joinpath("triage.toml").read_text("utf-8"), "triage.toml")
    try:
        return parse_rules(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"triage.rules: {file} cannot be read ({words})", code="rules-unreadable") from error


def parse_rules(text: str, where: str) -> tuple[Rule, ...]:
    """The rules that a TOML text describes. Raises `SettingsError` naming `where`."""
    try:
        values = tomllib.loads(text)
        if set(values) - {"rule"}:
            raise ValueError(f"only [[rule]] tables belong here, not {', '.join(sorted(set(values) - {'rule'}))}")
        return tuple(_rule(n, table) for n, table in enumerate(values.get("rule", []), start=1))
    except (tomllib.TOMLDecodeError, ValueError) as error:
        raise SettingsError(f"{where}: {error}", code="rules-invalid") from error


def _rule(number: int, table: dict[str, Any]) -> Rule:
    wanted = {"finding", "probability", "stated", "priority", "reason"}
    if set(table) != wanted:
        raise ValueError(f"rule {number}: needs {', '.join(sorted(wanted))}, and nothing else")
    if table["finding"] not in vocabulary():
        raise ValueError(f'rule {number}: finding "{table["finding"]}" is not in the vocabulary')
    if isinstance(table["probability"], bool) or not isinstance(table["probability"], int | float):
        raise ValueError(f"rule {number}: probability has to be a number from 0 to 1")
    if not 0 <= table["probability"] <= 1 or not isinstance(table["stated"], bool):
        raise ValueError(f"rule {number}: probability has to be 0 to 1, stated true or false")
    if table["priority"] not in ("urgent", "critical"):
        raise ValueError(f'rule {number}: priority has to be "urgent" or "critical"')
    return Rule(
        table["finding"],
        float(table["probability"]),
        table["stated"],
        Priority(table["priority"]),
        str(table["reason"]),
    )
