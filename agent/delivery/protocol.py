"""The destination seam: where documents go, and what a destination says back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.errors import Transient
from agent.sentence import Sentence

# Codes after which it is known that the destination has not got the document: nobody was there, or it said no. After any
# other error it may have it.
UNREACHABLE, REFUSAL = "unreachable", "ack-"
FOLDER_UNWRITABLE, DISK_FULL = "folder-unwritable", "disk-full"
NOTHING_ARRIVED = frozenset({UNREACHABLE, FOLDER_UNWRITABLE, DISK_FULL})
"""Of those, what says nothing of earlier attempts."""


class NotFiled(Transient):
    """The receiver understood the message and did not file it, for a reason that may pass: an order or a patient that it does not
    know yet. It does not say that it is only busy."""


@dataclass(frozen=True, slots=True)
class OutgoingDocument:
    """One finished document.

    Attributes:
        kind: ``sr``, ``sc``, ``gsps`` or ``plain-sr`` (a DICOM file: report, summary picture, presentation state, report in plain
            words), ``ko`` (a DICOM file as well: what rejects earlier ones),
            or ``oru``, ``flag`` or ``retract``: a result, only its flag, or what takes one back (HL7 v2
            bytes, segments ended by CR, no MLLP frame), or ``json`` (a result for programs).
        identifier: SOP Instance UID of a DICOM file, MSH-10 of the ORU, or what the JSON calls so; the same on every resend.
        path: the file that holds it.
        study_instance_uid: the study it is about.
    """

    kind: str
    identifier: str
    path: Path
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A DICOM object as a peer has it. Its SOP class may be another than the document's: some take simpler ones only."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A destination accepted the document.

    Attributes:
        words: the peer's own codes, for example ``0x0000`` or ``MSA|AA|PR...``; no patient data.
        to_commit: what the peer has yet to be asked to keep, where the site wants its commitment.
        quote: what it said in words. They may hold patient data: they go into the ledger and nowhere else.
        sop_class_uid: of what was stored, where it is a DICOM object.
    """

    words: str
    to_commit: StoredObject | None = None
    sop_class_uid: str = ""
    quote: str = ""

    def for_the_ledger(self) -> str:
        """The codes with the peer's own words."""
        return f'{self.words}; it said: "{self.quote}"' if self.quote else self.words


@dataclass(frozen=True, slots=True)
class Probed:
    """That the other end is there, and what it takes; `remarks`: what is unusual and not wrong."""

    said: tuple[Sentence, ...]
    remarks: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True)
class CommitmentAnswer:
    """What a peer said of one object: Failure Reason (PS3.3 C.14.1.1), 0 when it is committed."""

    failure_reason: int


class Destination(Protocol):
    """Somewhere documents can be sent. Sending the same document twice is harmless."""

    @property
    def name(self) -> str:
        """The name in the settings."""
        ...

    def accepts(self, kind: str) -> bool:
        """Whether this destination takes documents of this kind."""
        ...

    def send(self, document: OutgoingDocument) -> Receipt:
        """Hand the document over and return the peer's acceptance.

        Raises:
            Transient: silence, refusal to connect, a busy peer: send the same bytes again later.
            Permanent: the peer refused the document itself; its words are in the message.
        """
        ...

    def probe(self) -> Probed:
        """Ask whether the other end is there without leaving anything behind (an association, a TCP connection, a
        folder that can be written or made). Raises `Transient` or `Permanent` as `send` does."""
        ...


class Committing(Protocol):
    """A destination that can be asked to keep what it was sent (PS3.4 Annex J)."""

    commit_deadline_s: float

    def ask_to_commit(self, stored: StoredObject, transaction_uid: str) -> CommitmentAnswer | None:
        """Ask; returns the answer when it comes at once, and None when it is to come later, to our own node.

        Raises:
            Transient: whether the peer was asked is unknown, or it cannot do it at the moment: ask again, as a new
                transaction.
            Permanent: the peer does not do this.
        """
        ...
