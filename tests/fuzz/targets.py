"""Everything that strangers feed: one function for each parser, which takes any bytes. It may refuse them in its own words; it
may not raise anything else, and it may not take long."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom.presentation import build_context

from agent.errors import SettingsError
from agent.hl7.ack import NotAnAck, judge, parse_ack
from agent.hl7.answer import answers, is_acknowledgement
from agent.hl7.faults import Fault
from agent.hl7.hear import Dialect, NotForUs, hear
from agent.hl7.message import check, must_begin, peek, read
from agent.intake.inspect import Refused, inspect
from agent.model import served_replies
from agent.model.parsing import parse_reply
from agent.reading.labels import label
from agent.settings import load
from dicom_nodes import commitment, dimse, multipart
from dicom_nodes.contexts import COMPUTED_RADIOGRAPHY, DEFLATED, VERIFICATION
from dicom_nodes.exchange import Exchange
from dicom_nodes.found import JsonAnswer, as_image, as_series, as_study
from dicom_nodes.receiver import Event, StoreAnswer, StoreRequest
from dicom_nodes.roles import AssociationInfo
from dicom_nodes.upper_layer import AssociationEnded, ProtocolError, Wire
from structured_report.hl7_text import escape, unescape
from structured_report.retraction import retraction_of
from structured_report.text import normalise_text

Target = Callable[[bytes], None]
_FOLDER = Path(tempfile.gettempdir())
_SOMEBODY = AssociationInfo("1", "SENDER", "PREREAD", "127.0.0.1", 1)


@dataclass
class _Sink:
    """A receiver that takes everything and keeps nothing."""

    taken: int = 0

    def begin(self, association: AssociationInfo, request: StoreRequest) -> _Sink:
        return self

    def write(self, fragment: bytes) -> None:
        self.taken += len(fragment)

    def finish(self) -> StoreAnswer:
        return StoreAnswer(0)

    def discard(self) -> None:
        self.taken = 0

    def event(self, association: AssociationInfo, event: Event) -> StoreAnswer:
        return StoreAnswer(0)


@contextmanager
def _wire(data: bytes) -> Iterator[Wire]:
    """The accepting end of a connection whose other end has sent that and closed."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    with ours, theirs:
        theirs.sendall(data[: 1 << 18])
        theirs.shutdown(socket.SHUT_WR)
        yield _Deaf(ours)


class _Deaf(Wire):
    """A wire over a socket that knows no TCP options."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader = connection.makefile("rb")


def association_request(data: bytes) -> None:
    """The first PDU of a stranger."""
    with _wire(data) as wire, contextlib.suppress(AssociationEnded, ProtocolError):
        wire.read_request()


def association(data: bytes) -> None:
    """What comes over an association once it is established: P-DATA, commands, data sets, releases, aborts."""
    contexts = {1: build_context(COMPUTED_RADIOGRAPHY, ExplicitVRLittleEndian), 3: build_context(VERIFICATION)}
    for number, context in contexts.items():
        context.context_id = number
    with _wire(data) as wire, contextlib.suppress(AssociationEnded, ProtocolError, dimse.MalformedCommand):
        exchange = Exchange(wire, _Sink(), _SOMEBODY, contexts)  # type: ignore[arg-type]
        for value in wire.values():
            exchange.take(value)


def data_set(data: bytes) -> None:
    """A data set that was sent, in the transfer syntax that its first byte picks."""
    if not data:
        return
    syntaxes = (ExplicitVRLittleEndian, "1.2.840.10008.1.2", DEFLATED, JPEG2000Lossless)
    path = _FOLDER / "fuzzed.dcm"
    path.write_bytes(data[1:])
    with contextlib.suppress(Refused):
        inspect(path, 0, str(syntaxes[data[0] % len(syntaxes)]))


def commitment_report(data: bytes) -> None:
    """The Event Information of an N-EVENT-REPORT."""
    with contextlib.suppress(commitment.MalformedReport):
        commitment.read_report(data, str(ExplicitVRLittleEndian), 1 + (len(data) & 1))


def acknowledgement(data: bytes) -> None:
    """What a RIS answers."""
    with contextlib.suppress(NotAnAck):
        ack = parse_ack(data)
        judge(ack)
        assert len(ack.said) <= 200
        ack.commit()


def heard_message(data: bytes) -> None:
    """What comes to the listener: an order, a correction, a finished report, or anything. In original mode there is an answer
    to all of it."""
    header = peek(data)
    asked = is_acknowledgement(header) or header.wants_commit or header.wants_application
    assert answers(header, None, now=datetime(2026, 1, 1, tzinfo=UTC)) or asked
    with contextlib.suppress(Fault, NotForUs):
        must_begin(data)
        check(header, processing_ids=("P",))
        hear(read(data, default_set=""), Dialect())


def retraction(data: bytes) -> None:
    """A document of ours that somebody has written over."""
    with contextlib.suppress(ValueError):
        retraction_of(data, control_id="PR1", at=datetime(2026, 1, 1, tzinfo=UTC), reason="x")


def hl7_text(data: bytes) -> None:
    """Any text through the escapes and back, and any bytes taken for escapes."""
    text = normalise_text(data.decode("utf-8", "replace"))
    assert unescape(escape(text, formatted=True)) == text, "a text must come back as it went"
    unescape(data.decode("latin-1"))


def model_reply(data: bytes) -> None:
    """What a model writes, from the reply to the findings."""
    text = data.decode("utf-8", "replace")
    for finished in (True, False):
        reply = parse_reply(text, finished=finished)
        label(normalise_text(getattr(reply, "answer", reply.reasoning)))


def model_server(data: bytes) -> None:
    """What a model server answers."""
    with contextlib.suppress(served_replies.Nonsense, served_replies.ServerSaid):
        served_replies.completion(data)
    with contextlib.suppress(served_replies.Nonsense, served_replies.ServerSaid):
        served_replies.listed(data)
    served_replies.error_words(data, ["secret"])


def web_answer(data: bytes) -> None:
    """What a DICOMweb service answers: multipart, and JSON."""
    with contextlib.suppress(multipart.MalformedMultipart):
        list(multipart.parts(data, 'multipart/related; type="application/dicom"; boundary=b'))
    with contextlib.suppress(multipart.MalformedMultipart):
        list(multipart.parts(b"--b\r\n\r\nx\r\n--b--", data.decode("latin-1")))
    with contextlib.suppress(ValueError, RecursionError):
        row = JsonAnswer(json.loads(data))
        for read in (as_study, as_series, as_image):
            read(row)


def settings(data: bytes) -> None:
    """A settings file."""
    path = _FOLDER / "fuzzed.toml"
    path.write_bytes(data)
    with contextlib.suppress(SettingsError):
        load(path)


TARGETS: dict[str, Target] = {
    t.__name__: t
    for t in (
        association_request, association, data_set, commitment_report, acknowledgement, heard_message, retraction, hl7_text, model_reply,
        model_server, web_answer, settings,
    )
}  # fmt: skip
