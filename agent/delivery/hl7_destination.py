"""A RIS as destination: the ORU by MLLP; MSA-1 and MSA-2 decide."""

from __future__ import annotations

import threading

from agent.delivery.protocol import REFUSAL, UNREACHABLE, NotFiled, OutgoingDocument, Probed, Receipt
from agent.errors import Permanent, Transient
from agent.hl7.ack import Ack, Verdict, judge
from agent.hl7.mllp import MllpClient, NoConnection, TransportFault
from agent.sentence import sentence
from dicom_nodes.tls import TlsFiles


class Hl7Destination:
    """Sends the same bytes with the same MSH-10 until they are acknowledged: receivers tell duplicates by MSH-10.

    Args:
        both: the messages ask for an application acknowledgement after the commit acknowledgement (enhanced mode).
        tls: our certificate and the authorities of the other end; None: in the clear.
    """

    def __init__(
        self, name: str, host: str, port: int, *, timeout_s: float, both: bool = False, tls: TlsFiles | None = None
    ) -> None:
        self._name, self._both = name, both
        self._client = MllpClient(host, port, timeout_s=timeout_s, tls=tls)
        self._lock = threading.Lock()  # one message in flight (MLLP release 1)

    @property
    def name(self) -> str:
        return self._name

    def accepts(self, kind: str) -> bool:
        return kind in ("oru", "flag", "retract")

    def send(self, document: OutgoingDocument) -> Receipt:
        if not self.accepts(document.kind):
            raise Permanent(f"{self._name}: an HL7 destination takes no {document.kind}", code="not-accepted")
        try:
            with self._lock:
                ack = self._client.send(document.path.read_bytes(), document.identifier, both=self._both)
        except NoConnection as error:
            raise Transient(f"{self._name}: {error}", code=UNREACHABLE) from error
        except TransportFault as error:
            raise Transient(f"{self._name}: {error}", code="no-acknowledgement") from error
        if judge(ack) is Verdict.DELIVERED:
            return Receipt(self._words(ack), quote=ack.said)
        raise self._refusal(ack)

    def _words(self, ack: Ack) -> str:
        if ack.code != "CA":
            return ack.words
        if self._both:
            return f"{ack.words}; committed, and no application acknowledgement followed"
        return f"{ack.words}; committed, which was not asked for: the receiver speaks enhanced mode"

    def _refusal(self, ack: Ack) -> Transient | Permanent:
        code = f"{REFUSAL}{ack.code.lower()}"
        refusal: Transient | Permanent
        if judge(ack) is Verdict.GIVE_UP:
            refusal = Permanent(f"{self._name} refused the message: {ack.words}", code=code)
        else:
            refusal = (Transient if ack.is_busy else NotFiled)(f"{self._name} answered {ack.words}", code=code)
        refusal.quote = ack.said
        return refusal

    def probe(self) -> Probed:
        try:
            self._client.probe()
        except TransportFault as error:
            raise Transient(f"{self._name}: {error}", code=UNREACHABLE) from error
        return Probed((sentence("probe.connects"),))

    def close(self) -> None:
        """Give up the connection that is kept between messages."""
        with self._lock:
            self._client.close()
