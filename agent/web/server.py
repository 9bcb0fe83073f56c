"""The server's thread: it listens when it can, says when it cannot, and holds up nothing else of the office.

Frameworks are imported in the thread, after the line delivers.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import structlog

from agent.errors import PrereadError
from agent.health.trouble import Trouble
from agent.store import accounts
from agent.web.certificate import OwnCertificate
from agent.web.context import WebContext
from dicom_nodes.tls import TlsFilesUnusable

if TYPE_CHECKING:
    import uvicorn

RETRY_S = 15.0
_QUEUED = 64
# Every page that is open holds one for what is live, and browsers keep some more; each costs a file descriptor, of which a process
# has 1024 as a rule. More than there may be streams (agent.web.live), so that pages have room.
_CONNECTIONS = 512
_GRACE_S = 3
_RENEW_EVERY_S = 30.0


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
        self._certificate: OwnCertificate | None = None

    @property
    def words(self) -> str:
        """Where it listens, or why it does not."""
        web = self._context.settings.web
        if self._listening:
            only = "" if web.is_private else ", for monitors alone: no pages without HTTPS"
            return f"web server on {web.host}:{web.port}{only}"
        return f"NO WEB SERVER: {self._why_not}"

    def troubles(self) -> tuple[Trouble, ...]:
        """Whether somebody should be told."""
        return () if self._listening else (Trouble("web-not-listening"),)

    def start(self) -> None:
        """Take the port, if it can be had, and serve in a thread."""
        self._taken = self._take()
        self._thread.start()
        self._say_who_can_sign_in()

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended, after the line was asked to stop."""
        self._thread.join(timeout_s)

    def _say_who_can_sign_in(self) -> None:
        web = self._context.settings.web
        if not web.is_private:
            self._log.warning("no pages without HTTPS", words="see web.url and web.certificate_file; docs/signing.md")
        with contextlib.suppress(PrereadError), self._context.ledger.read() as view:
            if web.oidc is None and not accounts.count(view):
                words = "make the first account: preread users add NAME --role administrator"
                self._log.warning("nobody can sign in to the pages yet", words=words)

    def _take(self) -> socket.socket | None:
        web = self._context.settings.web
        try:
            if web.certificate_file is not None and web.key_file is not None:
                self._certificate = OwnCertificate(web.certificate_file, web.key_file)
            taken = _bound(web.host, web.port)
        except TlsFilesUnusable as error:
            self._not_listening(f"web.{error}", "certificate")
            return None
        except OSError as error:
            self._not_listening(_why(error, web.host, web.port), errno.errorcode.get(error.errno or 0))
            return None
        self._listening = True
        return taken

    def _not_listening(self, why: str, reason: str | None) -> None:
        web, words = self._context.settings.web, f"{why}; tried again every {RETRY_S:.0f} s"
        if words != self._why_not:  # said once
            self._log.error("no web server", host=web.host, port=web.port, reason=reason)
        self._why_not, self._listening = words, False

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
        from agent.web.protocol import TimelyProtocol

        proxies = list(self._context.settings.web.proxies)
        # The port is taken already, and what is logged is said here: a URL may one day name a study.
        app = make_app(self._context)
        config = uvicorn.Config(
            app, loop="asyncio", http=TimelyProtocol, ws="none", lifespan="off", log_config=None,
            access_log=False, server_header=False, proxy_headers=bool(proxies), forwarded_allow_ips=proxies,
            limit_concurrency=_CONNECTIONS, timeout_graceful_shutdown=_GRACE_S,
        )  # fmt: skip
        config.load()
        if self._certificate is not None:
            config.ssl = self._certificate.context
        server = uvicorn.Server(config)
        with contextlib.closing(app.state.films), self._ending_with_the_line(server, app.state.live.close):
            if self._context.settings.web.is_private:  # else nobody is shown a film
                with contextlib.suppress(PrereadError):  # whoever opens a study has it started
                    app.state.films.warm()  # it starts beside this, and is there before somebody has signed in
            server.run(sockets=[taken])

    @contextlib.contextmanager
    def _ending_with_the_line(self, server: uvicorn.Server, end_streams: Callable[[], None]) -> Iterator[None]:
        over = threading.Event()

        def watch() -> None:
            looked = time.monotonic()
            while not over.is_set() and not self._stop.wait(1.0):
                if self._certificate is not None and time.monotonic() - looked > _RENEW_EVERY_S:
                    looked = time.monotonic()
                    self._certificate.renew()
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
