"""The frozen facts as plain JSON values and back, for a ledger or a script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from structured_report.content import (
    Assigner,
    Code,
    Finding,
    Laterality,
    Order,
    Patient,
    Presence,
    PriorStudy,
    Probability,
    Provenance,
    Region,
    Severity,
    Study,
    Verdict,
)


def study_to_json(study: Study) -> dict[str, Any]:
    """A study as JSON values."""
    return asdict(study)


def study_from_json(value: dict[str, Any]) -> Study:
    """The study that :func:`study_to_json` wrote. Raises `KeyError` or `TypeError` for anything else."""
    rest = {k: v for k, v in value.items() if k not in ("order", "patient")}
    return Study(
        **rest,
        patient=Patient(**value["patient"]),
        order=order_from_json(value["order"]),
    )


def order_from_json(value: Mapping[str, Any]) -> Order:
    """The order of which these are the JSON values, now or before it was known who gave its numbers. Raises `KeyError` or `TypeError`
    for anything else."""
    parts: dict[str, Any] = dict(value)
    procedure = parts.pop("procedure")
    for key in ("placer_assigner", "filler_assigner"):
        if parts.get(key):
            parts[key] = Assigner(**parts[key])
    return Order(**parts, procedure=Code(**procedure) if procedure else None)


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """A finding as JSON values."""
    return asdict(finding)


def finding_from_json(value: dict[str, Any]) -> Finding:
    """The finding that :func:`finding_to_json` wrote, now or before findings had a severity and a place."""
    side = value["laterality"]
    severity = value.get("severity")
    return Finding(
        concept=value["concept"],
        presence=Presence(value["presence"]),
        laterality=Laterality(side) if side else None,
        evidence=value["evidence"],
        severity=Severity(severity) if severity else None,
        place=value.get("place", ""),
    )


def provenance_to_json(provenance: Provenance) -> dict[str, Any]:
    """The provenance as JSON values."""
    return asdict(provenance)


def provenance_from_json(value: dict[str, Any]) -> Provenance:
    """The provenance that :func:`provenance_to_json` wrote."""
    return Provenance(**value)


def probability_to_json(probability: Probability) -> dict[str, Any]:
    """A probability as JSON values."""
    return asdict(probability)


def probability_from_json(value: dict[str, Any]) -> Probability:
    """The probability that :func:`probability_to_json` wrote."""
    return Probability(**value)


def region_to_json(region: Region) -> dict[str, Any]:
    """A region as JSON values."""
    return asdict(region)


def region_from_json(value: dict[str, Any]) -> Region:
    """The region that :func:`region_to_json` wrote."""
    side = value["laterality"]
    return Region(**{**value, "laterality": Laterality(side) if side else None})


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON values."""
    return asdict(verdict)


def verdict_from_json(value: dict[str, Any]) -> Verdict:
    """The verdict that :func:`verdict_to_json` wrote."""
    return Verdict(**value)


def prior_to_json(prior: PriorStudy) -> dict[str, Any]:
    """A prior study as JSON values."""
    return asdict(prior)


def prior_from_json(value: dict[str, Any]) -> PriorStudy:
    """The prior study that :func:`prior_to_json` wrote."""
    return PriorStudy(**value)
