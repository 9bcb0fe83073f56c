"""Whom and what a message is about, by the identifiers that it names."""

from __future__ import annotations

from typing import Any

from agent.orders.said import Heard, OrderSaid, PatientsMerged, Said
from structured_report.content import Order, Patient

Subject = tuple[str, str]
"""Kind (patient, accession, placer, filler, study) and identifier."""


def subjects(said: list[dict[str, Any]]) -> frozenset[Subject]:
    """Everybody and everything that is named in what was kept of a message; nothing where it cannot be read."""
    try:
        parts = Heard.from_json(said).said
    except (KeyError, TypeError, ValueError):
        return frozenset()
    return frozenset((kind, value.strip()) for one in parts for kind, value in _named(one) if value.strip())


def _named(said: Said) -> list[Subject]:
    people: list[Patient] = [said.stays, said.gone] if isinstance(said, PatientsMerged) else [said.patient]
    named = [("patient", p.patient_id) for p in people]
    order: Order | None = getattr(said, "order", None)
    if order is not None:
        named += [
            ("accession", order.accession_number),
            ("placer", order.placer_order_number),
            ("filler", order.filler_order_number),
        ]
    if isinstance(said, OrderSaid) or hasattr(said, "study_instance_uid"):
        named.append(("study", said.study_instance_uid))
    return named
