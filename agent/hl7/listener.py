"""An MLLP listener: hands each message to a function and sends back what it returns, in order, over connections that stay.

A thread for each connection, the TLS handshake included: a caller that is silent, slow or talks something else holds up
nobody else, and is put out after a time. When there are as many connections as are allowed, the one that has been silent for
longest makes room.
"""

from __future__ import annotations

import ipaddress
import selectors
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol, cast

import structlog

from agent.clock import SystemClock
from agent.hl7.answer import acknowledgement
from agent.hl7.frames import CR, END, MAX_FRAME, START, FrameReader, FrameTooLong
from agent.hl7.message import peek
from dicom_nodes.tls import TlsFiles, TlsFilesUnusable, server_context

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_STEP = 65536
_LINGER_S = 2.0  # for a refused sender to stop sending and read why


class Receiver(Protocol):
    """Who is behind the listener. Called from many threads; what it raises closes the connection, and the sender still has the
    message."""

    def take(self, message: bytes, address: str) -> Sequence[bytes]:
        """One message without its frame; returns what is to be sent, in order."""
        ...

    def too_long(self, beginning: bytes, address: str, longest: int) -> Sequence[bytes]:
        """A message that goes on for longer than the bytes that are taken; the connection is closed after the answer."""
        ...

    def put_out(self, address: str, reason: str, words: str) -> None:
        """A caller was put out; `reason` is a stable code."""
        ...


class CannotListen(Exception):
    """The port is taken or not permitted, the address is none of this machine, or the TLS files cannot be used."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller may do.

    Attributes:
        message_s: from the first byte of a message to its end, and for a handshake or an answer that is not taken.
        idle_s: silence between two messages.
        allowed: who may call; empty: everybody who reaches the port.
    """

    connections: int = 64
    message_s: float = 30.0
    idle_s: float = 3600.0
    longest: int = MAX_FRAME
    allowed: tuple[Network, ...] = ()


class Listener:
    """Listens from `start` or the beginning of a `with` block to `stop` or its end.

    Args:
        tls: the files of this end; None: in the clear.

    Raises:
        CannotListen: in words that name the address.
    """

    def __init__(
        self,
        receiver: Receiver,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        try:
            if tls is not None:
                server_context(tls)
            self._server = _Server((host, port), receiver, limits or Limits(), tls)
        except TlsFilesUnusable as error:
            raise CannotListen(str(error)) from error
        except (OSError, UnicodeError) as error:
            words = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise CannotListen(f"cannot listen on {host}:{port}: {words}") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="mllp-listener", daemon=True, kwargs={"poll_interval": 0.1}
        )

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    @property
    def receiver(self) -> Receiver:
        """Who gets the messages."""
        return self._server.receiver

    def is_listening(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace_s: float = 2.0) -> None:
        """Take no more connections, answer what has been read, and close."""
        self._server.shutdown()
        self._server.server_close()
        self._server.end_sessions(grace_s)

    def __enter__(self) -> Listener:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class MllpListener(Listener):
    """The same for a function that returns one answer and asks for no address."""

    def __init__(self, handle: Callable[[bytes], bytes], *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(_Simple(handle), host=host, port=port)


@dataclass(frozen=True, slots=True)
class _Simple:
    handle: Callable[[bytes], bytes]

    def take(self, message: bytes, address: str) -> Sequence[bytes]:
        return (self.handle(message),)

    def too_long(self, beginning: bytes, address: str, longest: int) -> Sequence[bytes]:
        return ()

    def put_out(self, address: str, reason: str, words: str) -> None:
        structlog.get_logger().warning("HL7 caller put out", address=address, reason=reason)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], receiver: Receiver, limits: Limits, tls: TlsFiles | None) -> None:
        self.receiver, self.limits, self.tls = receiver, limits, tls
        self._open: dict[_Session, None] = {}
        self._changed = threading.Condition()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Session)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Only what :meth:`_Session.handle` lets through comes here; nothing of it is for standard error."""
        structlog.get_logger().error("HL7 session failed", address=_plain_address(client_address[0]), exc_info=True)

    def opened(self, session: _Session) -> bool:
        """Room for another session, if need be in the place of the one that has been silent for longest."""
        with self._changed:
            if len(self._open) >= self.limits.connections:
                silent = [s for s in self._open if s.is_idle]
                # Who has never said anything goes first: a flood of such callers drives out none that works.
                idle = min(silent, key=lambda s: (s.has_spoken, s.last_heard), default=None)
                if idle is None:
                    return False
                del self._open[idle]
                idle.hang_up()
            self._open[session] = None
            return True

    def closed(self, session: _Session) -> None:
        with self._changed:
            self._open.pop(session, None)
            self._changed.notify_all()

    def end_sessions(self, grace_s: float) -> None:
        """No session reads any more; those that answer may finish."""
        with self._changed:
            for session in self._open:
                session.hang_up()
            self._changed.wait_for(lambda: not self._open, grace_s)


class _PutOut(Exception):
    """Args are a stable reason and words."""


class _Session(socketserver.BaseRequestHandler):
    def setup(self) -> None:
        self._service = cast(_Server, self.server)
        self._raw = cast(socket.socket, self.request)
        self._connection: socket.socket = self._raw
        self._address = _plain_address(self.client_address[0])
        self._frames = FrameReader(self._service.limits.longest)
        self.last_heard = time.monotonic()
        self.has_spoken = False
        self._busy = self._ended = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is lost when it is closed: it is in the middle of no message and no answer."""
        return not self._busy and not self._frames.is_inside

    def hang_up(self) -> None:
        """Read no more. Not `SSLSocket.shutdown`, after which answers would go out in the clear."""
        self._ended = True
        try:
            socket.socket.shutdown(self._connection, socket.SHUT_RD)
        except OSError:
            pass  # it went away by itself

    def handle(self) -> None:
        try:
            self._admit()
            self._connection = self._secured()
            self._converse()
        except _PutOut as error:
            self._service.receiver.put_out(self._address, *error.args)
        except OSError:
            return  # the peer went away; what it did not get an answer for it sends again
        except Exception:  # noqa: BLE001  process edge: this connection is closed, and its sender keeps the message
            structlog.get_logger().error("HL7 session failed", address=self._address, exc_info=True)
        finally:
            self._service.closed(self)

    def _admit(self) -> None:
        allowed = self._service.limits.allowed
        if allowed and not any(ipaddress.ip_address(self._address) in network for network in allowed):
            raise _PutOut("address-not-allowed", "its address is not among those that may send HL7 messages")
        if not self._service.opened(self):
            raise _PutOut(
                "too-many-connections", "there are as many connections as are allowed, all in the middle of a message"
            )

    def finish(self) -> None:
        if self._connection is not self._raw:
            self._connection.close()

    def _secured(self) -> socket.socket:
        self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._service.tls is None:
            return self._raw
        try:
            context = server_context(self._service.tls)  # anew for each: a renewed certificate needs no restart
            secured = context.wrap_socket(self._raw, server_side=True, do_handshake_on_connect=False)
            self._connection = secured
            self._shake_hands(secured)
        except TlsFilesUnusable as error:
            raise _PutOut("tls-files-unusable", str(error)) from error
        except TimeoutError as error:
            raise _PutOut("no-tls", "it did not finish the TLS handshake in time") from error
        except ssl.SSLError as error:
            raise _PutOut("no-tls", f"no TLS could be agreed: {error.reason or error}") from error
        return secured

    def _shake_hands(self, secured: ssl.SSLSocket) -> None:
        """With one time limit for all of it: a byte now and then renews any time-out of the socket's own."""
        deadline = time.monotonic() + self._service.limits.message_s
        secured.setblocking(False)
        while True:
            writes = False
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLWantWriteError:
                writes = True
            else:
                return
            left = deadline - time.monotonic()
            waiting = selectors.EVENT_WRITE if writes else selectors.EVENT_READ
            with selectors.DefaultSelector() as selector:
                selector.register(secured, waiting)
                if left <= 0 or not selector.select(left):
                    raise TimeoutError

    def _converse(self) -> None:
        limits = self._service.limits
        begun = idle_since = time.monotonic()
        while True:
            in_time = self._frames.is_inside or self._frames.is_noisy
            left = begun + limits.message_s if in_time else idle_since + limits.idle_s
            piece = self._receive(left - time.monotonic())
            if not piece:
                return
            self.last_heard, was_inside = time.monotonic(), self._frames.is_inside
            messages, too_long = self._taken_apart(piece)
            for message in messages:
                self._answer(message)
                idle_since = time.monotonic()
            if not in_time or messages or (self._frames.is_inside and not was_inside):
                begun = time.monotonic()
            if too_long:
                self._refuse_length()

    def _receive(self, left_s: float) -> bytes:
        """Raises `_PutOut` when the time is over."""
        inside, noisy = self._frames.is_inside, self._frames.is_noisy
        try:
            self._busy = False
            if self._ended:
                return b""
            if left_s <= 0:
                raise TimeoutError
            self._connection.settimeout(left_s)
            piece = self._connection.recv(_STEP)
            self._busy = True
        except TimeoutError as error:
            if inside:
                raise _PutOut("message-not-ended", "a message that it began did not end in time") from error
            if noisy:
                raise _PutOut("no-mllp", "what it sent is no MLLP frame, which begins with VT") from error
            return b""  # silent for long; whoever wants to speak again calls again
        if not piece and inside and not self._ended:
            raise _PutOut("message-not-ended", "it closed the connection in the middle of a message")
        return piece

    def _taken_apart(self, piece: bytes) -> tuple[list[bytes], bool]:
        try:
            return self._frames.feed(piece), False
        except FrameTooLong:
            return self._frames.leftover(), True

    def _answer(self, message: bytes) -> None:
        self._send(self._service.receiver.take(message, self._address))
        self.has_spoken = True

    def _send(self, answers: Sequence[bytes]) -> None:
        self._connection.settimeout(self._service.limits.message_s)
        for answer in answers:
            self._connection.sendall(START + answer + END + CR)

    def _refuse_length(self) -> None:
        if not self._frames.is_inside:
            raise _PutOut("no-mllp", "what it sends is no MLLP frame, which begins with VT")
        longest = self._service.limits.longest
        self._send(self._service.receiver.too_long(self._frames.beginning, self._address, longest))
        self._linger()
        raise _PutOut("message-too-long", f"a message has at most {longest} bytes")

    def _linger(self) -> None:
        """What is sent meanwhile is dropped: closing over it would take the answer away from the sender."""
        deadline = time.monotonic() + _LINGER_S
        socket.socket.shutdown(self._connection, socket.SHUT_WR)
        while (left := deadline - time.monotonic()) > 0:
            self._connection.settimeout(left)
            if not self._connection.recv(_STEP):
                return


def _plain_address(address: str) -> str:
    """IPv4 as such, also where an IPv6 socket wraps it, and without a zone."""
    return address.removeprefix("::ffff:").partition("%")[0]


def acknowledge(message: bytes, *, code: str = "AA", application: str, facility: str) -> bytes:
    """The acknowledgement of a message in original mode, from that application; AR when it has no control id."""
    header = replace(peek(message), receiver=(application, facility), wants_commit="", wants_application="")
    return acknowledgement(header, code if header.control_id else "AR", None, now=SystemClock().now())
