"""What an ORU says below its OBR: coded rows, and the texts as rows or as notes."""

from __future__ import annotations

from dataclasses import dataclass, field

from structured_report import concepts
from structured_report.content import Code, Finding, Outcome, PreRead, Presence, Priority
from structured_report.hl7_text import cap, escape
from structured_report.oru_fields import Fields
from structured_report.oru_form import OruForm
from structured_report.tree import comments, image_sentence
from structured_report.vocabulary import vocabulary, whole_vocabulary

_RANK_FLAGS = {Priority.CRITICAL: "AA", Priority.URGENT: "A", Priority.ROUTINE: "N"}  # HL7 table 0078
_NOTE_LINE_END = "\\X0A\\"
_BLANK_LINE = " "  # OBX-5 must not be empty where there is a result

Notes = list[tuple[str, str]]
"""NTE-3 and NTE-4 of each note."""


@dataclass(frozen=True, slots=True)
class Row:
    """One OBX, each value as it is written. `status` is empty where it is that of the message."""

    kind: str
    name: str
    value: str
    sub: str = ""
    flag: str = ""
    probability: str = ""
    status: str = ""


@dataclass(slots=True)
class Said:
    """The rows in their order, and the notes."""

    rows: list[Row] = field(default_factory=list)
    notes: Notes = field(default_factory=list)


def rows_of(preread: PreRead, form: OruForm, fields: Fields, application: str) -> Said:
    """Everything that is said about the study. `application`: MSH-3, which a reference pointer names."""
    writer = _Writer(preread, form, fields)
    writer.identifiers(application)
    writer.significance()
    for number, finding in enumerate(preread.findings, start=1):
        writer.finding(number, finding)
    writer.texts()
    return writer.said


def study_uid_as_rp(preread: PreRead, fields: Fields, application: str) -> str:
    """The Study Instance UID as reference pointer (2.5.1 2.A.65)."""
    return f"{preread.study.study_instance_uid}^{fields.line(application, 180)}^Application^DICOM"


class _Writer:
    def __init__(self, preread: PreRead, form: OruForm, fields: Fields) -> None:
        self._preread, self._form, self._fields, self.said = preread, form, fields, Said()
        # A result that was taken back is posted as wrong, row by row (table 0085); why stands beside it.
        self._status = "W" if preread.outcome is Outcome.WITHDRAWN else ""

    def identifiers(self, application: str) -> None:
        """Of the study and of the SR; OBX-11 says O, because they are no results."""
        preread, study = self._preread, "113014^DICOM Study^DCM"
        if self._form.study_uid_as == "st":
            self._row("ST", study, preread.study.study_instance_uid, status="O")
        elif self._form.study_uid_as == "rp":
            self._row("RP", study, study_uid_as_rp(preread, self._fields, application), status="O")
        if preread.outcome is not Outcome.FLAGGED:  # there is no SR yet
            self._row("HD", "^SR Instance UID", preread.sr_instance_uid, status="O")

    def significance(self) -> None:
        if (priority := self._preread.priority) is None:
            return
        name, value = concepts.SIGNIFICANCE, concepts.SIGNIFICANCE_VALUES[priority]
        flag = _RANK_FLAGS[priority] if "obx8" in self._form.priorities else ""
        self._row("CE", self._fields.code(name), self._fields.code(value), flag=flag, status=self._status)

    def finding(self, number: int, finding: Finding) -> None:
        concept, code = vocabulary()[finding.concept], self._fields.code
        value = concepts.PRESENCE_VALUES[finding.presence]
        flag = {Presence.PRESENT: "A" if concept.abnormal else "N", Presence.ABSENT: "N"}.get(finding.presence, "")
        known = next((p for p in self._preread.probabilities if p.concept == finding.concept and p.calibration), None)
        certainty = "" if known is None else f"{known.value:.3f}"
        sub, status = str(number), self._status
        self._row("CE", code(concept.code), code(value), sub=sub, flag=flag, probability=certainty, status=status)
        details = []
        if finding.laterality is not None:
            details.append((concepts.LATERALITY, concepts.LATERALITY_VALUES[finding.laterality]))
        if finding.severity is not None:
            details.append((concepts.SEVERITY, whole_vocabulary().severities[finding.severity].code))
        if finding.place:
            details.append((concepts.PLACE, whole_vocabulary().places[finding.place].code))
        for name, value in details:
            self._row("CE", code(name), code(value), sub=sub, status=status)

    def texts(self) -> None:
        preread, narrative = self._preread, self._preread.narrative
        said = comments(preread)
        if preread.outcome is not Outcome.FLAGGED:
            said += [image_sentence(use) for use in preread.images]
        for number, comment in enumerate(said, start=1):
            # OBX-4 tells them apart: a receiver that files by OBX-3 and OBX-4 would keep only the last.
            self._text(concepts.COMMENT, comment, sub=str(number))
        self._text(concepts.FINDINGS, narrative.findings, status=self._status)
        self._text(concepts.IMPRESSIONS, narrative.impression, status=self._status)
        self._text(concepts.COMPARISON, narrative.comparison, status=self._status)
        self._text(concepts.REASONING, narrative.reasoning, status=self._status)
        if self._fields.replaced:
            self._text(concepts.COMMENT, self._what_was_replaced(), sub=str(len(said) + 1))

    def _what_was_replaced(self) -> str:
        count, where = self._fields.replaced, "the DICOM Structured Report has what belongs there"
        what = "1 character stands" if count == 1 else f"{count} characters stand"
        words = f"Remark: {what} in this message as [U+code point], because {self._form.character_set} has no other way"
        return f"{words}." if self._preread.outcome is Outcome.FLAGGED else f"{words}; {where}."

    def _text(self, concept: Code, text: str, *, sub: str = "", status: str = "") -> None:
        whole = self._fields.words(text)
        if not whole:
            return
        name = self._fields.code(concept)
        if self._form.text == "ft":
            self._row("FT", name, self._fields.er7(self._capped(whole, "\\.br\\")), sub=sub, status=status)
        elif self._form.text == "tx":
            self._lines(name, self._capped(whole, "\n").split("\n"), sub, status)
        else:
            title = "" if concept is concepts.COMMENT else f"{concept.meaning}:\n"
            self.said.notes.append((self._fields.er7(self._capped(title + whole, _NOTE_LINE_END)), name))

    def _lines(self, name: str, lines: list[str], sub: str, status: str) -> None:
        """An OBX a line; OBX-4 counts them, below the number of the text where it has one."""
        for number, line in enumerate(lines, start=1):
            below = f"{sub}.{number}" if sub and len(lines) > 1 else sub or str(number)
            value = self._fields.er7(line or _BLANK_LINE)
            self._row("TX", name, value, sub=below, status=status)

    def _capped(self, text: str, line_end: str) -> str:
        where = (
            "the report follows"
            if self._preread.outcome is Outcome.FLAGGED
            else f"the whole text stands in the DICOM Structured Report {self._preread.sr_instance_uid}"
        )
        return cap(escape(text, formatted=True, line_end=line_end), self._form.longest_text, f" [truncated; {where}]")

    def _row(self, kind: str, name: str, value: str, **rest: str) -> None:
        self.said.rows.append(Row(kind, name, value, **rest))
