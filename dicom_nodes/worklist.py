"""Modality worklist as SCU: what was ordered and scheduled (PS3.4 Annex K), to learn an order that no message brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom import Dataset

from dicom_nodes.contexts import MODALITY_WORKLIST_FIND
from dicom_nodes.deadline import Deadline
from dicom_nodes.found import Answer, Found, first
from dicom_nodes.query import exact, find_with
from dicom_nodes.roles import Peer

MOST_STEPS = 50
# (value, scheme, meaning); empty values when a code is absent
Coded = tuple[str, str, str]

_STEP_KEYS = (
    "ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "Modality",
    "ScheduledProcedureStepDescription", "ScheduledProcedureStepID",
)  # fmt: skip
_KEYS = (
    "AccessionNumber", "ReferringPhysicianName", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate",
    "PatientSex", "StudyInstanceUID", "RequestedProcedureDescription", "RequestedProcedureID", "RequestedProcedurePriority",
    "ReasonForTheRequestedProcedure", "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest",
)  # fmt: skip
_CODE_KEYS = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """One entry of the worklist: a scheduled procedure step with its order and its patient. Empty means that the peer does not
    say."""

    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    placer_order_number: str = ""
    filler_order_number: str = ""
    study_instance_uid: str = ""
    referring_physician_name: str = ""
    requested_procedure_id: str = ""
    requested_procedure_description: str = ""
    requested_procedure_code: Coded = ("", "", "")
    requested_procedure_priority: str = ""
    reason_for_the_requested_procedure: str = ""
    scheduled_procedure_step_id: str = ""
    scheduled_procedure_step_description: str = ""
    scheduled_station_ae_title: str = ""
    modality: str = ""
    start_date: str = ""
    start_time: str = ""


def find_steps(
    peer: Peer,
    *,
    accession_number: str = "",
    patient_id: str = "",
    dates: tuple[str, str] | None = None,
    own_ae_title: str,
    deadline: Deadline,
    most: int = MOST_STEPS,
) -> Found[ScheduledStep]:
    """The entries of that accession number, or of that patient with a start date from the first to the last of `dates`.

    Raises:
        UnusableKey: neither is given, or the one that is matches others too.
        QueryRefused: the peer's failure. NodeError: no association, or none in time.
    """
    keys: dict[str, str] = {}
    if accession_number.strip():
        keys["AccessionNumber"] = exact(accession_number, "Accession Number")
    else:
        keys["PatientID"] = exact(patient_id, "Patient ID")
    identifier = _identifier(keys, "-".join(dates) if dates else "")
    return find_with(
        peer, MODALITY_WORKLIST_FIND, identifier, _as_step, own_ae_title=own_ae_title, deadline=deadline, most=most
    )


def _identifier(keys: Mapping[str, str], dates: str) -> Dataset:
    identifier, step, code = Dataset(), Dataset(), Dataset()
    identifier.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _KEYS:
        setattr(identifier, keyword, keys.get(keyword, ""))
    for keyword in _CODE_KEYS:
        setattr(code, keyword, "")
    for keyword in _STEP_KEYS:
        setattr(step, keyword, "")
    step.ScheduledProcedureStepStartDate = dates
    identifier.RequestedProcedureCodeSequence = [code]
    identifier.ScheduledProcedureStepSequence = [step]
    return identifier


def _as_step(answer: Answer) -> ScheduledStep:
    steps = answer.items("ScheduledProcedureStepSequence")

    def scheduled(keyword: str) -> str:
        return first(steps[0], keyword) if steps else ""

    return ScheduledStep(
        patient_id=first(answer, "PatientID"),
        issuer_of_patient_id=first(answer, "IssuerOfPatientID"),
        patient_name=first(answer, "PatientName"),
        patient_birth_date=first(answer, "PatientBirthDate"),
        patient_sex=first(answer, "PatientSex"),
        accession_number=first(answer, "AccessionNumber"),
        placer_order_number=first(answer, "PlacerOrderNumberImagingServiceRequest"),
        filler_order_number=first(answer, "FillerOrderNumberImagingServiceRequest"),
        study_instance_uid=first(answer, "StudyInstanceUID"),
        referring_physician_name=first(answer, "ReferringPhysicianName"),
        requested_procedure_id=first(answer, "RequestedProcedureID"),
        requested_procedure_description=first(answer, "RequestedProcedureDescription"),
        requested_procedure_code=_code(answer),
        requested_procedure_priority=first(answer, "RequestedProcedurePriority"),
        reason_for_the_requested_procedure=first(answer, "ReasonForTheRequestedProcedure"),
        scheduled_procedure_step_id=scheduled("ScheduledProcedureStepID"),
        scheduled_procedure_step_description=scheduled("ScheduledProcedureStepDescription"),
        scheduled_station_ae_title=scheduled("ScheduledStationAETitle"),
        modality=scheduled("Modality"),
        start_date=scheduled("ScheduledProcedureStepStartDate"),
        start_time=scheduled("ScheduledProcedureStepStartTime"),
    )


def _code(answer: Answer) -> Coded:
    codes = answer.items("RequestedProcedureCodeSequence")
    if not codes:
        return "", "", ""
    return first(codes[0], "CodeValue"), first(codes[0], "CodingSchemeDesignator"), first(codes[0], "CodeMeaning")
