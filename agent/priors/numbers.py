"""Is the Patient ID that an earlier film is filed under still the patient's? A merge may be taken back."""

from __future__ import annotations

from sqlalchemy import Connection

from agent.orders.knowledge import merged_away
from agent.priors.shelf import facts_of
from agent.store.priors import OWN, PriorImage
from structured_report.content import Patient


def is_under_anothers_number(view: Connection, uid: str, patient: Patient, prior: PriorImage, issuer: str) -> bool:
    """Whether a film that an archive gave for that study stands under a Patient ID that is neither its patient's nor merged into it, by
    what is known now. Of a film that came here as a study its own study says whose it is.

    Args:
        patient: of the study.
        issuer: of Patient IDs that name none; empty when the site has not said.
    """
    number = facts_of(prior).patient_id.strip()
    if prior.source == OWN or number == patient.patient_id.strip():
        return False
    return number not in merged_away(view, uid, patient, issuer)
