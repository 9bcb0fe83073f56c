"""MLLP as client (HL7 Minimal Lower Layer Protocol, release 1): one message, one acknowledgement, in step.

A frame is VT, the message, FS CR. Acknowledgements are matched by MSA-2, never by order. After any doubt the
connection is closed: a stream that is out of step would give the next message the last one's answer.
"""

from __future__ import annotations

import socket
import ssl
import time

from agent.hl7.ack import Ack, NotAnAck, parse_ack
from agent.hl7.frames import CR, END, MAX_FRAME, START
from dicom_nodes.tls import TlsFiles, TlsFilesUnusable, client_context

_STEP = 65536
_NOISE_KEPT = 20


class TransportFault(Exception):
    """Nothing is known about what the receiver did: the same bytes must be sent again."""


class NoConnection(TransportFault):
    """There was no connection to send anything over: nobody is there, or no TLS could be agreed."""


class _ClosedUnanswered(TransportFault):
    """The peer closed the connection without a byte of an answer."""


class MllpClient:
    """A connection that is kept between messages and opened again when it was lost. Not for several threads.

    Args:
        tls: speak TLS, and to no server that has not a certificate of one of these authorities; None: in the clear.
    """

    def __init__(self, host: str, port: int, *, timeout_s: float, tls: TlsFiles | None = None) -> None:
        self._address, self._timeout, self._tls = (host, port), timeout_s, tls
        self._socket: socket.socket | None = None
        self._buffer, self._noise, self._skipped = b"", b"", ""

    def send(self, message: bytes, control_id: str, *, both: bool = False) -> Ack:
        """Send a message and return the acknowledgement whose MSA-2 is its control id.

        Args:
            message: segments ended by CR, no frame.
            both: it asks for an application acknowledgement after the commit acknowledgement (enhanced mode); when only the
                first comes in time, that is returned: what is committed need not be sent again.

        Raises:
            NoConnection: nothing was sent.
            TransportFault: silent, lost, or an answer that is not HL7.
            ValueError: the message holds framing characters.
        """
        if START in message or END in message:
            raise ValueError("an HL7 message must not hold VT or FS")
        try:
            return self._exchange(message, control_id, both)
        except NotAnAck as error:
            self.close()
            raise TransportFault(
                f"{self._who()} answered with something that is not an acknowledgement: {error}"
            ) from error
        except TimeoutError as error:
            words = f"{self._who()} did not acknowledge within {self._timeout:.0f} s{self._instead()}"
            self.close()
            raise TransportFault(words) from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that cannot be one
            self.close()
            raise TransportFault(self._trouble(error)) from error
        except TransportFault:
            self.close()
            raise

    def probe(self) -> None:
        """Open a connection and close it. Raises `NoConnection`."""
        self._open().close()

    def close(self) -> None:
        """Give the connection up; the next message opens another."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def _exchange(self, message: bytes, control_id: str, both: bool) -> Ack:
        kept = self._socket is not None
        try:
            return self._exchange_once(message, control_id, both)
        except (_ClosedUnanswered, ConnectionError, ssl.SSLEOFError):
            if not kept:
                raise
            # Receivers close connections that were idle, perhaps this very moment: that says nothing about the message.
            self.close()
            return self._exchange_once(message, control_id, both)

    def _exchange_once(self, message: bytes, control_id: str, both: bool) -> Ack:
        connection = self._connected()
        self._buffer, self._noise, self._skipped = b"", b"", ""
        connection.settimeout(self._timeout)
        connection.sendall(START + message + END + CR)
        deadline = time.monotonic() + self._timeout
        ack = self._answer(connection, control_id, deadline)
        return self._application_answer(connection, ack, deadline) if both and ack.is_commit else ack

    def _answer(self, connection: socket.socket, control_id: str, deadline: float) -> Ack:
        """The next acknowledgement of that message; others are late answers to earlier ones."""
        while True:
            ack = parse_ack(self._frame(connection, deadline))
            if ack.control_id == control_id:
                return ack
            self._skipped = ack.control_id[:20]

    def _application_answer(self, connection: socket.socket, commit: Ack, deadline: float) -> Ack:
        """What follows a CA in enhanced mode, on the same connection; the CA itself when nothing does, or nothing that can
        be read."""
        if commit.code != "CA":
            return commit
        try:
            while (ack := self._answer(connection, commit.control_id, deadline)).is_commit:
                pass  # the CA again
            if ack.wants_commit:
                connection.sendall(START + ack.commit() + END + CR)
        except (OSError, TransportFault, NotAnAck):  # TimeoutError is an OSError
            self.close()
            return commit
        return ack

    def _connected(self) -> socket.socket:
        if self._socket is not None and self._went_away(self._socket):
            self.close()
        if self._socket is None:
            self._socket = self._open()
        return self._socket

    def _open(self) -> socket.socket:
        try:
            context = None if self._tls is None else client_context(self._tls)
            connection = socket.create_connection(self._address, timeout=self._timeout)
            try:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if context is None or self._tls is None:
                    return connection
                return context.wrap_socket(connection, server_hostname=self._tls.server_name or self._address[0])
            except BaseException:
                connection.close()
                raise
        except (OSError, UnicodeError, ValueError) as error:
            raise NoConnection(self._trouble(error)) from error
        except TlsFilesUnusable as error:
            raise NoConnection(str(error)) from error

    def _went_away(self, connection: socket.socket) -> bool:
        """Whether the peer closed the connection since the last message, or is in the middle of saying something. What it has
        said unasked, to the end, is left: it came before the message, and is no answer to it."""
        unasked = self._buffer
        connection.settimeout(0.0)
        try:
            while piece := connection.recv(_STEP):
                unasked += piece
                if len(unasked) > MAX_FRAME:
                    return True
        except (BlockingIOError, ssl.SSLWantReadError):
            return unasked.rfind(START) > unasked.rfind(END)
        except OSError:
            return True
        return True

    def _frame(self, connection: socket.socket, deadline: float) -> bytes:
        """The next frame. Noise before VT is dropped, and a frame that another one begins in; a missing CR after FS is put up
        with."""
        while True:
            start = self._buffer.find(START)
            self._noise = (self._noise + (self._buffer if start < 0 else self._buffer[:start]))[:_NOISE_KEPT]
            self._buffer = self._buffer[start:] if start >= 0 else b""
            end = self._buffer.find(END)
            if end >= 0:
                body, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
                return body.rpartition(START)[2]
            if len(self._buffer) > MAX_FRAME:
                raise TransportFault(f"{self._who()} sends an acknowledgement without an end")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            piece = connection.recv(_STEP)
            if not piece:
                kind = TransportFault if self._buffer else _ClosedUnanswered
                raise kind(f"{self._who()} closed the connection before it acknowledged{self._instead()}")
            self._buffer += piece

    def _instead(self) -> str:
        """What came in place of the acknowledgement: that of another message, half of one, or no MLLP frame, from another kind of
        server or a receiver without framing."""
        if self._buffer.startswith(START):
            return "; it began an acknowledgement and did not end it"
        if self._skipped:
            return f"; it acknowledged another message, MSA-2 {self._skipped}"
        text = "".join(c for c in self._noise.decode("latin-1") if c.isprintable())
        return f"; it sent something that is no MLLP frame, beginning with {text!r}" if self._noise.strip() else ""

    def _trouble(self, error: OSError | ValueError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"{self._who()}: its certificate is not accepted: {error.verify_message}"
        if isinstance(error, ssl.SSLError):
            return f"{self._who()}: no TLS: {error.reason or error}"
        if isinstance(error, socket.gaierror | UnicodeError):  # no port was tried, so none is named
            host = self._address[0]
            return f"the host name {host} cannot be resolved; is it written right, and does the name server know it?"
        return f"{self._who()}: {(error.strerror if isinstance(error, OSError) else None) or error}"

    def _who(self) -> str:
        return f"{self._address[0]}:{self._address[1]}"
