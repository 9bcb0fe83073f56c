"""Fetching one image from a peer: C-GET over the same association, or C-MOVE to ourselves (PS3.4 C.4.2 and C.4.3).

With C-GET the image comes to whoever asked, within bounds of bytes and time. With C-MOVE the peer opens an association to this
node's own SCP, and only the peer's count of what it sent comes back here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import build_role, evt

from dicom_nodes.contexts import STUDY_ROOT_GET, STUDY_ROOT_MOVE, get_contexts, image_classes, query_contexts
from dicom_nodes.deadline import Deadline
from dicom_nodes.query import QueryRefused, exact
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NodeError, PeerSilent, associated, who
from dicom_nodes.status import NOT_AUTHORISED, OUT_OF_RESOURCES, SUCCESS, is_pending

# The largest detectors have 20 million pixels of two bytes; a peer that sends more sends something else.
MOST_BYTES = 128_000_000


class TooLarge(NodeError):
    """The peer sent more than it may; what had come was forgotten."""


class NotSent(NodeError):
    """The peer ended the retrieval without having sent what it was asked for."""


@dataclass(frozen=True, slots=True)
class ImageAddress:
    """Where an image stands: the UIDs of its study, its series and itself."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str

    def identifier(self) -> Dataset:
        """The Identifier of a C-GET or C-MOVE request at the image level. Raises `UnusableKey`."""
        keys = Dataset()
        keys.QueryRetrieveLevel = "IMAGE"
        keys.StudyInstanceUID = exact(self.study_instance_uid, "Study Instance UID")
        keys.SeriesInstanceUID = exact(self.series_instance_uid, "Series Instance UID")
        keys.SOPInstanceUID = exact(self.sop_instance_uid, "SOP Instance UID")
        return keys


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a retrieval ended: the final status and the peer's count of sub-operations."""

    status: int
    completed: int
    failed: int
    warning: int


@dataclass(slots=True)
class _Taker:
    """SCP of the C-STORE sub-operations of one C-GET: takes the one image that was asked for."""

    wanted: str
    file: Path
    most_bytes: int
    deadline: Deadline
    seen: int = 0
    taken: bool = False
    failure: str = ""
    others: list[str] = field(default_factory=list)

    def count(self, event: Any) -> None:
        """Every PDU that comes; past the bound the association is ended."""
        self.seen += len(event.data)
        if self.seen > self.most_bytes and not self.failure:
            self.failure = f"sent more than {self.most_bytes // 1_000_000} MB"
            # Whoever waits for the next message has got none, and aborts. An abort from here would wake the association's own
            # thread, which might take this away from the one that waits.
            event.assoc.dimse.msg_queue.put((None, None))

    def take(self, event: Any) -> int:
        """A C-STORE request: its status."""
        event.assoc.dimse_timeout = max(self.deadline.left(), 0.05)
        uid = str(event.request.AffectedSOPInstanceUID)
        if self.failure:  # it has come to its end while the association is being ended
            return OUT_OF_RESOURCES
        if uid != self.wanted:
            self.others.append(uid)
            return NOT_AUTHORISED
        try:
            self.file.write_bytes(event.encoded_dataset())
        except OSError as error:
            self.failure = f"could not be kept ({error.strerror})"
            return OUT_OF_RESOURCES
        self.taken = True
        return SUCCESS


def get_image(
    peer: Peer,
    address: ImageAddress,
    file: Path,
    *,
    own_ae_title: str,
    deadline: Deadline,
    secondary_capture: bool = False,
    most_bytes: int = MOST_BYTES,
) -> Outcome:
    """C-GET of one image into a file (PS3.10, with the bytes of the data set as they were sent).

    Raises:
        TooLarge: it is longer than `most_bytes`.
        NotSent: the peer says that it is done, and the image has not come.
        QueryRefused: the peer's failure. NodeError: no association, or the deadline passed.
    """
    taker = _Taker(address.sop_instance_uid, file, most_bytes, deadline)
    roles = [build_role(uid, scp_role=True) for uid in image_classes(secondary_capture=secondary_capture)]
    contexts = get_contexts(secondary_capture=secondary_capture)
    handlers = [(evt.EVT_C_STORE, taker.take), (evt.EVT_DATA_RECV, taker.count)]
    left = max(deadline.left(), 0.1)
    with associated(peer, contexts, own_ae_title, left, roles=roles, handlers=handlers) as association:
        _must_be_accepted(association, peer, STUDY_ROOT_GET)
        try:
            end = _end(association.send_c_get(address.identifier(), UID(STUDY_ROOT_GET)), association, deadline)
        except RuntimeError:
            end = None  # lost between two messages
    if taker.failure:
        file.unlink(missing_ok=True)
        raise TooLarge(f"{who(peer)} {taker.failure}; the image was not kept")
    if taker.taken:  # whatever is said of it, it is here whole
        return end or Outcome(SUCCESS, 1, 0, 0)
    if end is None:
        raise PeerSilent(f"{who(peer)} did not send the image in time, or the connection was lost")
    _raise_failure(end, peer)
    also = f"; it sent {len(taker.others)} other images, which were refused" if taker.others else ""
    raise NotSent(f"{who(peer)} answered {end.status:04X} and did not send the image{also}")


def move_image(peer: Peer, address: ImageAddress, *, own_ae_title: str, deadline: Deadline) -> Outcome:
    """C-MOVE of one image to this node. It arrives at the SCP, from the peer or from whoever sends for it.

    Raises:
        NotSent: the peer sent nothing. QueryRefused: the peer's failure; A801: it does not know this node's AE title as a
            destination. NodeError: no association, or the deadline passed.
    """
    return _move(peer, address.identifier(), "the image", own_ae_title=own_ae_title, deadline=deadline)


def move_study(peer: Peer, study_instance_uid: str, *, own_ae_title: str, deadline: Deadline) -> Outcome:
    """C-MOVE of everything of a study to this node, where it arrives like anything else that is sent. Raises as
    :func:`move_image`."""
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.StudyInstanceUID = exact(study_instance_uid, "Study Instance UID")
    return _move(peer, keys, "the study", own_ae_title=own_ae_title, deadline=deadline)


def _move(peer: Peer, keys: Dataset, what: str, *, own_ae_title: str, deadline: Deadline) -> Outcome:
    left = max(deadline.left(), 0.1)
    with associated(peer, query_contexts(STUDY_ROOT_MOVE), own_ae_title, left) as association:
        end = _end(association.send_c_move(keys, own_ae_title, UID(STUDY_ROOT_MOVE)), association, deadline)
    if end is None:
        raise PeerSilent(f"{who(peer)} did not answer the C-MOVE in time, or the connection was lost")
    _raise_failure(end, peer)
    if end.completed + end.warning < 1 and end.failed > 0:
        raise NotSent(f"{who(peer)} answered {end.status:04X} and could not send {what}")
    return end


def _must_be_accepted(association: Any, peer: Peer, model: str) -> None:
    if not any(str(c.abstract_syntax) == model for c in association.accepted_contexts):
        raise QueryRefused(f"{who(peer)} does not offer C-GET in the study root; C-MOVE may be offered", status=0x0122)


def _end(answers: Iterator[tuple[Dataset, Dataset | None]], association: Any, deadline: Deadline) -> Outcome | None:
    """The final response; None when there is none in time."""
    association.dimse_timeout = max(deadline.left(), 0.05)
    for status, _ in answers:
        if "Status" not in status:
            return None
        if not is_pending(int(status.Status)):
            return Outcome(
                int(status.Status),
                *(
                    int(status.get(f"NumberOf{what}Suboperations", 0) or 0)
                    for what in ("Completed", "Failed", "Warning")
                ),
            )
        association.dimse_timeout = max(deadline.left(), 0.05)
    return None


def _raise_failure(end: Outcome, peer: Peer) -> None:
    if end.status != SUCCESS and end.status & 0xF000 != 0xB000:
        raise QueryRefused(f"{who(peer)} answered the retrieval with {end.status:04X}", status=end.status)
