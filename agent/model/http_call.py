"""One HTTP request to a model server, kept to a deadline. The only importer of httpx2.

The request runs in a thread of its own and hands over what arrives, so that whoever waits for it can look at the
clock, do something else in between, or hang up: a read time-out alone is per packet, and a server that trickles would
never meet one. Every call has a connection of its own, which is closed to hang up: that is how a server learns that
nobody waits for the rest of a reply. Nothing is tried again here, and no proxy of the environment is used: pictures of
patients go where the settings say and nowhere else.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2

from agent.errors import SettingsError
from agent.model.deadline import Deadline

CONNECT_S = 10.0
# A reply of a language model is some kilobytes; whoever sends more is no model server.
MOST_BYTES = 16_000_000
_LOOK_EVERY_S = 0.25
_END = b""


class Unreachable(Exception):
    """No connection: nobody listens, no such host, a certificate that is not trusted. In words, without the request."""


class Broken(Exception):
    """The connection ended, or what came over it is not HTTP, before the reply was whole."""


class Late(Exception):
    """The deadline passed. `silent`: not one byte had come."""

    def __init__(self, silent: bool) -> None:
        super().__init__("the deadline passed")
        self.silent = silent


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of a reply; header names in lower case."""

    status: int
    headers: dict[str, str]


class HttpClient:
    """Makes calls; holds the TLS settings and the key.

    Args:
        key: sent as a bearer token; empty for none.
        ca_file: certificates to trust instead of the system's. Certificates are always verified.
        encrypted: whether an https URL will be asked; reading the system's certificates takes a while.

    Raises:
        SettingsError: `ca_file` holds no certificates.
    """

    def __init__(self, *, key: str = "", ca_file: Path | None = None, encrypted: bool = True) -> None:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, and trusts nobody yet
            if ca_file is not None:
                context.load_verify_locations(cafile=str(ca_file))
            elif encrypted:
                context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"model.ca_file: {ca_file} cannot be used as certificates ({error.strerror or 'not PEM'})",
                code="settings-invalid",
            ) from error
        headers = {"User-Agent": "cxr-preread", "Accept-Encoding": "identity"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._client = httpx2.Client(
            verify=context,
            headers=headers,
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        )

    def call(self, method: str, url: str, *, deadline: Deadline, body: Any = None) -> Call:
        """Start a request. `body` is sent as JSON."""
        return Call(self._client, method, url, body, deadline)

    def close(self) -> None:
        self._client.close()


class Call:
    """A request that runs. A context manager; leaving it hangs up."""

    def __init__(self, client: httpx2.Client, method: str, url: str, body: Any, deadline: Deadline) -> None:
        self._deadline = deadline
        self._parts: queue.SimpleQueue[Head | bytes | Exception] = queue.SimpleQueue()
        self._lock, self._hung_up, self._any = threading.Lock(), False, False
        self._socket: socket.socket | None = None
        patience = max(deadline.left(), 0.05)
        timeout = httpx2.Timeout(patience, connect=min(CONNECT_S, patience))
        request = client.build_request(method, url, json=body, timeout=timeout, extensions={"trace": self._connected})
        self._thread = threading.Thread(target=self._run, args=(client, request), name="model-call", daemon=True)
        self._thread.start()

    def __enter__(self) -> Call:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()

    def head(self, between: Callable[[], None] | None = None) -> Head:
        """Status and headers, once they are there. Raises as `read`."""
        part = self._next(between)
        assert isinstance(part, Head), "the head comes first"
        return part

    def read(self, between: Callable[[], None] | None = None) -> bytes:
        """The next piece of the body; empty at its end.

        Args:
            between: called now and then while nothing comes; what it raises is raised here. Its time does not count.

        Raises:
            Unreachable, Broken, Late.
        """
        part = self._next(between)
        assert isinstance(part, bytes), "the body comes after the head"
        return part

    def whole(self) -> bytes:
        """The rest of the body. Raises as `read`."""
        parts = []
        while part := self.read():
            parts.append(part)
        return b"".join(parts)

    def hang_up(self) -> None:
        """Close the connection, whatever is going on on it. Harmless at any time."""
        with self._lock:
            self._hung_up = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _next(self, between: Callable[[], None] | None) -> Head | bytes:
        while True:
            left = self._deadline.left()
            try:
                part = self._parts.get(timeout=max(0.0, min(left, _LOOK_EVERY_S)))
            except queue.Empty:
                if left <= 0:
                    self.hang_up()
                    raise Late(not self._any) from None
                self._deadline.pause_for(between)
                continue
            if isinstance(part, Late):
                raise Late(not self._any) from part.__cause__
            if isinstance(part, Exception):
                raise part
            self._any = True
            return part

    def _connected(self, event: str, info: dict[str, Any]) -> None:
        """httpcore's trace hook: the only way to the socket before an answer has come."""
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        with self._lock:
            self._socket = info["return_value"].get_extra_info("socket")
        if self._hung_up:
            self.hang_up()

    def _run(self, client: httpx2.Client, request: httpx2.Request) -> None:
        """The thread: it puts a head, pieces, and an end or an error, and goes whatever happens."""
        try:
            response = client.send(request, stream=True)
            try:
                self._parts.put(Head(response.status_code, {k.lower(): v for k, v in response.headers.items()}))
                seen = 0
                for piece in response.iter_raw():
                    seen += len(piece)
                    if seen > MOST_BYTES:
                        raise Broken(f"sent more than {MOST_BYTES // 1_000_000} MB")
                    if piece:
                        self._parts.put(piece)
                self._parts.put(_END)
            finally:
                with self._lock:
                    self._socket = None
                response.close()
        except Exception as error:  # noqa: BLE001  handed to the one who waits: the study fails or waits there
            self._parts.put(_mapped(error))


def _mapped(error: Exception) -> Exception:
    if isinstance(error, Broken):
        return error
    if isinstance(error, httpx2.ReadTimeout | httpx2.WriteTimeout):
        mapped: Exception = Late(silent=False)
    elif isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
        mapped = Unreachable(_why_unreachable(error))
    else:
        mapped = Broken(f"broke off ({type(error).__name__})")
    mapped.__cause__ = error
    return mapped


def _why_unreachable(error: Exception) -> str:
    if isinstance(error, httpx2.ConnectTimeout):
        return "does not answer"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"shows a certificate that is not trusted ({cause.verify_message}); see model.ca_file"
        if isinstance(cause, ssl.SSLError):
            return "does not speak TLS as expected"
        if isinstance(cause, socket.gaierror):
            return "has a name that cannot be resolved"
        if isinstance(cause, OSError) and cause.strerror:
            return f"cannot be reached ({cause.strerror})"
        cause = cause.__cause__ or cause.__context__
    return "cannot be reached"
