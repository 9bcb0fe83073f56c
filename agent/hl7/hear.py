"""From a message to what it says: the table of the messages that are acted on, and what becomes of all the others.

HL7 v2.5.1 chapters 3 (ADT), 4 (ORM, OMI) and 7 (ORU).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from agent.hl7.faults import Condition, Fault, Place
from agent.hl7.fields import Identifiers, identifier, name, patient_of
from agent.hl7.message import Message, Segment
from agent.hl7.order_messages import OrderGroup, groups, order_of, orders_said, says_cancelled, study_uid
from agent.orders.said import Heard, PatientSaid, PatientsMerged, ReportSaid, Said
from structured_report.content import Patient

# Of table 0076: what hospitals send to many at once. What is not acted on is acknowledged all the same, or the sender's queue
# stops. The others are questions, which wait for data, or are not known.
_BROADCAST = frozenset({
    "ACK", "ADT", "BAR", "CRM", "CSU", "DFT", "EAC", "EAN", "EAR", "EHC", "ESR", "ESU", "INR", "INU", "LSR", "LSU", "MCF",
    "MDM", "MFK", "MFN", "NMD", "OMB", "OMD", "OMG", "OMI", "OML", "OMN", "OMP", "OMQ", "OMS", "OPL", "OPR", "OPU", "ORA",
    "ORB", "ORD", "ORF", "ORG", "ORI", "ORL", "ORM", "ORN", "ORP", "ORR", "ORS", "ORU", "ORX", "OSM", "OSU", "OUL", "PEX",
    "PGL", "PIN", "PMU", "PPG", "PPP", "PPR", "PPT", "PPV", "PRR", "PTR", "RAR", "RAS", "RDE", "RDR", "RDS", "RDY", "REF",
    "RER", "RGR", "RGV", "ROR", "RRA", "RRD", "RRE", "RRG", "RRI", "SDR", "SDS", "SIU", "SLR", "SLS", "SMD", "SRM", "SRR",
    "SSR", "SSU", "STC", "SUR", "TCR", "TCU", "UDM", "VXU", "VXR",
})  # fmt: skip
_UPDATES = ("A08", "A31")
_MERGES = ("A40", "A18", "A34", "A36", "A47")  # A47: another identifier for the same patient, which comes to the same
_ALONE = {"ORM": "O01", "ORU": "R01", "OMI": "O23"}  # MSH-9.2 where old senders leave it out
_MOST_SEGMENTS = 1000  # of those that say something: no hospital writes so many into a message
_FINAL = ("F", "C")  # table 0123: final, and corrected after that
# Deleted, wrong (table 0085, which some write into OBR-25 too), and table 0123: no results available, order canceled.
_TAKEN_BACK = ("D", "W", "X")
_POSTED_AS_WRONG = {"D", "W"}  # OBX-11
_NO_RESULT = "O"  # OBX-11: a detail of the order


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a site writes its messages.

    Attributes:
        accession_in: names of `order_messages.ACCESSION_FIELDS`; the first that says anything.
        own_applications: MSH-3 of what this program sends itself.
    """

    identifiers: Identifiers = field(default_factory=Identifiers)
    accession_in: tuple[str, ...] = ("ipc-1", "obr-18", "obr-3")
    own_applications: frozenset[str] = frozenset()
    character_set: str = ""


class NotForUs(Exception):
    """A message, or all of it that matters, is not acted on. The words hold no patient data."""


def hear(message: Message, dialect: Dialect) -> Heard:
    """What the message says.

    Raises:
        Fault: it is not taken.
        NotForUs: it is taken and nothing follows from it.
    """
    kind, event = message.header.type, _event(message)
    if kind.startswith("Z") or event.startswith("Z"):
        raise NotForUs("what sites have made up themselves is not acted on")
    if kind not in _BROADCAST:
        raise Fault(
            Condition.MESSAGE_TYPE, Place("MSH", 1, 9), "this message type is not taken; queries are not answered here"
        )
    _check_event(kind, event)
    act = _ACTS.get((kind, event))
    if act is None:
        raise NotForUs(f"{_plain(kind)}^{_plain(event)} is not acted on")
    if sum(s.name in ("ORC", "OBR", "MRG", "PID") for s in message.segments) > _MOST_SEGMENTS:
        raise Fault(
            Condition.SEGMENT_SEQUENCE,
            Place("MSH"),
            f"it has more than {_MOST_SEGMENTS} segments ORC, OBR, MRG and PID",
        )
    said = tuple(act(message, dialect))
    if not said:
        raise NotForUs("nothing in it changes an imaging order or a patient of ours")
    return Heard(said)


def _event(message: Message) -> str:
    header = message.header
    evn = message.first("EVN")
    return header.event or (evn.value(1) if header.type == "ADT" and evn is not None else _ALONE.get(header.type, ""))


def _check_event(kind: str, event: str) -> None:
    known = {"ADT": r"A(0[1-9]|[1-5]\d|6[0-4])", "ORM": "O01", "OMI": "O23", "ORU": r"R(01|03|3[0-2]|40)|W01"}.get(kind)
    if not event and known is not None:
        raise Fault(Condition.REQUIRED_FIELD, Place("MSH", 1, 9), "MSH-9 names no event")
    if known is not None and not re.fullmatch(known, event):
        raise Fault(Condition.EVENT, Place("MSH", 1, 9), "this event does not belong to the message type")


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isalnum())[:8]


def _orders(message: Message, dialect: Dialect) -> Iterator[Said]:
    _only_one_patient(message)
    yield from orders_said(message.segments, _patient(message.segments, dialect), dialect.accession_in)


def _update(message: Message, dialect: Dialect) -> Iterator[Said]:
    _only_one_patient(message)
    yield PatientSaid(_patient(message.segments, dialect))


def _merge(message: Message, dialect: Dialect) -> Iterator[Said]:
    """Each MRG belongs to the PID before it (A40 repeats them)."""
    pairs, pid = list[tuple[Segment, Segment]](), None
    for segment in message.segments:
        if segment.name == "PID":
            pid = segment
        elif segment.name == "MRG":
            if pid is None:
                raise Fault(Condition.SEGMENT_SEQUENCE, segment.place(), "there is no PID before MRG")
            pairs.append((pid, segment))
    if not pairs:
        _patient(message.segments, dialect)
        raise Fault(Condition.SEGMENT_SEQUENCE, Place("MRG"), "there is no MRG")
    merged = [_merged(stays, gone, dialect.identifiers) for stays, gone in pairs]
    yield from (m for m in merged if m is not None)


def _merged(pid: Segment, mrg: Segment, wanted: Identifiers) -> PatientsMerged | None:
    """None where the identifiers are of other assigning authorities, or the same."""
    stays, gone = patient_of(pid, wanted), identifier(mrg, 1, wanted)
    if stays is None or gone is None:
        return None
    before = Patient(patient_id=gone[0], issuer=gone[1] or stays.issuer, name=name(mrg, mrg.repetitions(7)))
    return (
        None
        if (before.patient_id, before.issuer) == (stays.patient_id, stays.issuer)
        else PatientsMerged(stays, before)
    )


def _reports(message: Message, dialect: Dialect) -> Iterator[Said]:
    if message.segments[0].value(3) in dialect.own_applications:
        raise NotForUs("it is a result of this program itself")
    of_others: NotForUs | None = None
    is_ours = False
    for segments in _by_patient(message.segments):
        try:
            patient = _patient(segments, dialect)
        except NotForUs as reason:  # the reports of the message's other patients count all the same
            of_others = reason
            continue
        is_ours = True
        for group in groups(segments):
            obr = group.segments.get("OBR")
            if obr is None or not group.is_imaging:
                continue
            status = obr.value(25).upper()
            uid = study_uid(group) or _observed_study(segments, obr)
            order = order_of(group, None, dialect.accession_in)
            taken_back = _is_taken_back(group, status, _rows_of(segments, obr))
            yield ReportSaid(patient, order, uid, status, status in _FINAL and not taken_back, taken_back)
    if of_others is not None and not is_ours:
        raise of_others


def _by_patient(segments: Sequence[Segment]) -> list[Sequence[Segment]]:
    """The segments of each patient: ORU^R01 repeats PID."""
    starts = [n for n, s in enumerate(segments) if s.name == "PID"] or [0]
    return [segments[a:b] for a, b in zip(starts, [*starts[1:], len(segments)], strict=True)]


def _only_one_patient(message: Message) -> None:
    """What is said of one patient must not be taken for another's."""
    pids = [s for s in message.segments if s.name == "PID"]
    if len(pids) > 1:
        raise Fault(
            Condition.SEGMENT_SEQUENCE, pids[1].place(), "there is more than one PID; send each patient by itself"
        )


def _is_taken_back(group: OrderGroup, status: str, rows: Sequence[Segment]) -> bool:
    """Whether a report that was finished is a report no more: its status says so, or its order was cancelled and it is not final, or
    every row of it is posted as wrong or deleted. Of one that is corrected some rows are, and others take their place."""
    said = {row.value(11).upper() for row in rows if not _names_study(row)} - {_NO_RESULT}
    if said and said <= _POSTED_AS_WRONG:
        return True
    return status in _TAKEN_BACK or (status not in _FINAL and says_cancelled(group))


def _rows_of(segments: Sequence[Segment], obr: Segment) -> list[Segment]:
    """The OBX of that OBR."""
    begun, rows = False, []
    for segment in segments:
        if segment.name == "OBR":
            begun = segment is obr
        elif begun and segment.name == "OBX":
            rows.append(segment)
    return rows


def _names_study(obx: Segment) -> bool:
    """113014^DICOM Study^DCM (IHE RAD-128), or by its name."""
    return obx.value(3) == "113014" or obx.value(3, 2).casefold() in ("study instance uid", "dicom study")


def _observed_study(segments: Sequence[Segment], obr: Segment) -> str:
    """The study UID in an OBX of that OBR."""
    return next((row.value(5) for row in _rows_of(segments, obr) if _names_study(row)), "")


def _patient(segments: Sequence[Segment], dialect: Dialect) -> Patient:
    pid = next((s for s in segments if s.name == "PID"), None)
    if pid is None:
        raise Fault(Condition.SEGMENT_SEQUENCE, Place("PID"), "there is no PID")
    found = patient_of(pid, dialect.identifiers)
    if found is None:
        raise NotForUs("the patient has no identifier of the assigning authority orders.issuer")
    return found


_ACTS: dict[tuple[str, str], Callable[[Message, Dialect], Iterator[Said]]] = {
    ("ORM", "O01"): _orders,
    ("OMI", "O23"): _orders,
    ("ORU", "R01"): _reports,
    **{("ADT", event): _update for event in _UPDATES},
    **{("ADT", event): _merge for event in _MERGES},
}
