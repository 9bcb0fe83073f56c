"""PreRead -> ORU^R01^ORU_R01, HL7 v2.5.1, 2.4 or 2.3.1, in the form that one receiver reads (`oru_form.OruForm`).

OBR-25 and OBX-11 say R ("stored, not yet verified") or, where a site insists, P; F cannot be said. hl7apy builds the
skeleton; the texts are put into it at the end (`oru_fields.Fields`).
"""

from __future__ import annotations

from typing import Any

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Group, Message

from structured_report import concepts
from structured_report.content import PreRead
from structured_report.header import valid_date, valid_sex
from structured_report.hl7_characters import msh_18
from structured_report.oru_fields import Fields, moment
from structured_report.oru_form import MODES, OruForm, Status
from structured_report.oru_rows import Notes, Row, rows_of, study_uid_as_rp

_AS_IT_ALWAYS_WAS = OruForm()


def encode_oru(
    preread: PreRead,
    *,
    sending_application: str,
    sending_facility: str,
    receiving_application: str,
    receiving_facility: str,
    status: Status = "R",
    form: OruForm = _AS_IT_ALWAYS_WAS,
) -> bytes:
    """Write the pre-read as an HL7 message: in the character set of the form, every segment ended by CR, no MLLP frame.

    Raises:
        IdentifierNotWritable: the character set has not the characters of an identifier of the study.
        ValueError: a status that may not be sent, or a control id of more than 20 characters (MSH-10 in v2.5.1).
    """
    if status not in ("R", "P"):
        raise ValueError(f"OBR-25 {status!r} cannot be sent: a pre-read is R (stored, not verified) or P")
    if not 1 <= len(preread.control_id) <= 20:
        raise ValueError("MSH-10 has 1 to 20 characters in v2.5.1")
    draft = _Draft(preread, status, form)
    draft.header(sending_application, sending_facility, receiving_application, receiving_facility)
    draft.patient()
    said = rows_of(preread, form, draft.fields, sending_application)
    draft.order(said.notes)
    for row in said.rows:
        draft.observe(row)
    if form.study_uid_as == "zds":
        draft.zds(sending_application)
    return draft.finish()


class _Draft:
    """A message in the making: hl7apy's skeleton, and the texts that are put in at the end."""

    def __init__(self, preread: PreRead, status: Status, form: OruForm) -> None:
        self._preread, self._status, self._form = preread, status, form
        self._message = Message("ORU_R01", version=form.version, validation_level=VALIDATION_LEVEL.TOLERANT)
        self.fields = Fields(form.character_set)
        self._result = self._message.add_group("ORU_R01_PATIENT_RESULT")
        self._order: Group = None
        self._count = 0
        self._analysed = preread.analysed_at.strftime("%Y%m%d%H%M%S%z")
        study = preread.study
        self._observed = moment(study.study_date, study.study_time, study.timezone_offset)

    def header(self, application: str, facility: str, to_application: str, to_facility: str) -> None:
        msh, line = self._message.msh, self.fields.line
        msh.msh_3, msh.msh_4 = line(application, 180), line(facility, 180)
        msh.msh_5, msh.msh_6 = line(to_application, 180), line(to_facility, 180)
        msh.msh_7 = self._analysed
        msh.msh_9 = self._form.message_type
        msh.msh_10 = self._preread.control_id
        msh.msh_11, msh.msh_12 = "P", self._form.version
        msh.msh_15, msh.msh_16 = MODES[
            self._form.acknowledgement
        ]  # empty: original mode, one application acknowledgement
        character_set = msh_18(self._form.character_set)
        msh.msh_18 = self.fields.er7(character_set) if "~" in character_set else character_set
        msh.msh_19 = "en^English^ISO639"

    def patient(self) -> None:
        person, exact = self._preread.study.patient, self.fields.exact
        group = self._result.add_group("ORU_R01_PATIENT")
        pid = group.add_segment("PID")
        pid.pid_1 = "1"
        pid.pid_3 = f"{exact(person.patient_id)}^^^{exact(person.issuer)}^MR" if person.patient_id else ""
        pid.pid_5 = self.fields.name(person.name)
        pid.pid_7 = valid_date(person.birth_date)
        pid.pid_8 = valid_sex(person.sex)
        pv1 = group.add_group("ORU_R01_VISIT").add_segment("PV1")
        pv1.pv1_1, pv1.pv1_2 = "1", "U"

    def order(self, notes: Notes) -> None:
        order, exact = self._preread.study.order, self.fields.exact
        self._order = self._result.add_group("ORU_R01_ORDER_OBSERVATION")
        entity = self.fields.order_number
        filler = entity(order.filler_order_number, order.filler_assigner) or exact(order.accession_number)
        placer = entity(order.placer_order_number, order.placer_assigner)
        orc = self._order.add_segment("ORC")
        orc.orc_1, orc.orc_2, orc.orc_3, orc.orc_5 = "RE", placer, filler, "IP"  # never CM: the order is not complete
        obr = self._order.add_segment("OBR")
        obr.obr_1, obr.obr_2, obr.obr_3 = "1", placer, filler
        procedure = self.fields.code(order.procedure or concepts.PROCEDURE_GENERIC)
        obr.obr_4 = procedure
        obr.obr_7 = self._observed
        obr.obr_18 = exact(order.accession_number)
        obr.obr_19 = exact(order.requested_procedure_id)
        obr.obr_20 = exact(order.scheduled_procedure_step_id)
        obr.obr_22 = self._analysed
        obr.obr_24 = "RAD"
        obr.obr_25 = self._status
        if "obr27" in self._form.priorities:
            obr.obr_27 = "^^^^^" + concepts.TIMING[self._preread.priority].partition("^")[0]
        obr.obr_44 = procedure
        for number, (text, title) in enumerate(notes, start=1):
            note: Any = self._order.add_segment("NTE")
            note.nte_1, note.nte_2, note.nte_3, note.nte_4 = str(number), "L", text, title
        if "tq1" in self._form.priorities:
            tq1 = self._order.add_group("ORU_R01_TIMING_QTY").add_segment("TQ1")
            tq1.tq1_1, tq1.tq1_9 = "1", concepts.TIMING[self._preread.priority]

    def observe(self, row: Row) -> None:
        self._count += 1
        made_by, line = self._preread.provenance, self.fields.line
        obx: Any = self._order.add_group("ORU_R01_OBSERVATION").add_segment("OBX")
        sub = row.sub or self._form.sub_id_of_the_study
        obx.obx_1, obx.obx_2, obx.obx_3, obx.obx_4, obx.obx_5 = str(self._count), row.kind, row.name, sub, row.value
        obx.obx_8, obx.obx_9 = row.flag, row.probability
        obx.obx_11 = row.status or self._status
        obx.obx_14 = self._observed
        if row.status == "O":
            return
        method = line(f"{made_by.model_name} {made_by.algorithm_version} {made_by.quantization}", 60)
        obx.obx_17 = f"PREREAD^{method}^{concepts.PRIVATE_SCHEME}"
        if self._form.has_equipment:
            obx.obx_18 = f"{line(made_by.algorithm_name, 60)}^^{made_by.device_uid}^ISO"
            obx.obx_19 = self._analysed

    def zds(self, application: str) -> None:
        """Last of all: a parser that meets an unknown segment between the others ends the group there."""
        self._message.add_segment("ZDS").zds_1 = study_uid_as_rp(self._preread, self.fields, application)

    def finish(self) -> bytes:
        return self.fields.put_into(str(self._message.to_er7()).rstrip("\r") + "\r")
