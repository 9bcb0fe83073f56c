"""Where the audit trail goes."""

from __future__ import annotations

from agent.settings.tls import Tls
from agent.settings.types import Frozen, Host, Port


class Syslog(Frozen):
    """A syslog server that takes RFC 5424 over TLS (RFC 5425)."""

    host: Host
    port: Port = 6514
    tls: Tls


class Audit(Frozen):
    """The trail is always kept in the ledger; a server may be sent it too."""

    syslog: Syslog | None = None
