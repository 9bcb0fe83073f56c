"""The listening HL7 socket, from the settings."""

from __future__ import annotations

import ipaddress
import threading
import time

from agent.audit.refusal_book import RefusalBook
from agent.clock import Clock
from agent.errors import Permanent
from agent.hl7.fields import Identifiers
from agent.hl7.hear import Dialect
from agent.hl7.hearing import Hearing
from agent.hl7.listener import CannotListen, Limits, Listener
from agent.settings import Hl7DestinationSettings, Settings
from agent.store.engine import Ledger
from agent.store.files import FileStore

_PORT_PATIENCE_S = 5.0  # as in `agent.intake.listen`: a process that was killed may hold it for a moment


def dialect_of(settings: Settings) -> Dialect:
    """How the site writes its messages."""
    s = settings.orders
    own = {d.sending_application.split("^")[0] for d in settings.destinations if isinstance(d, Hl7DestinationSettings)}
    return Dialect(
        identifiers=Identifiers(issuer=s.issuer, type=s.identifier_type),
        accession_in=s.accession_in,
        own_applications=frozenset(own - {""}),
        character_set=s.character_set,
    )


def order_listener(
    settings: Settings, ledger: Ledger, files: FileStore, clock: Clock, refusals: RefusalBook, stop: threading.Event
) -> Listener | None:
    """A started listener on `orders.host` and `orders.port`; None where the settings want none.

    Raises:
        Permanent: the port is in use or not permitted, or the TLS files cannot be used.
    """
    s = settings.orders
    if not s.port:
        return None
    hearing = Hearing(ledger, files, clock, dialect_of(settings), refusals, processing_ids=s.processing_ids)
    limits = Limits(
        connections=s.max_connections,
        message_s=s.message_timeout_s,
        idle_s=s.idle_timeout_s,
        allowed=tuple(ipaddress.ip_network(text) for text in s.allow),
    )
    patience = time.monotonic() + _PORT_PATIENCE_S
    while True:
        try:
            listener = Listener(hearing, host=s.host, port=s.port, limits=limits, tls=s.tls.files() if s.tls else None)
        except CannotListen as error:
            if time.monotonic() >= patience or stop.wait(0.2):
                raise Permanent(
                    f"HL7 messages: {error}; free the port, or set orders.host, orders.port or orders.tls to others",
                    code="cannot-listen-hl7",
                ) from error
        else:
            listener.start()
            return listener


def take_up(listener: Listener, settings: Settings) -> None:
    """Know the site's own sending applications from now on: a message of one of them is none from outside."""
    if isinstance(listener.receiver, Hearing):
        listener.receiver.understand(dialect_of(settings))
