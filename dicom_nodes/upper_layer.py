"""The upper layer of an association this node accepts: PDUs in and out of one socket (PS3.8 Section 9).

Negotiation PDUs are coded by pynetdicom. Data transfer is our own, because everything this program promises rests on
it: a data set goes from the socket to its file in pieces, is never held in memory, and costs a few microseconds a
piece.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE

from dicom_nodes.certificate import Certificate, shown_on

ASSOCIATE_RQ, P_DATA_TF, RELEASE_RQ, RELEASE_RP, ABORT = 0x01, 0x04, 0x05, 0x06, 0x07

# PS3.8 Table 9-26: source and reason of an A-ABORT
BY_USER, BY_PROVIDER = 0, 2
UNRECOGNISED_PDU, UNEXPECTED_PDU, INVALID_PARAMETER = 1, 2, 6

MAX_PDU = 256 * 1024  # announced: the most bytes of PDVs the peer may put into one P-DATA-TF
_MAX_NEGOTIATION_PDU = 512 * 1024
_BUFFER = 512 * 1024


class AssociationEnded(Exception):
    """The association is over: released, aborted or lost. `words` says which."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class TlsRefused(Exception):
    """The TLS handshake came to nothing. The words say why."""


class ProtocolError(Exception):
    """The peer does not speak the protocol; it is aborted with this reason."""

    def __init__(self, words: str, reason: int) -> None:
        super().__init__(words)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Pdv:
    """One presentation data value (PS3.8 9.3.5.1 and Annex E): a fragment of a command set or a data set."""

    context_id: int
    is_command: bool
    is_last: bool
    fragment: bytes


class Wire:
    """One accepted TCP connection. Reading methods raise `AssociationEnded` when it is over and `ProtocolError` when
    it is not DICOM."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = connection.makefile("rb", buffering=_BUFFER)

    def set_timeout(self, seconds: float) -> None:
        """How long the peer may stay silent: in the middle of a PDU or between two."""
        self._socket.settimeout(seconds)

    def secure(self, context: ssl.SSLContext) -> Certificate | None:
        """The TLS handshake as server, in the time of `set_timeout` for each of its steps; returns the caller's certificate.

        Raises:
            TlsRefused: there is no TLS with this caller.
        """
        plain = self._socket
        try:
            secured = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            self._reader.close()
            self._socket, self._reader = secured, secured.makefile("rb", buffering=_BUFFER)
            secured.do_handshake()
            return shown_on(secured)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise TlsRefused(_why_no_tls(error)) from error

    def read_request(self) -> A_ASSOCIATE:
        """The A-ASSOCIATE-RQ that must come first."""
        kind, length = self._header()
        if kind != ASSOCIATE_RQ:
            raise ProtocolError(f"PDU type {kind:#04x} where an A-ASSOCIATE-RQ was expected", UNEXPECTED_PDU)
        if length > _MAX_NEGOTIATION_PDU:
            raise ProtocolError(f"an A-ASSOCIATE-RQ of {length} bytes", INVALID_PARAMETER)
        body = self._exactly(length)
        try:
            pdu = A_ASSOCIATE_RQ()
            pdu.decode(struct.pack(">BxI", kind, length) + body)
            return pdu.to_primitive()
        except Exception as error:
            raise ProtocolError(
                f"the A-ASSOCIATE-RQ cannot be decoded ({type(error).__name__})", INVALID_PARAMETER
            ) from error

    def accept(self, primitive: A_ASSOCIATE) -> None:
        """Send the A-ASSOCIATE-AC."""
        pdu = A_ASSOCIATE_AC()
        pdu.from_primitive(primitive)
        self._send(pdu.encode())

    def reject(self, primitive: A_ASSOCIATE) -> None:
        """Send the A-ASSOCIATE-RJ."""
        pdu = A_ASSOCIATE_RJ()
        pdu.from_primitive(primitive)
        self._send(pdu.encode())

    def values(self) -> Iterator[Pdv]:
        """The presentation data values as they arrive, until the peer asks for the release, which `release` answers. Any other
        end is `AssociationEnded`."""
        while True:
            kind, length = self._header()
            if kind == P_DATA_TF:
                yield from self._pdvs(length)
            elif kind == RELEASE_RQ:
                self._exactly(min(length, 64))
                return
            elif kind == ABORT:
                raise AssociationEnded("aborted by the peer")
            elif kind in (ASSOCIATE_RQ, 0x02, 0x03, RELEASE_RP):
                raise ProtocolError(f"PDU type {kind:#04x} during data transfer", UNEXPECTED_PDU)
            else:
                raise ProtocolError(f"unknown PDU type {kind:#04x}", UNRECOGNISED_PDU)

    def release(self) -> None:
        """Send the A-RELEASE-RP."""
        self._send(struct.pack(">BxII", RELEASE_RP, 4, 0))

    def send_command(self, context_id: int, command_set: bytes) -> None:
        """Send a command set without a data set as one P-DATA-TF; responses are far shorter than the least maximum
        length."""
        value = struct.pack(">IBB", len(command_set) + 2, context_id, 0x03) + command_set
        self._send(struct.pack(">BxI", P_DATA_TF, len(value)) + value)

    def abort(self, source: int, reason: int) -> None:
        """Send an A-ABORT; what becomes of it does not matter."""
        try:
            self._socket.settimeout(1.0)
            self._socket.sendall(struct.pack(">BxIxxBB", ABORT, 4, source, reason))
        except OSError:
            return

    def close(self) -> None:
        """Let the last PDU out and close the connection."""
        try:
            self._socket.settimeout(1.0)
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.unwrap()  # close_notify, theirs and ours: an end that nobody has cut off
                return
            self._socket.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + 5.0
            while time.monotonic() < deadline and self._socket.recv(65536):
                pass  # the peer closes first, as PS3.8 9.2 (AR-5, ARTIM) has it
        except (OSError, ValueError):
            pass
        finally:
            self._reader.close()
            self._socket.close()

    def break_off(self) -> None:
        """Wake a thread that waits on this connection; it finds the connection lost."""
        try:
            # Not SSLSocket's own, which would leave the thread with a socket that speaks in the clear.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            return

    def _pdvs(self, length: int) -> Iterator[Pdv]:
        if length > MAX_PDU + 6:
            raise ProtocolError(f"a P-DATA-TF of {length} bytes; {MAX_PDU} were announced", INVALID_PARAMETER)
        left = length
        while left:
            if left < 6:
                raise ProtocolError("a P-DATA-TF that ends in the middle of a PDV", INVALID_PARAMETER)
            item, context_id, control = struct.unpack(">IBB", self._exactly(6))
            if item < 2 or item + 4 > left:
                raise ProtocolError("a PDV that does not fit into its P-DATA-TF", INVALID_PARAMETER)
            yield Pdv(context_id, bool(control & 1), bool(control & 2), self._exactly(item - 2))
            left -= item + 4

    def _header(self) -> tuple[int, int]:
        kind, length = struct.unpack(">BxI", self._exactly(6))
        return int(kind), int(length)

    def _exactly(self, count: int) -> bytes:
        try:
            data: bytes = self._reader.read(count)
        except TimeoutError as error:
            raise AssociationEnded("the peer was silent for too long") from error
        except (OSError, ValueError) as error:
            raise AssociationEnded("the connection was lost") from error
        if len(data) != count:
            raise AssociationEnded("the connection was lost")
        return data

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise AssociationEnded("the connection was lost") from error


# OpenSSL's reasons, in words for the administrator who looks for the mistake.
_REASONS = {
    "HTTP_REQUEST": "it speaks HTTP",
    "WRONG_VERSION_NUMBER": "it speaks no TLS; plain DICOM goes to node.port",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it showed no certificate",
    "UNSUPPORTED_PROTOCOL": "it offers TLS 1.1 or older only, and TLS 1.2 is the least that is accepted",
    "NO_SHARED_CIPHER": "it offers none of the cipher suites of BCP 195",
}


def _why_no_tls(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        known = _REASONS.get(error.reason)
        if known is None and "ALERT" in error.reason:
            return f"it does not accept our certificate, or nothing we offer ({error.reason})"
        return known or f"the TLS handshake failed ({error.reason})"
    if isinstance(error, TimeoutError):
        return "it did not begin the TLS handshake in time"
    return "it ended the connection during the TLS handshake"
