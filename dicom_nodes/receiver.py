"""The seam between the listening side and who keeps the bytes: what a `Receiver` is told, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dicom_nodes.roles import AssociationInfo, Rejection


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What a C-STORE-RQ says about the data set that follows. UIDs are as sent and have not been checked.

    Attributes:
        context_sop_class_uid: abstract syntax of the presentation context it came on.
        move_originator_ae_title: whose C-MOVE it comes of; empty when nobody says so.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    context_sop_class_uid: str
    move_originator_ae_title: str = ""


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """A DIMSE status and an Error Comment of at most 64 characters."""

    status: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """An N-EVENT-REPORT-RQ (PS3.7 10.3.1): its type, and its Event Information, encoded as `transfer_syntax_uid` says."""

    sop_class_uid: str
    sop_instance_uid: str
    event_type: int
    transfer_syntax_uid: str
    information: bytes


@dataclass(frozen=True, slots=True)
class RefusedContext:
    """A presentation context that was not accepted, and whether that is because of its transfer syntaxes alone (PS3.8
    Table 9-18, result 4) rather than of its abstract syntax (3)."""

    abstract_syntax_uid: str
    for_transfer_syntaxes: bool


class Incoming(Protocol):
    """One data set on its way in. Exactly one of `finish` and `discard` is called, after which it is over."""

    def write(self, fragment: bytes) -> None:
        """The next piece. Must not raise: what goes wrong is said by `finish`."""
        ...

    def finish(self) -> StoreAnswer:
        """The data set is whole; the answer is sent as it is. Must not raise."""
        ...

    def discard(self) -> None:
        """The association ended in the middle; the sender has not been told anything and still has the image."""
        ...


class Receiver(Protocol):
    """What the node does with associations and images. Called from many threads. None of its methods may raise."""

    def admit(self, association: AssociationInfo) -> Rejection | None:
        """Whether the association may be opened; None when it may."""
        ...

    def refused(self, association: AssociationInfo, reason: str, words: str) -> None:
        """An association was rejected, for a reason of `admit` or of this module. AE titles are empty where the request
        could not be read."""
        ...

    def contexts_refused(self, association: AssociationInfo, contexts: Sequence[RefusedContext]) -> None:
        """The association is established without these of the presentation contexts that were proposed."""
        ...

    def opened(self, association: AssociationInfo) -> None:
        """The association is established."""
        ...

    def closed(self, association: AssociationInfo, how: str) -> None:
        """The association is over; nothing of it will come any more."""
        ...

    def may_use(self, association: AssociationInfo, sop_class_uid: str) -> bool:
        """Whether this SOP class of the node's is there for that association, which has been admitted."""
        ...

    def begin(self, association: AssociationInfo, request: StoreRequest) -> Incoming:
        """A data set follows."""
        ...

    def event(self, association: AssociationInfo, event: Event) -> StoreAnswer:
        """The peer reports what became of something it was asked for."""
        ...
