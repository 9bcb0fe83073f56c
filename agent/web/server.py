"""The server's thread: it listens when it can, says when it cannot, and holds up nothing else of the office.

Frameworks are imported in the thread, after the line delivers.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import structlog

from agent.health.trouble import Trouble
from agent.web.context import WebContext

if TYPE_CHECKING:
    import uvicorn

RETRY_S = 15.0
_QUEUED = 64
_AT_ONCE = 400  # connections; more than there may be streams (agent.web.live), so that pages have room
_GRACE_S = 3


class WebServer:
    """Listens on `web.host` and `web.port` until it is stopped.

    Args:
        changed: called, from the server's thread, when `words` have changed.
    """

    def __init__(self, context: WebContext, stop: threading.Event, changed: Callable[[], None]) -> None:
        self._context, self._stop, self._changed = context, stop, changed
        self._listening, self._why_not = False, "it has not started yet"
        self._log = structlog.get_logger()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._taken: socket.socket | None = None

    @property
    def words(self) -> str:
        """Where it listens, or why it does not."""
        web = self._context.settings.web
        if self._listening:
            return f"web server on {web.host}:{web.port}"
        return f"NO WEB SERVER: {self._why_not}"

    def troubles(self) -> tuple[Trouble, ...]:
        """Whether somebody should be told."""
        return () if self._listening else (Trouble("web-not-listening"),)

    def start(self) -> None:
        """Take the port, if it can be had, and serve in a thread."""
        self._taken = self._take()
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended, after the line was asked to stop."""
        self._thread.join(timeout_s)

    def _take(self) -> socket.socket | None:
        web = self._context.settings.web
        try:
            taken = _bound(web.host, web.port)
        except OSError as error:
            why = f"{_why(error, web.host, web.port)}; tried again every {RETRY_S:.0f} s"
            if why != self._why_not:  # said once
                self._log.error(
                    "no web server", host=web.host, port=web.port, reason=errno.errorcode.get(error.errno or 0)
                )
            self._why_not, self._listening = why, False
            return None
        self._listening = True
        return taken

    def _run(self) -> None:
        taken = self._taken
        while not self._stop.is_set():
            if taken is not None:
                with contextlib.closing(taken):
                    self._serve(taken)
            if self._stop.wait(RETRY_S):
                return
            taken = self._take()
            if taken is not None:
                self._changed()

    def _serve(self, taken: socket.socket) -> None:
        try:
            self._serve_until_stopped(taken)
        except Exception as error:  # noqa: BLE001  process edge: no study is touched; the line delivers, and it is tried again
            self._log.error("web server ended", error_type=type(error).__name__, exc_info=True)
        if not self._stop.is_set():
            self._why_not, self._listening = "it ended; see the log of the office", False
            self._changed()

    def _serve_until_stopped(self, taken: socket.socket) -> None:
        import uvicorn

        from agent.web.app import make_app

        # The port is taken already, and what is logged is said here: a URL may one day name a study.
        app = make_app(self._context)
        config = uvicorn.Config(
            app, loop="asyncio", http="h11", ws="none", lifespan="off", log_config=None,
            access_log=False, server_header=False, proxy_headers=False, limit_concurrency=_AT_ONCE,
            timeout_graceful_shutdown=_GRACE_S,
        )  # fmt: skip
        server = uvicorn.Server(config)
        with self._ending_with_the_line(server, app.state.live.close):
            server.run(sockets=[taken])

    @contextlib.contextmanager
    def _ending_with_the_line(self, server: uvicorn.Server, end_streams: Callable[[], None]) -> Iterator[None]:
        over = threading.Event()

        def watch() -> None:
            while not over.is_set() and not self._stop.wait(1.0):
                pass
            end_streams()
            server.should_exit = True

        threading.Thread(target=watch, name="web-stop", daemon=True).start()
        try:
            yield
        finally:
            over.set()


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OSError`."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_QUEUED)
    except OSError:
        made.close()
        raise
    return made


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken by another program; end that one, or choose another web.port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"this user may not listen on port {port}; choose one above 1023 as web.port"
    return f"nothing can listen on web.host {host}, port {port} ({error.strerror})"
