"""The node's own port, the peers and the destinations."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Sequence

from agent.delivery.build import build_destinations
from agent.delivery.protocol import Destination
from agent.doctor.check import Check, tried
from agent.doctor.line import roles_of
from agent.priors.source import web_peer
from agent.settings import DicomwebSettings, Settings
from agent.settings.values import LOOPBACK
from dicom_nodes import scu
from dicom_nodes.contexts import MODALITY_WORKLIST_FIND, STUDY_ROOT_FIND, STUDY_ROOT_GET, STUDY_ROOT_MOVE
from dicom_nodes.deadline import Deadline
from dicom_nodes.dicomweb import DicomWeb
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NoAcceptedContext
from dicom_nodes.tls import TlsFilesUnusable, server_context

_TIMEOUT_S = 5.0
_NOBODY = "PREREAD-DOCTOR"  # a Patient ID that nobody has


def node(settings: Settings) -> Sequence[Check]:
    """Whether somebody listens on the node's port, and whether that is this program: it rejects us by our own AE title,
    which is no peer's, and a C-ECHO as one of the peers would have to come from their address."""
    return [_port("port", "node", settings.node.host, settings.node.port, settings)]


def orders(settings: Settings) -> Sequence[Check]:
    """The port of HL7 messages, where the settings want one, and the files of its TLS."""
    s = settings.orders
    if not s.port:
        return []
    found = [_port("HL7 port", "orders", s.host, s.port, settings)]
    if s.tls is not None:
        try:
            server_context(s.tls.files())
        except TlsFilesUnusable as error:
            found.append(Check("HL7 TLS", "bad", f"orders.tls: {error}"))
        else:
            found.append(Check("HL7 TLS", "ok", "its certificate, key and authorities can be used"))
    elif not s.allow and s.host not in LOOPBACK:
        words = "whoever reaches the port may send orders and patient corrections; set orders.tls or orders.allow"
        found.append(Check("HL7 senders", "note", words))
    return found


def _port(what: str, section: str, host: str, port: int, settings: Settings) -> Check:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return _not_bound(error, what, section, host, port, settings)
    return Check(what, "note", f"nothing listens on {host}:{port}; the line does not run")


def _not_bound(error: OSError, what: str, section: str, host: str, port: int, settings: Settings) -> Check:
    if error.errno == errno.EADDRINUSE:
        words = f"{port} is in use"
        if any(r.role == "receive" and r.state == "ready" for r in roles_of(settings)):
            return Check(what, "ok", f"{words} by the receiver of this line")
        return Check(
            what,
            "bad",
            f"{words}, and not by the receiver of this line; end that program, or choose another {section}.port",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return Check(
            what, "bad", f"this user may not listen on port {port}; ports below 1024 need a right of their own"
        )
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return Check(what, "bad", f"{section}.host {host} is no address of this machine ({error.strerror})")
    return Check(what, "bad", f"{host}:{port} cannot be listened on ({error.strerror})")


def peers(settings: Settings) -> Sequence[Check]:
    """A C-ECHO to everyone whom we call."""
    called = [p for p in settings.all_peers() if p.may & {"receive", "query"}]
    return [tried(f"peer {p.name}", lambda p=p: _echo(settings, p)) for p in called]  # type: ignore[misc]


def _echo(settings: Settings, peer: Peer) -> Check:
    what, asked = f"peer {peer.name}", _asked_of(settings, peer)
    try:
        offer = scu.offer(peer, list(asked), own_ae_title=settings.node.ae_title, timeout_s=_TIMEOUT_S)
    except NoAcceptedContext:
        if asked:
            return Check(what, "bad", _offers_no(peer, asked.values()))
        return Check(
            what, "note", f"{peer.ae_title} is there and accepts our associations; it offers no C-ECHO, and needs none"
        )
    if missing := [words for uid, words in asked.items() if uid not in offer.sop_class_uids]:
        return Check(what, "bad", _offers_no(peer, missing))
    can = "".join(f", offers {words}" for words in asked.values())
    if offer.echo is None:
        return Check(what, "note", f"{peer.ae_title} is there{can}; it offers no C-ECHO, and needs none")
    return Check(what, "ok", f"{peer.ae_title} answered {offer.echo:04X}{can}")


def _asked_of(settings: Settings, peer: Peer) -> dict[str, str]:
    """The services that the settings need of a peer which is asked for earlier films or orders, in words."""
    services = {}
    if peer.name == settings.priors.source:
        moving = settings.priors.retrieve == "move"
        services[STUDY_ROOT_FIND] = "Study Root C-FIND"
        services[STUDY_ROOT_MOVE if moving else STUDY_ROOT_GET] = f"Study Root C-{'MOVE' if moving else 'GET'}"
    if peer.name == settings.worklist.source:
        services[MODALITY_WORKLIST_FIND] = "Modality Worklist C-FIND"
    return services


def _offers_no(peer: Peer, missing: Iterable[str]) -> str:
    return (
        f"{peer.ae_title} offers us no {' and no '.join(missing)}, which priors.from or worklist.from needs; "
        "allow our AE title to query there, or name another peer"
    )


def services(settings: Settings) -> Sequence[Check]:
    """A question to every DICOMweb service, about a patient that nobody is."""
    return [tried(f"dicomweb {s.name}", lambda s=s: _web(s)) for s in settings.dicomweb]  # type: ignore[misc]


def _web(service: DicomwebSettings) -> str:
    with DicomWeb(web_peer(service)) as web:
        found = web.find_studies(_NOBODY, ("19000101", "19000102"), deadline=Deadline(_TIMEOUT_S), most=1)
    return f"answers queries ({found.status})"


def destinations(settings: Settings) -> Sequence[Check]:
    """Whether every destination would take what is sent to it."""
    built = build_destinations(settings).items()
    return [tried(f"destination {n}", lambda n=n, d=d: _probe(n, d)) for n, d in built]  # type: ignore[misc]


def _probe(name: str, destination: Destination) -> Check:
    found = destination.probe()
    if found.remark:
        return Check(f"destination {name}", "note", f"{found.words}; {found.remark}")
    return Check(f"destination {name}", "ok", found.words)
