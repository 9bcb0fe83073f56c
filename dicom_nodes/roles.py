"""Who is who on the DICOM network: peers, what each may do, and the checks an association request must pass."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from dicom_nodes.certificate import Certificate
from dicom_nodes.tls import TlsFiles

SEND, RECEIVE, QUERY = "send", "receive", "query"
COMMIT = "commit"  # not for the settings: who is asked for storage commitments may come and say what was committed


def check_ae_title(value: str) -> str:
    """The AE title without its non-significant leading and trailing spaces.

    PS3.5 6.2, VR AE: 1 to 16 characters of the default character repertoire, no backslash, no control characters, not
    only spaces.

    Raises:
        ValueError: in words for the person who typed it.
    """
    title = value.strip(" ")
    if not title:
        raise ValueError("an AE title cannot be empty or only spaces")
    if len(title) > 16:
        raise ValueError(f"an AE title has at most 16 characters; this one has {len(title)}")
    if "\\" in title:
        raise ValueError("an AE title cannot contain a backslash")
    if any(not 0x20 <= ord(c) <= 0x7E for c in title):
        raise ValueError(
            "an AE title has only printable ASCII characters, no control characters or letters with accents"
        )
    return title


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node. `may` holds ``send`` (images to us), ``receive`` (reports from us), ``query`` and ``commit``.

    Attributes:
        tls: with what it is spoken to over TLS, both ways, `server_name` being the name its certificate stands for; None: in
            the clear.
    """

    name: str
    ae_title: str
    host: str
    port: int
    may: frozenset[str]
    tls: TlsFiles | None = None

    @property
    def certificate_name(self) -> str:
        """What its certificate must stand for."""
        return (self.tls.server_name if self.tls else "") or self.host


@dataclass(frozen=True, slots=True)
class AssociationInfo:
    """An association as its requestor presents itself. `id` is unique in this process; AE titles are without
    padding. `certificate`: what it showed, on the port for TLS."""

    id: str
    calling_ae_title: str
    called_ae_title: str
    address: str
    port: int
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """An A-ASSOCIATE-RJ: result, source and diagnostic of PS3.8 Table 9-21, with our own stable reason."""

    result: int
    source: int
    diagnostic: int
    reason: str


CALLED_NOT_RECOGNISED = Rejection(1, 1, 7, "called-ae-title-not-recognised")
CALLING_NOT_RECOGNISED = Rejection(1, 1, 3, "calling-ae-title-not-recognised")
CALLING_ADDRESS_NOT_RECOGNISED = Rejection(1, 1, 3, "calling-address-not-recognised")
TLS_REQUIRED = Rejection(1, 1, 3, "tls-required")
CERTIFICATE_OF_ANOTHER = Rejection(1, 1, 3, "certificate-of-another")
NOT_ALLOWED_TO_SEND = Rejection(1, 1, 3, "peer-may-not-send")
CONTEXT_NAME_NOT_SUPPORTED = Rejection(1, 1, 2, "application-context-not-supported")
LOCAL_LIMIT_EXCEEDED = Rejection(2, 3, 2, "too-many-associations")


def admit(association: AssociationInfo, *, own_ae_title: str, peers: Sequence[Peer]) -> Rejection | None:
    """Whether that node may open an association here, to send or to say what it has committed; None when it may.

    A caller is recognised by AE title *and* address. That keeps mistakes out, not attackers: an AE title is no
    authentication. One with `tls` has to come over TLS, with a certificate that stands for its name; nobody else's
    certificate gets anybody in.
    """
    if association.called_ae_title != own_ae_title:
        return CALLED_NOT_RECOGNISED
    named = [p for p in peers if p.ae_title == association.calling_ae_title]
    if not named:
        return CALLING_NOT_RECOGNISED
    if not _at(named, association):
        return CALLING_ADDRESS_NOT_RECOGNISED
    rights = rights_of(association, peers)
    if rights is None:
        return TLS_REQUIRED if association.certificate is None else CERTIFICATE_OF_ANOTHER
    if not rights & {SEND, COMMIT}:
        return NOT_ALLOWED_TO_SEND
    return None


def rights_of(association: AssociationInfo, peers: Sequence[Peer]) -> frozenset[str] | None:
    """What the caller may do here, by AE title, address and certificate; None for a stranger."""
    named = [p for p in peers if p.ae_title == association.calling_ae_title]
    proven = [p for p in _at(named, association) if _is_proven(p, association)]
    return frozenset().union(*(p.may for p in proven)) if proven else None


def _at(peers: Sequence[Peer], association: AssociationInfo) -> list[Peer]:
    return [p for p in peers if _same_host(p.host, association.address)]


def _is_proven(peer: Peer, association: AssociationInfo) -> bool:
    if peer.tls is None:
        return association.certificate is None
    return association.certificate is not None and association.certificate.is_for(peer.certificate_name)


def _same_host(host: str, address: str) -> bool:
    """Whether `host`, a name or an address, is that address; names are looked up each time, because they may move."""
    caller = _normal(address)
    literal = _normal(host)
    if literal is not None:
        return literal == caller
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return caller in {_normal(str(entry[4][0])) for entry in found}


def _normal(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
