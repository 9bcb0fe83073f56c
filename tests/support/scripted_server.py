"""A peer on a raw socket that listens like a model server and then answers what a test tells it to, right or wrong."""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

Connection = socket.socket
Script = Callable[["ScriptedServer", Connection], None]
ENTRY = {"id": "cxr", "object": "model", "created": 1, "owned_by": "vllm", "root": "/models/cxr", "max_model_len": 4096}


@dataclass(slots=True)
class Request:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: Any = None


@dataclass(slots=True)
class ScriptedServer:
    """Answers ``/v1/models`` with `entries`, or with `listing`, everything else with `script`. A context manager."""

    script: Script | None = None
    listing: Script | None = None
    entries: Sequence[dict[str, Any]] = (ENTRY,)
    context: ssl.SSLContext | None = None
    asked: list[Request] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    _listener: socket.socket = field(init=False)
    _of: dict[int, Request] = field(default_factory=dict)
    _open: list[Connection] = field(default_factory=list)

    def __enter__(self) -> ScriptedServer:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    @property
    def questions(self) -> list[Any]:
        """Bodies of the chat requests so far."""
        return [r.body for r in self.asked if "/chat/completions" in r.line]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            request = _read(connection)
            self.asked.append(request)
            self._of[connection.fileno()] = request
            if request.line.startswith("GET") and self.listing is not None:
                self.listing(self, connection)
            elif request.line.startswith("GET"):
                send(connection, 200, json.dumps({"object": "list", "data": list(self.entries)}))
            elif self.script is not None:
                self.script(self, connection)
        except (OSError, ValueError):
            pass
        finally:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def read(self, connection: Connection) -> Request:
        """What came over this connection."""
        return self._of[connection.fileno()]

    def wait_for_hang_up(self, connection: Connection) -> None:
        """Until the other side closes, or the test is over."""
        while not self.over.is_set():
            readable, _, _ = select.select([connection], [], [], 0.05)
            if readable and not connection.recv(1024):
                self.hung_up.set()
                return


def _read(connection: Connection) -> Request:
    stream = connection.makefile("rb")
    line = stream.readline().decode()
    headers: dict[str, str] = {}
    while (header := stream.readline().decode().strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    return Request(line, headers, json.loads(body) if body else None)


def send(
    connection: Connection, status: int, body: str | bytes, kind: str = "application/json", more: str = ""
) -> None:
    """A whole reply."""
    content = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n{more}\r\n"
    connection.sendall(head.encode() + content)


def reply(status: int, body: str | bytes, kind: str = "application/json", more: str = "") -> Script:
    """Answers so, always."""
    return lambda _server, connection: send(connection, status, body, kind, more)


def raw(content: bytes) -> Script:
    """Sends these bytes and closes."""
    return lambda _server, connection: connection.sendall(content)


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def part(text: str | None, finish: str | None = None, **rest: Any) -> bytes:
    """One event of a streamed reply."""
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice], **rest}).encode() + b"\n\n"


def stream(*events: bytes) -> Script:
    """A streamed reply of these events; then it closes."""
    return raw(STREAM + b"".join(events))


def words(*texts: str) -> Script:
    """A good streamed reply."""
    usage = {"completion_tokens": len(texts) + 1}
    end = b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n"
    return stream(part(None), *(part(t) for t in texts), part(None, "stop"), end)


def completed(text: str, top: Sequence[tuple[str, float]] | None = None, finish: str = "length") -> str:
    """A reply that is not streamed."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    if top is not None:
        entries = [{"token": token, "logprob": value, "bytes": None} for token, value in top]
        choice["logprobs"] = {"content": [{**entries[0], "top_logprobs": entries}]}
    return json.dumps({"choices": [choice], "usage": {"completion_tokens": 1}})
