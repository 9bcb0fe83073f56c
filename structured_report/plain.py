"""The frozen facts as plain JSON values and back, for a ledger or a script."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from structured_report.content import Code, Finding, Laterality, Order, Patient, Presence, Provenance, Severity, Study


def study_to_json(study: Study) -> dict[str, Any]:
    """A study as JSON values."""
    return asdict(study)


def study_from_json(value: dict[str, Any]) -> Study:
    """The study that :func:`study_to_json` wrote. Raises `KeyError` or `TypeError` for anything else."""
    order = dict(value["order"])
    procedure = order.pop("procedure")
    rest = {k: v for k, v in value.items() if k not in ("order", "patient")}
    return Study(
        **rest,
        patient=Patient(**value["patient"]),
        order=Order(**order, procedure=Code(**procedure) if procedure else None),
    )


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
        certainty_percent=value["certainty_percent"],
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
