"""ORM^O01 (HL7 v2.1 to 2.5.1, 4.4.1) and OMI^O23 (4.4.12; IHE RAD-4): what each of their orders says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent.hl7.faults import Condition, Fault
from agent.hl7.fields import LONGEST_ACCESSION, LONGEST_NUMBER, code, fits, fitting, person, priority, uid
from agent.hl7.message import Segment
from agent.orders.said import OrderChange, OrderSaid
from structured_report.content import Assigner, Code, Order, Patient

# ORC-1 (table 0119). None: nothing becomes of the order, it is asked about or could not be changed.
_PLACED, _CANCELLED = OrderChange.PLACED, OrderChange.CANCELLED
_CONTROL: dict[str, OrderChange | None] = {
    **dict.fromkeys(("NW", "XO", "XX", "XR", "RO", "CH", "PA", "SN", "NA", "OK", "RL", "OE", "OR", "SC", "SR", "RE"), _PLACED),
    **dict.fromkeys(("HD", "HR", "OH", "RF", "AF", "FU", "PR"), _PLACED),
    **dict.fromkeys(("CA", "OC", "CR", "DC", "OD", "DR", "RP", "RU", "RQ", "UA"), _CANCELLED),  # RP: by the RO that follows
    **dict.fromkeys(("SS", "UC", "UD", "UF", "UH", "UM", "UN", "UR", "UX", "DE", "LI", "MC", "DF", "CN", "PY"), None),
}  # fmt: skip
# ORC-5 (table 0038), where it says more than ORC-1 does.
_STATUS = {"CM": OrderChange.COMPLETED, "CA": _CANCELLED, "DC": _CANCELLED, "RP": _CANCELLED}
# OBR-24 (table 0074) of sections that make no images, and the segments of orders for other things.
_OTHER_SECTIONS = frozenset({
    "BG", "BLB", "CH", "CP", "HM", "IMM", "LAB", "MB", "MCB", "MYC", "SP", "SR", "TX", "URN", "VR", "EC", "EN", "PHR", "PF",
})  # fmt: skip
_OTHER_ORDERS = frozenset({
    "RXO", "RXE", "RXR", "RQD", "RQ1", "ODS", "ODT", "BPO", "SPM",
})  # fmt: skip
# Where an accession number may stand, by the names of the setting `orders.accession_in`.
ACCESSION_FIELDS = {
    "ipc-1": ("IPC", 1), "obr-18": ("OBR", 18), "obr-19": ("OBR", 19), "obr-20": ("OBR", 20), "obr-3": ("OBR", 3),
    "obr-2": ("OBR", 2), "orc-3": ("ORC", 3), "orc-2": ("ORC", 2), "zds-1": ("ZDS", 1),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OrderGroup:
    """The segments of one order, each the first of its name; OBR alone may share its ORC with others."""

    segments: dict[str, Segment]

    def value(self, *places: tuple[str, int, int]) -> str:
        """The first of these components (segment, field, component) that says anything."""
        found = (self.segments[s].value(f, c) for s, f, c in places if s in self.segments)
        return next((v for v in found if v), "")

    @property
    def is_imaging(self) -> bool:
        """Whether it may be: drugs, diets, supplies and laboratory tests are ordered by the same messages."""
        section = self.segments["OBR"].value(24).upper() if "OBR" in self.segments else ""
        return section not in _OTHER_SECTIONS and not _OTHER_ORDERS & set(self.segments)


def groups(segments: Sequence[Segment]) -> Iterator[OrderGroup]:
    """The orders of a message, in its order: each begins with ORC, or with another OBR."""
    current: dict[str, Segment] = {}
    for segment in segments:
        another = segment.name == "OBR" and "OBR" in current
        if segment.name == "ORC" or another:
            if current:
                yield OrderGroup(current)
            current = {"ORC": current["ORC"]} if another and "ORC" in current else {}
        if current or segment.name in ("ORC", "OBR"):
            current.setdefault(segment.name, segment)
    if current:
        yield OrderGroup(current)


def orders_said(segments: Sequence[Segment], patient: Patient, accession_in: Sequence[str]) -> list[OrderSaid]:
    """Every order of the message of which something is said.

    Raises:
        Fault: there is no ORC, its ORC-1 is missing or not known, no number names the order, or a UID is none.
    """
    found = list(groups(segments))
    if not found or "ORC" not in found[0].segments:
        place = replace(segments[0].place(), segment="ORC")
        raise Fault(Condition.SEGMENT_SEQUENCE, place, "there is no ORC before the first OBR")
    visit = next((s for s in segments if s.name == "PV1"), None)
    said = [_said(group, patient, visit, accession_in) for group in found]
    return _share_study([s for s in said if s is not None])


def order_of(group: OrderGroup, visit: Segment | None, accession_in: Sequence[str]) -> Order:
    """What a group says of its order."""
    procedure, description = _procedure(group)
    return Order(
        accession_number=_accession(group, accession_in),
        placer_order_number=_number(group, 2),
        filler_order_number=_number(group, 3),
        placer_assigner=_assigner(group, 2),
        filler_assigner=_assigner(group, 3),
        requested_procedure_id=group.value(("IPC", 2, 1), ("OBR", 19, 1)),
        scheduled_procedure_step_id=group.value(("IPC", 4, 1), ("OBR", 20, 1)),
        procedure=procedure,
        procedure_description=description,
        referring_physician=_referring(group, visit),
        indication=_indication(group),
    )


def _accession(group: OrderGroup, accession_in: Sequence[str]) -> str:
    """The first of these fields that says anything. A placer's or filler's number that is too long for one is none; anything
    else that is too long is a mistake. Raises `Fault`."""
    for name in accession_in:
        segment, field = ACCESSION_FIELDS[name]
        found = group.value((segment, field, 1))
        if found and (fits(found, LONGEST_ACCESSION) or field not in (2, 3)):
            return fitting(found, LONGEST_ACCESSION, group.segments[segment], field)
    return ""


def _number(group: OrderGroup, field: int) -> str:
    """Placer or filler order number. Raises `Fault`."""
    segment = "OBR" if group.value(("OBR", field, 1)) else "ORC"
    found = group.value((segment, field, 1))
    return fitting(found, LONGEST_NUMBER, group.segments[segment], field) if found else ""


def _assigner(group: OrderGroup, field: int) -> Assigner | None:
    """Who gave that number: EI.2 to EI.4, of the field that the number is from."""
    segment = "OBR" if group.value(("OBR", field, 1)) else "ORC"
    if not group.value((segment, field, 1)):
        return None
    namespace, universal_id, kind = (group.value((segment, field, n)) for n in (2, 3, 4))
    if not (universal_id and kind):  # neither says anything without the other
        universal_id = kind = ""
    return Assigner(namespace, universal_id, kind) if namespace or universal_id else None


def _said(group: OrderGroup, patient: Patient, visit: Segment | None, accession_in: Sequence[str]) -> OrderSaid | None:
    change = _change(group.segments["ORC"])
    if change is None or not group.is_imaging:
        return None
    order = order_of(group, visit, accession_in)
    if not (order.accession_number or order.placer_order_number or order.filler_order_number):
        raise Fault(Condition.REQUIRED_FIELD, group.segments["ORC"].place(2), "neither ORC-2 nor ORC-3 names the order")
    return OrderSaid(
        change,
        patient,
        order,
        study_instance_uid=study_uid(group),
        priority=priority(*_priorities(group)),
        scheduled_at=group.value(("TQ1", 7, 1), ("OBR", 36, 1), ("OBR", 27, 4), ("ORC", 7, 4)),
        modality=group.value(("IPC", 5, 1), ("OBR", 24, 1)),
    )


def _change(orc: Segment) -> OrderChange | None:
    control, status = orc.value(1).upper(), orc.value(5).upper()
    if not control:
        raise Fault(Condition.REQUIRED_FIELD, orc.place(1), "ORC-1 is missing")
    if control not in _CONTROL:
        raise Fault(Condition.TABLE_VALUE, orc.place(1), "ORC-1 is not in table 0119")
    change = _CONTROL[control]
    return _STATUS.get(status, change) if change is OrderChange.PLACED else change


def says_cancelled(group: OrderGroup) -> bool:
    """Whether ORC-5, or else ORC-1, of a message that is no order says that the order was cancelled."""
    orc = group.segments.get("ORC")
    if orc is None:
        return False
    return _STATUS.get(orc.value(5).upper(), _CONTROL.get(orc.value(1).upper())) is OrderChange.CANCELLED


def study_uid(group: OrderGroup) -> str:
    """ZDS-1 (IHE RAD-4) or IPC-3. Raises `Fault`."""
    for segment, field in (("ZDS", 1), ("IPC", 3)):
        if segment in group.segments and (found := uid(group.segments[segment], field)):
            return found
    return ""


def _share_study(said: list[OrderSaid]) -> list[OrderSaid]:
    """One ZDS at the end stands for every order of its accession number: they are steps of one requested procedure."""
    known = {s.order.accession_number: s.study_instance_uid for s in said if s.study_instance_uid}
    known.pop("", None)
    return [
        s if s.study_instance_uid else replace(s, study_instance_uid=known.get(s.order.accession_number, ""))
        for s in said
    ]


def _priorities(group: OrderGroup) -> list[str]:
    tq1 = group.segments.get("TQ1")
    said = [tq1.part(r, 1) for r in tq1.repetitions(9)] if tq1 is not None else []
    said += [group.value((s, n, 6)) for s, n in (("OBR", 27), ("ORC", 7))]
    return [*said, group.value(("OBR", 5, 1))]


def _procedure(group: OrderGroup) -> tuple[Code | None, str]:
    for segment, field in (("OBR", 4), ("OBR", 44)):
        if segment in group.segments:
            found, text = code(group.segments[segment], field)
            if found is not None or text:
                return found, text
    return None, ""


def _referring(group: OrderGroup, visit: Segment | None) -> str:
    places = [(group.segments.get("OBR"), 16), (group.segments.get("ORC"), 12), (visit, 8)]
    return next((found for s, n in places if s is not None and (found := person(s, n))), "")


def _indication(group: OrderGroup) -> str:
    """OBR-31 (reason for study, coded or in words) and OBR-13 (relevant clinical information)."""
    obr = group.segments.get("OBR")
    if obr is None:
        return ""
    reasons = [obr.part(r, 2) or obr.part(r, 5) or obr.part(r, 1) for r in obr.repetitions(31)]
    return "\n".join(dict.fromkeys(text for text in (*reasons, obr.whole(13)) if text))
