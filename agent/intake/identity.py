"""Whose study is it? Identity is copied from the images unaltered and must be one: a result on the wrong patient is
the worst result."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from agent.imaging.facts import InstanceFacts
from structured_report.content import Code, Order, Patient, Study


def disagreement(images: Sequence[InstanceFacts]) -> str:
    """In which identifiers the images of one study differ, as a list of attribute names; empty when they agree.

    Case, trailing empty name components and whether an accent stands alone are not differences. No values are returned:
    the sentence goes into logs and pages.
    """
    seen = {
        "Patient ID": {i.patient_id.strip() for i in images},
        "Issuer of Patient ID": {i.issuer_of_patient_id.strip() for i in images},
        "Patient's Name": {_comparable_name(i.patient_name) for i in images},
        "Patient's Birth Date": {i.patient_birth_date.strip() for i in images if i.patient_birth_date.strip()},
    }
    return ", ".join(name for name, values in seen.items() if len(values) > 1)


def _comparable_name(name: str) -> str:
    composed = unicodedata.normalize("NFC", name)  # an accent is an accent, however it is written
    return "=".join(group.rstrip("^ ").casefold() for group in composed.split("=")).rstrip("=").strip()


def study_of(images: Sequence[InstanceFacts]) -> Study:
    """The study as a report names it; the first image decides, later ones fill what it leaves empty.

    Args:
        images: at least one, all of one study, the one that was read first.
    """

    def first(attribute: str) -> str:
        return next((v for i in images if (v := str(getattr(i, attribute)).strip(" "))), "")

    return Study(
        study_instance_uid=images[0].study_instance_uid,
        study_id=first("study_id"),
        study_date=first("study_date"),
        study_time=first("study_time"),
        timezone_offset=first("timezone_offset"),
        patient=Patient(
            patient_id=first("patient_id"),
            issuer=first("issuer_of_patient_id"),
            name=first("patient_name"),
            birth_date=first("patient_birth_date"),
            sex=first("patient_sex"),
        ),
        order=Order(
            accession_number=first("accession_number"),
            placer_order_number=first("placer_order_number"),
            filler_order_number=first("filler_order_number"),
            requested_procedure_id=first("requested_procedure_id"),
            scheduled_procedure_step_id=first("scheduled_procedure_step_id"),
            procedure=next((p for i in images if (p := _procedure(i)) is not None), None),
            procedure_description=first("study_description"),
            indication=first("indication"),
        ),
    )


def _procedure(image: InstanceFacts) -> Code | None:
    if not image.procedure_codes:
        return None
    value, scheme, meaning = image.procedure_codes[0]
    return Code(value, scheme, meaning) if value and scheme else None
