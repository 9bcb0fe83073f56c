"""A program of the site as destination: the result as JSON by POST, signed (docs/webhook.md)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from pathlib import Path

from agent.clock import Clock, SystemClock
from agent.delivery.protocol import OutgoingDocument, Probed, Receipt
from agent.delivery.web import WebPlace, refusal, secret, unheard
from agent.errors import Permanent
from agent.sentence import sentence
from dicom_nodes.dicomweb import Reply
from dicom_nodes.scu import NodeError

TIMESTAMP, SIGNATURE, IDENTIFIER = "Preread-Timestamp", "Preread-Signature", "Idempotency-Key"
VERSION = "v1"
_WHAT = "results"


def signature(key: bytes, timestamp: str, body: bytes) -> str:
    """What stands in the signature's header: HMAC-SHA256 (RFC 2104) over the timestamp, a full stop and the body."""
    made = hmac.new(key, timestamp.encode("ascii") + b"." + body, hashlib.sha256)
    return f"{VERSION}={made.hexdigest()}"


def post_signed(place: WebPlace, secret_file: Path, body: bytes, identifier: str, now: datetime) -> Reply:
    """POST that JSON with its signature, and whatever is answered.

    Raises:
        Transient: nobody answers, or a file of the settings cannot be used.
    """
    timestamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        IDENTIFIER: identifier,
        TIMESTAMP: timestamp,
        SIGNATURE: signature(secret(place.name, secret_file), timestamp, body),
    }
    with place.service() as service:
        try:
            return service.exchange("POST", "", body, headers, deadline=place.deadline())
        except NodeError as error:
            raise unheard(error) from error


class WebhookDestination:
    """Posts results. Nothing about a patient stands in the URL or in a header."""

    def __init__(self, place: WebPlace, secret_file: Path, clock: Clock | None = None) -> None:
        self._place, self._secret_file, self._clock = place, secret_file, clock or SystemClock()

    @property
    def name(self) -> str:
        return self._place.name

    def accepts(self, kind: str) -> bool:
        return kind == "json"

    def send(self, document: OutgoingDocument) -> Receipt:
        if not self.accepts(document.kind):
            raise Permanent(f"{self.name}: a webhook takes no {document.kind}", code="not-accepted")
        body = document.path.read_bytes()
        answer = post_signed(self._place, self._secret_file, body, document.identifier, self._clock.now())
        if not 200 <= answer.status < 300:
            raise refusal(self.name, answer.status, _WHAT)
        return Receipt(f"HTTP {answer.status}")

    def probe(self) -> Probed:
        secret(self.name, self._secret_file)
        status = self._place.ask().status
        if status in (401, 403, 404):
            raise refusal(self.name, status, _WHAT)
        remarks = (sentence("probe.may-take"),) if status >= 400 else ()
        return Probed((sentence("probe.answers", status=str(status)),), remarks)
