"""What becomes of each message that is sent to this node: understood, kept durably, put before the orders stage, answered.

AA goes out after the commit. What cannot be taken is answered with why, kept in quarantine, and shown by `preread refusals`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from agent.audit.refusal_book import RefusalBook
from agent.clock import Clock
from agent.errors import PrereadError, Transient
from agent.hl7.answer import answers, is_acknowledgement
from agent.hl7.faults import Condition, Fault, Place
from agent.hl7.hear import Dialect, NotForUs, hear
from agent.hl7.message import Header, check, must_begin, peek, read
from agent.orders.said import Heard
from agent.store import heard
from agent.store.arrivals import Refusal
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.heard import HeardMessage
from agent.work.queue import enqueue

STAGE = "orders"
_REMEMBERED_S, _MOST_REMEMBERED = 60.0, 1000
_LONGEST_SENDER = 512
_NOT_LET_IN = ("address-not-allowed", "no-tls")


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message as it came."""

    content: bytes
    digest: str
    address: str
    header: Header


class Hearing:
    """The `agent.hl7.listener.Receiver` of the agent."""

    def __init__(
        self,
        ledger: Ledger,
        files: FileStore,
        clock: Clock,
        dialect: Dialect,
        refusals: RefusalBook,
        *,
        processing_ids: Sequence[str] = ("P",),
    ) -> None:
        self._ledger, self._files, self._clock = ledger, files, clock
        self._dialect, self._processing_ids, self._refusals = dialect, tuple(processing_ids), refusals
        self._refused_until: dict[tuple[str, str, str], float] = {}
        self._log = structlog.get_logger()

    def understand(self, dialect: Dialect) -> None:
        """Read messages so from now on."""
        self._dialect = dialect

    def take(self, message: bytes, address: str) -> Sequence[bytes]:
        """Keep a message and return its acknowledgements. Never raises."""
        sent = _Sent(message, hashlib.sha256(message).hexdigest(), address, peek(message))
        if is_acknowledgement(sent.header):
            return ()
        fault = None
        try:
            sent = self._take(sent)
        except Fault as found:
            fault = found
            self._refuse(sent, fault)
        except PrereadError as error:
            self._log.error("HL7 message not kept", reason=error.code, address=address)
            busy = isinstance(error, Transient)
            words = "it cannot be kept at the moment, send it again" if busy else "it cannot be kept"
            fault = Fault(Condition.LOCKED if busy else Condition.INTERNAL, Place("MSH"), words)
        except Exception:  # noqa: BLE001  process edge: nothing of it is kept, and the sender is told so
            self._log.error("HL7 message not kept", reason="internal", address=address, exc_info=True)
            fault = Fault(Condition.INTERNAL, Place("MSH"), "it cannot be kept")
        return answers(sent.header, fault, now=self._clock.now())

    def too_long(self, beginning: bytes, address: str, longest: int) -> Sequence[bytes]:
        words = f"the message is longer than the {longest} bytes that are taken here"
        fault = Fault(Condition.DATA_TYPE, Place("MSH"), words)
        return answers(peek(beginning), fault, now=self._clock.now())

    def put_out(self, address: str, reason: str, words: str) -> None:
        if self._is_news((address, reason, "")):
            self._log.warning("HL7 caller put out", address=address, reason=reason)
            refusal = Refusal("hl7 caller", "", "", address, "", reason, words)
            self._refusals.add(refusal, alarming=reason in _NOT_LET_IN)

    def _take(self, sent: _Sent) -> _Sent:
        """The message with its header in its own character set. Raises `Fault`."""
        must_begin(sent.content)
        check(sent.header, processing_ids=self._processing_ids)
        message = read(sent.content, default_set=self._dialect.character_set)
        sent = _Sent(sent.content, sent.digest, sent.address, message.header)
        try:
            said, words = hear(message, self._dialect), ""
        except NotForUs as reason:
            said, words = Heard(), str(reason)
        self._keep(sent, said, words)
        return sent

    def _keep(self, sent: _Sent, said: Heard, words: str) -> None:
        """In one transaction; the same message again changes nothing. Of what nothing follows from, the content is not kept:
        hospitals send the comings and goings of all their patients."""
        now, acts = self._clock.now(), bool(said.said)
        row = HeardMessage(
            sender="|".join(sent.header.sender)[:_LONGEST_SENDER],
            address=sent.address,
            control_id=sent.header.control_id,
            type=sent.header.kind[:16],
            digest=sent.digest,
            content=sent.content if acts else b"",
            said=said.to_json(),
            received_at=now,
            state=heard.WAITING if acts else heard.IGNORED,
            words=words,
            acted_at=None if acts else now,
        )
        with self._ledger.begin() as tx:
            number = heard.keep(tx, row)
            if number is not None and acts:
                enqueue(tx, STAGE, str(number), now=now)
        self._log.info("HL7 message kept", kind=_kind(sent.header), state="repeated" if number is None else row.state)

    def _refuse(self, sent: _Sent, fault: Fault) -> None:
        header, condition = sent.header, fault.condition
        reason = condition.words.lower().replace(" ", "-")
        if not self._is_news((sent.address, reason, sent.digest if header.control_id else "")):
            return
        self._log.warning("HL7 message refused", kind=_kind(header), address=sent.address, reason=reason)
        path = ""
        try:
            if self._files.has_room():
                path = self._files.quarantine_message(sent.content, sent.digest)
        except (PrereadError, OSError):
            self._log.error("refused bytes not kept", reason="quarantine")
        status = f"A{'R' if condition.is_about_the_kind else 'E'} {int(condition)}"
        who, to = (_line(header.sender[0]), _line(header.receiver[0]))
        self._refusals.add(Refusal("hl7 message", who, to, sent.address, status, reason, fault.told, path=path))

    def _is_news(self, what: tuple[str, str, str]) -> bool:
        """A sender that tries again and again, or a scanner, must not be able to fill the ledger."""
        now = self._clock.now().timestamp()
        recent = {k: until for k, until in self._refused_until.items() if now < until}
        if len(recent) > _MOST_REMEMBERED:
            recent.pop(next(iter(recent)))
        self._refused_until = recent | {what: recent.get(what, now + _REMEMBERED_S)}
        return what not in recent


def _kind(header: Header) -> str:
    """For the log: nothing that anybody may write into MSH-9."""
    return header.kind if re.fullmatch(r"[A-Z]{3}(\^[A-Z]\d\d)?", header.kind) else "unknown"


def _line(text: str) -> str:
    return "".join(c for c in text if c.isprintable())
