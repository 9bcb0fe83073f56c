"""Storage commitment, push model, as SCU (PS3.4 Annex J): ask a peer to keep what it has been sent, and read what it
answers, on the association of the question or on one of its own.

Nothing here remembers anything: transactions are the business of whoever asks.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.presentation import build_context

from dicom_nodes.contexts import IMPLICIT_LE, STORAGE_COMMITMENT, UNCOMPRESSED
from dicom_nodes.roles import Peer
from dicom_nodes.scu import PeerSilent, associated, who
from dicom_nodes.status import PROCESSING_FAILURE, SUCCESS

SOP_INSTANCE = "1.2.840.10008.1.20.1.1"  # PS3.4 J.3.5: the well-known instance
REQUEST_COMMITMENT = 1  # PS3.4 J.3.2.1.1: Action Type ID
ALL_COMMITTED, SOME_FAILED = 1, 2  # PS3.4 J.3.3.1.1: Event Type ID


class MalformedReport(ValueError):
    """The Event Information is not that of a storage commitment."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One instance, by SOP class and SOP Instance UID."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a peer says about one transaction (PS3.4 Table J.3-2): SOP Instance UIDs that it has committed, and those that
    it has not, each with its Failure Reason (PS3.3 C.14.1.1)."""

    transaction_uid: str
    committed: tuple[str, ...]
    failed: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """Answer to the N-ACTION. `report` is there when the peer reported on the same association, while we waited."""

    status: int
    comment: str
    report: Report | None


def request(
    peer: Peer,
    references: Sequence[Reference],
    transaction_uid: str,
    *,
    own_ae_title: str,
    timeout_s: float,
    wait_s: float = 0.0,
) -> Asked:
    """Ask for a commitment by N-ACTION, and stay for the answer for at most `wait_s`.

    Raises:
        NoAcceptedContext: the peer offers no storage commitment.
        NodeError: no association, or it was lost on the way: whether the peer was asked is unknown.
    """
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()

    def reported(event: Any) -> tuple[int, None]:
        try:
            reports.put(report_of(event.event_information, event.event_type))
        except MalformedReport:
            return PROCESSING_FAILURE, None
        return SUCCESS, None

    context = build_context(STORAGE_COMMITMENT, list(UNCOMPRESSED))
    handlers = [(evt.EVT_N_EVENT_REPORT, reported)]
    with associated(peer, [context], own_ae_title, timeout_s, handlers=handlers) as association:
        answer, _ = association.send_n_action(
            _information(references, transaction_uid), REQUEST_COMMITMENT, STORAGE_COMMITMENT, SOP_INSTANCE
        )
        if "Status" not in answer:
            raise PeerSilent(f"{who(peer)} did not answer the N-ACTION, or the connection was lost")
        status, report = int(answer.Status), None
        if status == SUCCESS and wait_s > 0:
            report = _next(reports, wait_s)
        return Asked(status, str(answer.get("ErrorComment", "") or ""), report)


def _next(reports: queue.SimpleQueue[Report], wait_s: float) -> Report | None:
    try:
        return reports.get(timeout=wait_s)
    except queue.Empty:
        return None


def _information(references: Sequence[Reference], transaction_uid: str) -> Dataset:
    """Action Information (PS3.4 Table J.3-1)."""
    information = Dataset()
    information.TransactionUID = transaction_uid
    information.ReferencedSOPSequence = [_item(r) for r in references]
    return information


def _item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference.sop_class_uid, reference.sop_instance_uid
    return item


def read_report(information: bytes, transfer_syntax_uid: str, event_type: int) -> Report:
    """The report of an N-EVENT-REPORT that came to our SCP. Raises `MalformedReport`."""
    try:
        data_set = read_dataset(BytesIO(information), transfer_syntax_uid == IMPLICIT_LE, True)
        for _ in data_set.iterall():
            pass  # pydicom decodes an element when it is first looked at
    except Exception as error:
        raise MalformedReport(f"the Event Information cannot be parsed ({type(error).__name__})") from error
    return report_of(data_set, event_type)


def report_of(information: Dataset, event_type: int) -> Report:
    """What Event Information says (PS3.4 Table J.3-2).

    An instance that stands among the failed ones is not committed, whatever else is said of it.

    Raises:
        MalformedReport: there is no such event type, or no transaction UID.
    """
    if event_type not in (ALL_COMMITTED, SOME_FAILED):
        raise MalformedReport(f"storage commitment knows no event type {event_type}")
    transaction = str(information.get("TransactionUID", "") or "")
    if not UID(transaction).is_valid:
        raise MalformedReport("there is no Transaction UID")
    failed = tuple(
        (uid, int(item.get("FailureReason") or PROCESSING_FAILURE))
        for item in _items(information, "FailedSOPSequence")
        if (uid := str(item.get("ReferencedSOPInstanceUID", "")))
    )
    lost = {uid for uid, _ in failed}
    named = [str(i.get("ReferencedSOPInstanceUID", "")) for i in _items(information, "ReferencedSOPSequence")]
    return Report(transaction, tuple(uid for uid in named if uid and uid not in lost), failed)


def _items(information: Dataset, keyword: str) -> list[Dataset]:
    value = information.get(keyword)
    if value is None:
        return []
    if isinstance(value, str | bytes) or not all(isinstance(i, Dataset) for i in value):
        raise MalformedReport(f"{keyword} is not a sequence")
    return list(value)
