"""The destination seam: where documents go, and what a destination says back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Codes after which it is known that the destination has not got the document: nobody was there, or it said no. After any
# other error it may have it.
UNREACHABLE, REFUSAL = "unreachable", "ack-"


@dataclass(frozen=True, slots=True)
class OutgoingDocument:
    """One finished document.

    Attributes:
        kind: ``sr`` (a DICOM file), or ``oru``, ``flag`` or ``retract``: a result, only its flag, or what takes one back (HL7 v2
            bytes, segments ended by CR, no MLLP frame).
        identifier: SOP Instance UID of the SR or MSH-10 of the ORU; the same on every resend.
        path: the file that holds it.
        study_instance_uid: the study it is about.
    """

    kind: str
    identifier: str
    path: Path
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A destination accepted the document. `words` are the peer's own, for example ``0x0000`` or ``MSA|AA|PR...``; no
    patient data. `remark`: what a probe found unusual and not wrong."""

    words: str
    remark: str = ""


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

    def probe(self) -> Receipt:
        """Ask whether the other end is there without leaving anything behind (an association, a TCP connection, a
        folder that can be written or made). Raises `Transient` or `Permanent` as `send` does."""
        ...
