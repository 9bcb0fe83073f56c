"""A RIS on a raw socket that follows a list of steps, right or wrong: what a peer may do to a message, and to its answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from agent.hl7.mllp import CR, END, START

_HEADER = b"MSH|^~\\&|RIS|HOSP|PREREAD|RADIOLOGY|20260103||ACK^R01^ACK|RIS1|P|2.5.1"


class ScriptedRis:
    """Does the steps in their order, one connection at a time; then it listens no more, and says no more. A context manager.

    Attributes:
        received: every message that was taken off the wire, in its order.
        connections: how many were opened.
    """

    def __init__(self, *steps: Step) -> None:
        self.received: list[bytes] = []
        self.connections = 0
        self._steps = list(steps)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._connection: socket.socket | None = None
        self._buffer = b""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> ScriptedRis:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        self._thread.join(10)

    @property
    def control_ids(self) -> list[str]:
        """MSH-10 of what was received."""
        return [control_id_of(m).decode() for m in self.received]

    def _run(self) -> None:
        try:
            for step in self._steps:
                step(self)
        except OSError:
            return  # the test is over

    def connection(self) -> socket.socket:
        """The connection of the moment, or the next that is opened."""
        if self._connection is None:
            self._connection, _ = self._listener.accept()
            self.connections += 1
        return self._connection

    def message(self) -> bytes:
        """The next whole message, without its frame, however many connections it takes."""
        while END + CR not in self._buffer:
            try:
                piece = self.connection().recv(65536)
            except ConnectionError:
                piece = b""
            self._buffer += piece
            if not piece:
                self.hang_up()
        frame, _, self._buffer = self._buffer.partition(END + CR)
        self.received.append(frame[1:])
        return frame[1:]

    def say(self, *pieces: bytes) -> None:
        """Send every piece in a packet of its own."""
        connection = self.connection()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                connection.sendall(piece)
        except ConnectionError:
            self.hang_up()  # whoever was spoken to has gone; that is for the next step to find

    def hang_up(self) -> None:
        """Close the connection of the moment; what was half received is forgotten."""
        connection, self._connection, self._buffer = self._connection, None, b""
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()


Step = Callable[[ScriptedRis], None]
# Of an acknowledgement for that MSH-10, the bytes that are sent, packet by packet.
Answer = Callable[[bytes], Sequence[bytes]]


def framed(message: bytes) -> bytes:
    """A message in its MLLP frame."""
    return START + message + END + CR


def control_id_of(message: bytes) -> bytes:
    """MSH-10."""
    return message.split(b"|")[9]


def ack(code: str, control_id: bytes, *segments: str, text: str = "", header: bytes = _HEADER) -> bytes:
    """An acknowledgement without its frame: MSH, MSA with `text` as MSA-3, and further segments."""
    rows = [header, f"MSA|{code}|".encode() + control_id + (f"|{text}".encode() if text else b"")]
    return b"\r".join([*rows, *(s.encode() for s in segments), b""])


def err(code: str, *, severity: str = "E", words: str = "") -> str:
    """An ERR segment with that code of table 0357."""
    return f"ERR||OBR^1^3|{code}^its meaning^HL70357|{severity}||||{words}"


def answers(code: str, *segments: str, text: str = "", control_id: bytes = b"") -> Step:
    """Takes a message and acknowledges it, or another one."""
    return sends(lambda own: [framed(ack(code, control_id or own, *segments, text=text))])


def sends(answer: Answer) -> Step:
    """Takes a message and sends these packets."""

    def step(ris: ScriptedRis) -> None:
        ris.say(*answer(control_id_of(ris.message())))

    return step


def sends_and_closes(answer: Answer) -> Step:
    """Takes a message, sends these packets, and closes."""

    def step(ris: ScriptedRis) -> None:
        sends(answer)(ris)
        ris.hang_up()

    return step


def is_silent(ris: ScriptedRis) -> None:
    """Takes a message and says nothing."""
    ris.message()


def closes_at_once(ris: ScriptedRis) -> None:
    """Accepts the connection and closes it before it has read anything."""
    ris.connection()
    ris.hang_up()


def closes_after_the_message(ris: ScriptedRis) -> None:
    """Takes a message and closes."""
    ris.message()
    ris.hang_up()
