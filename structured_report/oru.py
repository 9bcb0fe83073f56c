"""PreRead -> ORU^R01^ORU_R01, HL7 v2.5.1.

OBR-25 and OBX-11 say R ("stored, not yet verified") or, where a site insists, P; F cannot be said. hl7apy builds the
skeleton; free text never goes through it, because it rewrites escape sequences and takes separators for structure: a
token goes in, and the escaped text replaces it in the finished message.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Group, Message

from structured_report import concepts
from structured_report.content import Code, Finding, Outcome, PreRead, Presence, Priority
from structured_report.header import valid_date, valid_sex, valid_time
from structured_report.hl7_text import cap, escape
from structured_report.text import normalise_text
from structured_report.tree import comments, image_sentence
from structured_report.vocabulary import vocabulary, whole_vocabulary

Status = Literal["R", "P"]
MAX_NARRATIVE = 60_000  # FT has 65 536 (2.5.1 2.A.31), counted after escaping
_RANK_FLAGS = {Priority.CRITICAL: "AA", Priority.URGENT: "A", Priority.ROUTINE: "N"}  # HL7 table 0078
_TOKEN = re.compile(r"@@T\d{5}@@")
_TRUNCATED = " [truncated; the whole text stands in the DICOM Structured Report]"


def encode_oru(
    preread: PreRead,
    *,
    sending_application: str,
    sending_facility: str,
    receiving_application: str,
    receiving_facility: str,
    status: Status = "R",
) -> bytes:
    """Write the pre-read as an HL7 message: UTF-8, every segment ended by CR, no MLLP frame.

    Raises:
        ValueError: a status that may not be sent, or a control id of more than 20 characters (MSH-10 in v2.5.1).
    """
    if status not in ("R", "P"):
        raise ValueError(f"OBR-25 {status!r} cannot be sent: a pre-read is R (stored, not verified) or P")
    if not 1 <= len(preread.control_id) <= 20:
        raise ValueError("MSH-10 has 1 to 20 characters in v2.5.1")
    draft = _Draft(preread, status)
    draft.header(sending_application, sending_facility, receiving_application, receiving_facility)
    draft.patient()
    draft.order()
    draft.observations()
    return draft.finish().encode("utf-8")


class _Draft:
    """A message in the making: hl7apy's skeleton, and the texts that are put in at the end."""

    def __init__(self, preread: PreRead, status: Status) -> None:
        self._preread, self._status = preread, status
        self._message = Message("ORU_R01", version="2.5.1", validation_level=VALIDATION_LEVEL.TOLERANT)
        self._texts: dict[str, str] = {}
        self._result = self._message.add_group("ORU_R01_PATIENT_RESULT")
        self._order: Group = None
        self._count = 0
        self._analysed = preread.analysed_at.strftime("%Y%m%d%H%M%S%z")

    def header(self, application: str, facility: str, to_application: str, to_facility: str) -> None:
        msh = self._message.msh
        msh.msh_3, msh.msh_4 = self._line(application, 180), self._line(facility, 180)
        msh.msh_5, msh.msh_6 = self._line(to_application, 180), self._line(to_facility, 180)
        msh.msh_7 = self._analysed
        msh.msh_9 = "ORU^R01^ORU_R01"
        msh.msh_10 = self._preread.control_id
        msh.msh_11, msh.msh_12 = "P", "2.5.1"
        # MSH-15 and MSH-16 stay empty: original mode, one application acknowledgement.
        msh.msh_18 = "UNICODE UTF-8"
        msh.msh_19 = "en^English^ISO639"

    def patient(self) -> None:
        person = self._preread.study.patient
        group = self._result.add_group("ORU_R01_PATIENT")
        pid = group.add_segment("PID")
        pid.pid_1 = "1"
        pid.pid_3 = f"{self._exact(person.patient_id)}^^^{self._exact(person.issuer)}^MR" if person.patient_id else ""
        pid.pid_5 = self._name(person.name)
        pid.pid_7 = valid_date(person.birth_date)
        pid.pid_8 = valid_sex(person.sex)
        pv1 = group.add_group("ORU_R01_VISIT").add_segment("PV1")
        pv1.pv1_1, pv1.pv1_2 = "1", "U"

    def order(self) -> None:
        order, study = self._preread.study.order, self._preread.study
        self._order = self._result.add_group("ORU_R01_ORDER_OBSERVATION")
        filler = self._exact(order.filler_order_number or order.accession_number)
        placer = self._exact(order.placer_order_number)
        orc = self._order.add_segment("ORC")
        orc.orc_1, orc.orc_2, orc.orc_3, orc.orc_5 = "RE", placer, filler, "IP"  # never CM: the order is not complete
        obr = self._order.add_segment("OBR")
        obr.obr_1, obr.obr_2, obr.obr_3 = "1", placer, filler
        procedure = self._code(order.procedure or concepts.PROCEDURE_GENERIC)
        obr.obr_4 = procedure
        obr.obr_7 = _moment(study.study_date, study.study_time, study.timezone_offset)
        obr.obr_18 = self._exact(order.accession_number)
        obr.obr_19 = self._exact(order.requested_procedure_id)
        obr.obr_20 = self._exact(order.scheduled_procedure_step_id)
        obr.obr_22 = self._analysed
        obr.obr_24 = "RAD"
        obr.obr_25 = self._status
        obr.obr_44 = procedure
        tq1 = self._order.add_group("ORU_R01_TIMING_QTY").add_segment("TQ1")
        tq1.tq1_1, tq1.tq1_9 = "1", concepts.TIMING[self._preread.priority]

    def observations(self) -> None:
        preread = self._preread
        self._observe("ST", "113014^DICOM Study^DCM", preread.study.study_instance_uid, status="O")
        if preread.outcome is not Outcome.FLAGGED:  # there is no SR yet
            self._observe("HD", "^SR Instance UID", preread.sr_instance_uid, status="O")
        if preread.priority is not None:
            value = concepts.SIGNIFICANCE_VALUES[preread.priority]
            self._observe(
                "CE", self._code(concepts.SIGNIFICANCE), self._code(value), flag=_RANK_FLAGS[preread.priority]
            )
        for number, finding in enumerate(preread.findings, start=1):
            self._finding(number, finding)
        said = comments(preread)
        if preread.outcome is not Outcome.FLAGGED:
            said += [image_sentence(use) for use in preread.images]
        for number, comment in enumerate(said, start=1):
            # OBX-4 tells them apart: a receiver that files by OBX-3 and OBX-4 would keep only the last.
            self._narrative(concepts.COMMENT, comment, sub=str(number))
        self._narrative(concepts.FINDINGS, preread.narrative.findings)
        self._narrative(concepts.IMPRESSIONS, preread.narrative.impression)
        self._narrative(concepts.COMPARISON, preread.narrative.comparison)
        self._narrative(concepts.REASONING, preread.narrative.reasoning)

    def finish(self) -> str:
        """The message with its texts, checked to be nothing but segments."""
        skeleton = str(self._message.to_er7()).rstrip("\r") + "\r"
        if set(_TOKEN.findall(skeleton)) != set(self._texts):  # a number that two fields share stands in it twice
            raise ValueError("a text of the message was lost on its way through the skeleton")
        message = _TOKEN.sub(lambda found: self._texts[found.group()], skeleton)  # once: a text may look like a token
        if any(c < " " and c != "\r" for c in message):
            raise ValueError("a control character got into the message")
        return message

    def _finding(self, number: int, finding: Finding) -> None:
        concept = vocabulary()[finding.concept]
        value = concepts.PRESENCE_VALUES[finding.presence]
        flag = {Presence.PRESENT: "A" if concept.abnormal else "N", Presence.ABSENT: "N"}.get(finding.presence, "")
        known = next((p for p in self._preread.probabilities if p.concept == finding.concept and p.calibration), None)
        certainty = "" if known is None else f"{known.value:.3f}"
        self._observe(
            "CE", self._code(concept.code), self._code(value), sub=str(number), flag=flag, probability=certainty
        )
        details = []
        if finding.laterality is not None:
            details.append((concepts.LATERALITY, concepts.LATERALITY_VALUES[finding.laterality]))
        if finding.severity is not None:
            details.append((concepts.SEVERITY, whole_vocabulary().severities[finding.severity].code))
        if finding.place:
            details.append((concepts.PLACE, whole_vocabulary().places[finding.place].code))
        for name, value in details:
            self._observe("CE", self._code(name), self._code(value), sub=str(number))

    def _narrative(self, concept: Code, text: str, *, sub: str = "") -> None:
        if whole := normalise_text(text):
            capped = cap(escape(whole, formatted=True), MAX_NARRATIVE, _TRUNCATED)
            self._observe("FT", self._code(concept), self._token(capped), sub=sub)

    def _observe(
        self,
        kind: str,
        name: str,
        value: str,
        *,
        sub: str = "",
        flag: str = "",
        probability: str = "",
        status: str = "",
    ) -> None:
        self._count += 1
        study, made_by = self._preread.study, self._preread.provenance
        obx: Any = self._order.add_group("ORU_R01_OBSERVATION").add_segment("OBX")
        obx.obx_1, obx.obx_2, obx.obx_3, obx.obx_4, obx.obx_5 = str(self._count), kind, name, sub, value
        obx.obx_8, obx.obx_9 = flag, probability
        obx.obx_11 = status or self._status
        obx.obx_14 = _moment(study.study_date, study.study_time, study.timezone_offset)
        if not status:
            method = self._line(f"{made_by.model_name} {made_by.algorithm_version} {made_by.quantization}", 60)
            obx.obx_17 = f"PREREAD^{method}^{concepts.PRIVATE_SCHEME}"
            obx.obx_18 = f"{self._line(made_by.algorithm_name, 60)}^^{made_by.device_uid}^ISO"
            obx.obx_19 = self._analysed

    def _code(self, code: Code) -> str:
        return "^".join(self._line(v, limit) for v, limit in ((code.value, 20), (code.meaning, 199), (code.scheme, 20)))

    def _name(self, name: str) -> str:
        """A PN (PS3.5 6.2.1) as XPN: one repetition for each component group, told apart by XPN.8 where there are several.

        DICOM has prefix before suffix, HL7 has suffix before prefix.
        """
        groups = [(group, kind) for group, kind in zip(name.split("="), "AIP", strict=False) if group.strip("^ ")]
        repetitions = []
        for group, kind in groups:
            family, given, middle, prefix, suffix = (group.split("^") + [""] * 5)[:5]
            ordered = (family, given, middle, suffix, prefix)
            parts = [escape(" ".join(normalise_text(c).split()), formatted=False) for c in ordered]
            parts += ["", "L", kind] if len(groups) > 1 else []
            repetitions.append("^".join(parts).rstrip("^"))
        return self._token("~".join(repetitions)) if repetitions else ""

    def _line(self, text: str, limit: int) -> str:
        """A short text for people: on one line, blanks joined."""
        return self._field(" ".join(normalise_text(text).split())[:limit])

    def _exact(self, identifier: str) -> str:
        """An identifier, unaltered but for characters that no HL7 message can carry."""
        return self._field("".join(c for c in identifier if c.isprintable()))

    def _field(self, text: str) -> str:
        """As it is when nothing in it could be taken for structure, else by token."""
        plain = all(c.isascii() and (c.isalnum() or c in " .,-_:/()+") for c in text)
        return text if plain and "@@" not in text else self._token(escape(text, formatted=False))

    def _token(self, escaped: str) -> str:
        token = f"@@T{len(self._texts):05d}@@"
        self._texts[token] = escaped
        return token


def _moment(date: str, time: str, offset: str) -> str:
    """DA and TM as an HL7 TS; what is not valid is left out rather than guessed."""
    day = valid_date(date)
    clock = valid_time(time) if day else ""
    zone = (
        offset.strip()
        if clock and len(offset.strip()) == 5 and offset.strip()[0] in "+-" and offset.strip()[1:].isdigit()
        else ""
    )
    whole, _, fraction = clock.partition(".")
    if len(whole) == 2:
        whole += "00"
    return day + whole + (f".{fraction[:4]}" if fraction else "") + zone
