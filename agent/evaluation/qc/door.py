"""As whom this machine may send to its own line, and where to."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from agent.errors import Permanent
from agent.settings import PeerSettings, Settings
from dicom_nodes.roles import Peer

_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104  compared, not bound
_MISSING = (
    "{who} may send from this host, so the constancy test cannot send its films the way a modality does; add to the settings:"
    ' [[peers]] with name = "qc", ae_title = "QC", host = "{host}" and may = ["send"]'
)


@dataclass(frozen=True, slots=True)
class Door:
    """`node`: this line, at the address from which the peer's own address is reached; `ae_title`: the calling one."""

    node: Peer
    ae_title: str


def find_door(settings: Settings, ae_title: str | None = None) -> Door:
    """The first peer of the settings that may send from this host.

    Args:
        ae_title: only a peer of this AE title.

    Raises:
        Permanent: there is none; the message says what to add.
    """
    for peer in settings.peers:
        if "send" in peer.may and not peer.tls and ae_title in (None, peer.ae_title):
            target = _target(settings, peer)
            if target is not None:
                node = Peer("self", settings.node.ae_title, target, settings.node.port, frozenset())
                return Door(node, peer.ae_title)
    who = f'no peer "{ae_title}"' if ae_title else "no peer"
    host = "127.0.0.1" if settings.node.host in _EVERYWHERE else settings.node.host
    raise Permanent(_MISSING.format(who=who, host=host), code="qc-no-sender")


def _target(settings: Settings, peer: PeerSettings) -> str | None:
    """Where to connect so that the line sees the peer's address: a connection to an own address comes from that address."""
    for address in _addresses(peer.host):
        listens = settings.node.host in _EVERYWHERE or address in _addresses(settings.node.host)
        if listens and _is_own(address):
            return address
    return None


def _addresses(host: str) -> list[str]:
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []


def _is_own(address: str) -> bool:
    """Only an address of this machine can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
