"""A RIS as destination: the ORU by MLLP; MSA-1 and MSA-2 decide."""

from __future__ import annotations

import threading

from agent.delivery.protocol import OutgoingDocument, Receipt
from agent.errors import Permanent, Transient
from agent.hl7.ack import Verdict, judge
from agent.hl7.mllp import MllpClient, TransportFault


class Hl7Destination:
    """Sends the same bytes with the same MSH-10 until they are acknowledged: receivers tell duplicates by MSH-10."""

    def __init__(self, name: str, host: str, port: int, *, timeout_s: float) -> None:
        self._name = name
        self._client = MllpClient(host, port, timeout_s=timeout_s)
        self._lock = threading.Lock()  # one message in flight (MLLP release 1)

    @property
    def name(self) -> str:
        return self._name

    def accepts(self, kind: str) -> bool:
        return kind in ("oru", "flag")

    def send(self, document: OutgoingDocument) -> Receipt:
        if not self.accepts(document.kind):
            raise Permanent(f"{self._name}: an HL7 destination takes no {document.kind}", code="not-accepted")
        try:
            with self._lock:
                ack = self._client.send(document.path.read_bytes(), document.identifier)
        except TransportFault as error:
            raise Transient(f"{self._name}: {error}", code="no-acknowledgement") from error
        verdict = judge(ack)
        if verdict is Verdict.DELIVERED:
            return Receipt(ack.words)
        code = f"ack-{ack.code.lower()}"
        refusal = (
            Transient(f"{self._name} answered {ack.words}", code=code)
            if verdict is Verdict.TRY_AGAIN
            else Permanent(f"{self._name} refused the message: {ack.words}", code=code)
        )
        refusal.quote = ack.said
        raise refusal

    def probe(self) -> Receipt:
        try:
            self._client.probe()
        except TransportFault as error:
            raise Transient(f"{self._name}: {error}", code="unreachable") from error
        return Receipt("accepts connections")
