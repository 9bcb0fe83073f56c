"""An MLLP listener: hands each message to a function and answers with what it returns. Used for the embedded RIS of
the demonstration."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable
from types import TracebackType
from typing import cast

from agent.hl7.mllp import CR, END, MAX_FRAME, START

Handler = Callable[[bytes], bytes]


class MllpListener:
    """Listens from `start` or the beginning of a `with` block to `stop` or its end.

    Args:
        handle: takes a message without its frame and returns the acknowledgement without a frame; called from many
            threads.
    """

    def __init__(self, handle: Handler, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = _Server((host, port), _Session)
        self._server.handle = handle
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="mllp-listener", daemon=True, kwargs={"poll_interval": 0.1}
        )

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections and close those that are open."""
        self._server.shutdown()
        self._server.close_sessions()
        self._server.server_close()

    def __enter__(self) -> MllpListener:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    handle: Handler

    def __init__(self, address: tuple[str, int], session: type[socketserver.BaseRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, session)

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def close_sessions(self) -> None:
        with self._lock:
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)


class _Session(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server, connection = cast(_Server, self.server), cast(socket.socket, self.request)
        server.opened(connection)
        buffer = b""
        try:
            while piece := connection.recv(65536):
                buffer += piece
                while END in buffer:
                    frame, _, buffer = buffer.partition(END)
                    _, start, message = frame.rpartition(START)
                    if start:
                        connection.sendall(START + server.handle(message) + END + CR)
                if len(buffer) > MAX_FRAME:
                    return
        except OSError:
            return  # the peer went away; what it did not get an answer for it sends again
        finally:
            server.closed(connection)


def acknowledge(message: bytes, *, code: str = "AA", application: str, facility: str) -> bytes:
    """The acknowledgement of a message in original mode; AR when it has no control id."""
    fields = message.split(b"\r", 1)[0].split(b"|")
    control_id = fields[9] if len(fields) > 9 else b""
    sender = b"|".join(fields[2:4]) if len(fields) > 3 else b"|"
    moment = fields[6] if len(fields) > 6 else b""
    own = f"{application}|{facility}".encode()
    verdict = code.encode() if control_id else b"AR"
    return (
        b"MSH|^~\\&|"
        + own
        + b"|"
        + sender
        + b"|"
        + moment
        + b"||ACK^R01^ACK|A"
        + control_id[:19]
        + b"|P|2.5.1\rMSA|"
        + verdict
        + b"|"
        + control_id
        + b"\r"
    )
