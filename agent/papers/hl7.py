"""What stands in the HL7 messages and what their acknowledgements mean: made by encoding messages, and by asking the judge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Literal, get_args, get_origin

from hl7apy.core import Field

from agent.hl7.ack import Ack, Verdict, judge
from agent.papers import example
from agent.papers.blocks import MissingRow, table
from agent.papers.settings import one_table, settings_of
from agent.reading.build import derived_control_id
from agent.settings import Hl7DestinationSettings, Settings
from agent.store.messages import MESSAGES
from structured_report.content import PreRead
from structured_report.hl7_characters import CHARACTER_SETS, msh_18
from structured_report.oru import encode_oru
from structured_report.oru_form import (
    AcknowledgementMode,
    OruForm,
    PriorityField,
    Status,
    StudyUidForm,
    TextForm,
    Version,
)
from structured_report.retraction import retraction_of

_KINDS = {
    "oru": "the result: read, abstained, or not analysed (`report.send_not_analysed`)",
    "flag": "only that a study is urgent or critical, before the reading; for destinations with `send_flag = true`",
    "retract": "takes back what this receiver has: a result was withdrawn, or its patient or order was corrected",
}
# Segment and field -> what stands there. Every field that a message of any form has must be here.
_MEANS = {
    "MSH-1": "`|`", "MSH-2": "`^~\\&`", "MSH-3": "`sending_application`", "MSH-4": "`sending_facility`",
    "MSH-5": "`receiving_application`", "MSH-6": "`receiving_facility`", "MSH-7": "when the study had been analysed, UTC, with offset",
    "MSH-9": "`ORU^R01^ORU_R01`; in 2.3.1 `ORU^R01`",
    "MSH-10": "20 characters derived from the content: the same on every resend",
    "MSH-11": "`P`", "MSH-12": "`version`", "MSH-15": "`AL` in enhanced mode (`acknowledgement`)",
    "MSH-16": "`NE` or `AL` in enhanced mode", "MSH-18": "`character_set`", "MSH-19": "`en^English^ISO639`",
    "PID-1": "`1`", "PID-3": "Patient ID and its issuer, unaltered, type `MR`",
    "PID-5": "Patient's Name; a name of several component groups as repetitions, told apart by XPN.8 (A, I, P)",
    "PID-7": "Patient's Birth Date, when it is a date", "PID-8": "Patient's Sex: M, F or O",
    "PV1-1": "`1`", "PV1-2": "`U`: the class is not known here",
    "ORC-1": "`RE`", "ORC-2": "placer order number; who gave it (EI.2 to EI.4), where an order message said so",
    "ORC-3": "filler order number, in the same way; else accession number",
    "ORC-5": "`IP`: never complete, the radiologist's report is still to come",
    "OBR-1": "`1`", "OBR-2": "as ORC-2", "OBR-3": "as ORC-3", "OBR-4": "the order's own procedure code, else a generic one",
    "OBR-7": "study date and time", "OBR-18": "accession number", "OBR-19": "Requested Procedure ID",
    "OBR-20": "Scheduled Procedure Step ID", "OBR-22": "when the study had been analysed; a later one replaces an earlier",
    "OBR-24": "`RAD`", "OBR-25": "`R` (stored, not verified), or `P` where `result_status` says so; `F` cannot be sent",
    "OBR-27": "priority in OBR-27.6, with `priority_in` `\"obr27\"`", "OBR-44": "as OBR-4",
    "NTE-1": "number", "NTE-2": "`L`", "NTE-3": "a text, with `text = \"nte\"`", "NTE-4": "which text it is",
    "TQ1-1": "`1`", "TQ1-9": "priority: S, A or R, with `priority_in` `\"tq1\"`",
    "OBX-1": "number", "OBX-2": "ST, RP, HD, CE, FT or TX", "OBX-3": "what the row is about",
    "OBX-4": "ties the rows of one finding together, tells rows of a kind apart",
    "OBX-5": "the value", "OBX-8": "`AA`, `A`, `N` of the level of significance; `A`, `N` of a finding",
    "OBX-9": "probability, 0 to 1; only when it was calibrated",
    "OBX-11": "as OBR-25; `O` of an identifier, which is no result; `W` of what is taken back", "OBX-14": "study date and time",
    "OBX-17": "model, version and quantization", "OBX-18": "the device: one UID a model build; from 2.4",
    "OBX-19": "when it was analysed; from 2.4",
    "ZDS-1": "Study Instance UID as reference pointer, with `study_uid_as = \"zds\"`",
}  # fmt: skip


def _sent(preread: PreRead, form: OruForm, status: Status = "R") -> bytes:
    return encode_oru(
        preread, sending_application="PREREAD", sending_facility="RADIOLOGY", receiving_application="RIS",
        receiving_facility="HOSPITAL", status=status, form=form,
    )  # fmt: skip


def _taken_back(message: bytes) -> bytes:
    at = example.example().analysed_at.replace(hour=11)
    return retraction_of(
        message, control_id=derived_control_id("papers", "retract"), at=at, reason="the order was corrected"
    )


def _forms() -> list[OruForm]:
    """One for each value of each choice."""
    return [
        *(OruForm(version=v) for v in get_args(Version)),
        *(OruForm(text=t) for t in get_args(TextForm)),
        *(OruForm(study_uid_as=u) for u in get_args(StudyUidForm)),
        *(OruForm(acknowledgement=a) for a in get_args(AcknowledgementMode)),
        *(OruForm(priority_in=frozenset({p})) for p in get_args(PriorityField)),
    ]


@lru_cache(maxsize=1)
def fields_used() -> tuple[str, ...]:
    """``PID-5`` and so on: every field that some message in some form has, in the order of the messages."""
    found: dict[str, None] = {}
    for form in _forms():
        for preread in (example.example(), example.bare(), example.flagged()):
            for message in (one := _sent(preread, form), _taken_back(one)):
                for line in message.decode("utf-8").rstrip("\r").split("\r"):
                    found |= dict.fromkeys(_fields_of(line))
    segments = list(dict.fromkeys(name.partition("-")[0] for name in found))
    segments.sort(key=_ORDER.index)
    return tuple(sorted(found, key=lambda n: (segments.index(n.partition("-")[0]), int(n.partition("-")[2]))))


_ORDER = ("MSH", "PID", "PV1", "ORC", "OBR", "NTE", "TQ1", "OBX", "ZDS")


def _fields_of(line: str) -> Iterable[str]:
    kind, *fields = line.split("|")
    first = 2 if kind == "MSH" else 1
    if kind == "MSH":
        yield "MSH-1"
    yield from (f"{kind}-{number}" for number, value in enumerate(fields, start=first) if value)


def fields_table() -> str:
    """Raises `MissingRow` for a field that a message has and no row explains."""
    used = fields_used()
    if silent := [name for name in used if name not in _MEANS]:
        raise MissingRow(f"{', '.join(silent)} of our messages: say what stands there in agent/papers/hl7.py")
    return table(("Field", "Name", "Content"), ((f"{name}", _title(name), _MEANS[name]) for name in used))


def _title(name: str) -> str:
    kind, _, number = name.partition("-")
    if kind == "ZDS":
        return "Study Instance UID"
    title = Field(f"{kind}_{number}", version="2.5.1").long_name
    return str(title or "").replace("_", " ").capitalize()


def kinds_table() -> str:
    """Raises `MissingRow` for a kind of message without words."""
    if silent := [kind for kind in MESSAGES if kind not in _KINDS]:
        raise MissingRow(f"the message kind {', '.join(silent)}: say what it is in agent/papers/hl7.py")
    return table(("Kind", "What it is"), ((f"`{kind}`", _KINDS[kind]) for kind in MESSAGES))


def choices_table() -> str:
    """The settings of a destination of type ``hl7``, with what is allowed."""
    rows = []
    for setting in settings_of("destinations.hl7"):
        annotation = Hl7DestinationSettings.model_fields[setting.key].annotation
        allowed = ", ".join(f"`{a}`" for a in _allowed(annotation))
        rows.append((f"`{setting.key}`", setting.default, allowed, setting.words))
    return table(("Key", "Default", "Allowed", "Meaning"), rows)


def _allowed(annotation: object) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(a) for a in get_args(annotation)]
    return [a for part in get_args(annotation) for a in _allowed(part)]


def character_sets_table() -> str:
    rows = ((f"`{name}`", f"`{msh_18(name)}`", codec) for name, codec in CHARACTER_SETS.items())
    return table(("`character_set`", "MSH-18", "Codec"), rows)


_CODES = ("AA", "CA", "AE", "CE", "AR", "CR")
_ERRORS = ("", "100", "101", "102", "103", "200", "201", "202", "203", "204", "205", "206", "207")
_FOLLOWS = {
    Verdict.DELIVERED: "delivered",
    Verdict.TRY_AGAIN: "the same bytes again, later and later",
    Verdict.GIVE_UP: "parked, until `preread retry`",
}


def acknowledgements_table() -> str:
    """What is done after each MSA-1, with and without a code of table 0357 in ERR-3."""
    rows = []
    for code in _CODES:
        by_verdict: dict[Verdict, list[str]] = {}
        for error in _ERRORS:
            verdict = judge(Ack(code, "X", (error,) if error else ()))
            by_verdict.setdefault(verdict, []).append(error or "none")
        rows += [(code, ", ".join(errors), _FOLLOWS[verdict]) for verdict, errors in by_verdict.items()]
    return table(("MSA-1", "ERR-3", "What follows"), rows)


def heard() -> str:
    """What is listened for; the settings of the listener are where it is said whether there is one."""
    if "orders" not in Settings.model_fields:
        return "None: this version listens for no HL7 messages."
    return (
        "Orders, corrections of patients, and the state of the radiologist's report: [orders](orders.md) has the messages, the "
        f"fields and the answers. Nothing is heard until `[orders]` is set:\n\n{one_table('orders')}"
    )


def result_example() -> str:
    return _shown(_sent(example.short_example(), OruForm()))


def other_form_example() -> str:
    form = OruForm(version="2.3.1", text="nte", study_uid_as="zds")
    return _shown(_sent(replace(example.short_example(), regions=()), form))


def flag_example() -> str:
    return _shown(_sent(example.flagged(), OruForm()))


def not_analysed_example() -> str:
    return _shown(_sent(example.bare(), OruForm()))


def retraction_example() -> str:
    return _shown(_taken_back(_sent(example.short_example(), OruForm())))


def _shown(message: bytes) -> str:
    """One segment a line. The lines of a message end with CR."""
    return "```\n" + message.decode("utf-8").rstrip("\r").replace("\r", "\n") + "\n```"
