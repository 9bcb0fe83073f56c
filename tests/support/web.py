"""Web services that the tests play: each answers with what a function says, and keeps what it was asked."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

from pydicom import dcmread


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Message
    body: bytes


Answer = tuple[int, str, bytes]


class WebService:
    """An HTTP server on loopback; OPTIONS is answered 200. `context` makes it speak TLS."""

    def __init__(self, answer: Callable[[Request], Answer], context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(handler) -> None:
                length = int(handler.headers.get("Content-Length", "0"))
                request = Request(handler.command, handler.path, handler.headers, handler.rfile.read(length))
                self.requests.append(request)
                status, kind, body = answer(request) if handler.command == "POST" else (200, "", b"")
                handler.send_response(status)
                if kind:
                    handler.send_header("Content-Type", kind)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            do_OPTIONS = do_POST

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def __enter__(self) -> WebService:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def objects_in(request: Request) -> list[bytes]:
    """The parts of a multipart/related body, by the standard library's reader."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode("ascii")
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    return [part.get_payload(decode=True) for part in message.iter_parts()]  # type: ignore[attr-defined]


class Archive(WebService):
    """Takes objects by STOW-RS and keeps each under its SOP Instance UID."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        super().__init__(self._store)

    def _store(self, request: Request) -> Answer:
        for content in objects_in(request):
            self.kept[str(dcmread(BytesIO(content)).SOPInstanceUID)] = content
        return 200, "application/dicom+json", b""


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """(authority, certificate, key): an authority of the test, and what it vouches for: 127.0.0.1, as server and client."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [folder / n for n in ("ca.pem", "ca.key", "own.pem", "own.key", "own.csr", "own.cnf")]
    ca, ca_key, own, own_key, request, profile = names
    profile.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n", encoding="ascii")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)

    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    extra = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"]
    openssl(*new, "-x509", "-keyout", str(ca_key), "-out", str(ca), "-subj", "/CN=test authority", "-days", "2", *extra)
    openssl(*new, "-keyout", str(own_key), "-out", str(request), "-subj", "/CN=127.0.0.1")
    signed = ["x509", "-req", "-in", str(request), "-CA", str(ca), "-CAkey", str(ca_key), "-CAcreateserial"]
    openssl(*signed, "-out", str(own), "-days", "2", "-extfile", str(profile))
    return ca, own, own_key
