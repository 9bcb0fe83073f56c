"""The audit trail on its way to a syslog server: RFC 5424 over TLS (RFC 5425), as PS3.15 A.6 profiles it.

The trail itself is the spool: what has been sent is a number in the ledger. Syslog has no acknowledgement, so after a lost
connection what was sent last may be sent again; `sequenceId` tells.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Sequence

import structlog

from agent.clock import Clock
from agent.errors import PrereadError, Transient
from agent.settings import Syslog
from agent.store import audit
from agent.store.audit import AuditRow
from agent.store.engine import Ledger
from agent.version import VERSION
from dicom_nodes.tls import TlsFilesUnusable, client_context

_PRI = 10 * 8 + 5  # facility security/authorization (10), severity notice
_CONNECT_S, _SEND_S = 10.0, 30.0
_ALERT_S = 1.0
_LOOK_S, _LONGEST_WAIT_S = 1.0, 60.0
_MOST_SEQUENCE = 2_147_483_647  # RFC 5424 7.3.1


def frame(row: AuditRow, host: str) -> bytes:
    """One message in its octet-counted frame (RFC 5425 4.3)."""
    at = row.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    data = (
        f'[origin software="cxr-preread" swVersion="{VERSION}"][meta sequenceId="{(row.id - 1) % _MOST_SEQUENCE + 1}"]'
    )
    header = f"<{_PRI}>1 {at} {host or '-'} cxr-preread - DICOM+RFC3881 {data} "
    content = header.encode("ascii", "replace") + b"\xef\xbb\xbf" + row.message.encode("utf-8")
    return str(len(content)).encode() + b" " + content


class SyslogServer:
    """One connection, made when it is needed."""

    def __init__(self, settings: Syslog) -> None:
        self._settings = settings
        self._socket: ssl.SSLSocket | None = None

    def send(self, frames: Sequence[bytes]) -> None:
        """Send them all, in order.

        Raises:
            Transient: it cannot be reached, is not trusted, or the connection was lost; in words for the administrator.
        """
        try:
            connection = self._connected()
            for one in frames:
                connection.sendall(one)
        except TlsFilesUnusable as error:
            raise Transient(f"the syslog server cannot be called: {error}", code="audit-not-forwarded") from error
        except OSError as error:
            self.close()
            why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.strerror or error
            where = f"{self._settings.host}:{self._settings.port}"
            raise Transient(
                f"the syslog server at {where} did not take it: {why}", code="audit-not-forwarded"
            ) from error

    def try_out(self) -> None:
        """See whether it would take something, without sending anything. Raises as :meth:`send`."""
        self.send(())
        # With TLS 1.3 a server that does not accept our certificate says so only after the handshake.
        ended = self._socket is not None and _has_ended(self._socket, within_s=_ALERT_S)
        self.close()
        if ended:
            where = f"{self._settings.host}:{self._settings.port}"
            raise Transient(
                f"the syslog server at {where} closed the connection: does it accept our certificate?",
                code="audit-not-forwarded",
            )

    def close(self) -> None:
        """Give the connection up."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _connected(self) -> ssl.SSLSocket:
        if self._socket is not None and _has_ended(self._socket):
            self.close()
        if self._socket is None:
            files = self._settings.tls.files()
            context = client_context(files)
            plain = socket.create_connection((self._settings.host, self._settings.port), timeout=_CONNECT_S)
            try:
                self._socket = context.wrap_socket(plain, server_hostname=files.server_name or self._settings.host)
            except OSError:
                plain.close()
                raise
            self._socket.settimeout(_SEND_S)
        return self._socket


class Forwarder(threading.Thread):
    """Sends the trail on while the office runs. What cannot be sent waits; nothing else waits for it."""

    def __init__(self, ledger: Ledger, clock: Clock, settings: Syslog, host: str, stop: threading.Event) -> None:
        super().__init__(name="audit-forwarder", daemon=True)
        self._ledger, self._clock, self._host, self._stop_event = ledger, clock, host, stop
        self._server = SyslogServer(settings)
        self._log = structlog.get_logger()

    def run(self) -> None:
        wait = _LOOK_S
        while not self._stop_event.wait(wait):
            try:
                while self.forward():
                    pass
                wait = _LOOK_S
            except PrereadError as error:
                wait = min(_LONGEST_WAIT_S, wait * 2)
                self._log.warning("audit trail not forwarded", reason=error.code, words=str(error), wait_s=wait)
            except Exception as error:  # noqa: BLE001  thread edge: the trail waits in the ledger, and an alarm says that it does
                wait = min(_LONGEST_WAIT_S, wait * 2)
                self._log.error("audit trail not forwarded", error_type=type(error).__name__, exc_info=True)
        self._server.close()

    def forward(self) -> bool:
        """Send what has not been sent, as much as goes at once; returns whether there was anything.

        Raises:
            Transient: the server or the ledger cannot be used at the moment.
        """
        with self._ledger.read() as view:
            rows = audit.rows(view, after=audit.forwarded(view))
        if not rows:
            return False
        self._server.send([frame(row, self._host) for row in rows])
        with self._ledger.begin() as tx:
            audit.set_forwarded(tx, rows[-1].id)
        return True


def _has_ended(connection: ssl.SSLSocket, *, within_s: float = 0.0) -> bool:
    """Whether the server has closed it: what is written then is lost without an error. A syslog server says nothing else."""
    readable, _, _ = select.select([connection], [], [], within_s)
    if not readable:
        return False
    connection.settimeout(0.0)
    try:
        return not connection.recv(1024)
    except (ssl.SSLWantReadError, BlockingIOError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(_SEND_S)
