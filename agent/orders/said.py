"""What one HL7 message says, freed of its segments: facts that are kept as JSON beside the message.

`agent.hl7` makes these of messages; the orders stage acts on them. Neither knows the other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from structured_report.content import Order, Patient, Priority
from structured_report.plain import order_from_json


class OrderChange(StrEnum):
    """What becomes of an order (ORC-1, table 0119; ORC-5, table 0038)."""

    PLACED = "placed"  # new, or changed: what is said now is what holds
    CANCELLED = "cancelled"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class OrderSaid:
    """One order of an ORM^O01 or OMI^O23.

    Attributes:
        patient: as PID has it; `name` in DICOM's form, component groups included.
        scheduled_at: DTM as sent (OBR-36, TQ1-7 or ORC-7.4), empty when not said.
        modality: OBR-24 or IPC-5, empty when not said.
        study_instance_uid: ZDS-1 or IPC-3, empty when not said.
    """

    change: OrderChange
    patient: Patient
    order: Order
    study_instance_uid: str = ""
    priority: Priority | None = None
    scheduled_at: str = ""
    modality: str = ""


@dataclass(frozen=True, slots=True)
class PatientSaid:
    """ADT^A08 and its like: what now holds of a patient who keeps his or her identifier."""

    patient: Patient


@dataclass(frozen=True, slots=True)
class PatientsMerged:
    """ADT^A40: what was filed under `gone` belongs to `stays`. `gone` has an identifier and an issuer (MRG-1), and a name
    where MRG-7 gives one."""

    stays: Patient
    gone: Patient


@dataclass(frozen=True, slots=True)
class ReportSaid:
    """ORU^R01 from the RIS: where the radiologist's report stands.

    Attributes:
        status: OBR-25 (table 0123), for example ``F``, ``C`` or ``P``.
        is_final: whether a person has finished it: pre-reads that come later are of no more use.
        is_taken_back: whether one that was finished is a report no more: nobody has reported the study until another comes.
    """

    patient: Patient
    order: Order
    study_instance_uid: str
    status: str
    is_final: bool
    is_taken_back: bool = False


Said = OrderSaid | PatientSaid | PatientsMerged | ReportSaid

_KINDS: dict[str, type[Any]] = {
    "order": OrderSaid,
    "patient": PatientSaid,
    "merge": PatientsMerged,
    "report": ReportSaid,
}


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that one message says, in its order."""

    said: tuple[Said, ...] = field(default_factory=tuple)

    def to_json(self) -> list[dict[str, Any]]:
        """As plain values; `from_json` gives an equal one back."""
        names = {kind: name for name, kind in _KINDS.items()}
        return [{"kind": names[type(s)], **asdict(s)} for s in self.said]

    @classmethod
    def from_json(cls, values: list[dict[str, Any]]) -> Heard:
        """Raises `KeyError`, `TypeError` or `ValueError` for anything that `to_json` does not write."""
        return cls(tuple(_said(dict(value)) for value in values))


def _said(value: dict[str, Any]) -> Said:
    kind = _KINDS[value.pop("kind")]
    made: dict[str, Any] = {}
    for key, content in value.items():
        if key in ("patient", "stays", "gone"):
            made[key] = Patient(**content)
        elif key == "order":
            made[key] = order_from_json(content)
        elif key == "change":
            made[key] = OrderChange(content)
        elif key == "priority":
            made[key] = Priority(content) if content else None
        else:
            made[key] = content
    return kind(**made)  # type: ignore[no-any-return]
