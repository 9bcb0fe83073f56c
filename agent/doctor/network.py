"""The node's own port, the peers and the destinations."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Sequence

from agent.delivery.build import build_destinations
from agent.delivery.protocol import Destination
from agent.doctor.check import Check, failed, finding, tried
from agent.doctor.line import roles_of
from agent.priors.source import web_peer
from agent.sentence import Sentence, sentence
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
            found.append(failed("HL7 TLS", error, "certificates-unusable"))
        else:
            found.append(finding("HL7 TLS", "ok", sentence("port.tls")))
    elif not s.allow and s.host not in LOOPBACK:
        found.append(finding("HL7 senders", "note", sentence("port.anybody")))
    return found


def _port(what: str, section: str, host: str, port: int, settings: Settings) -> Check:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return _not_bound(error, what, section, host, port, settings)
    return finding(what, "note", sentence("port.silent", host=host, port=str(port)))


def _not_bound(error: OSError, what: str, section: str, host: str, port: int, settings: Settings) -> Check:
    number = str(port)
    if error.errno == errno.EADDRINUSE:
        if any(r.role == "receive" and r.state == "ready" for r in roles_of(settings)):
            return finding(what, "ok", sentence("port.ours", port=number))
        return finding(what, "bad", sentence("port.taken", port=number, section=section))
    if error.errno in (errno.EACCES, errno.EPERM):
        return finding(what, "bad", sentence("port.forbidden", port=number))
    why = error.strerror or ""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return finding(what, "bad", sentence("port.no-address", section=section, host=host, detail=why))
    return finding(what, "bad", sentence("port.unusable", host=host, port=number, detail=why))


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
            return _offers_no(what, peer, asked.values())
        return finding(what, "note", sentence("peer.accepts", title=peer.ae_title), sentence("peer.no-echo"))
    if missing := [words for uid, words in asked.items() if uid not in offer.sop_class_uids]:
        return _offers_no(what, peer, missing)
    offered = [sentence("peer.offers", service=words) for words in asked.values()]
    if offer.echo is None:
        return finding(what, "note", sentence("peer.there", title=peer.ae_title), *offered, sentence("peer.no-echo"))
    return finding(what, "ok", sentence("peer.answered", title=peer.ae_title, status=f"{offer.echo:04X}"), *offered)


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


def _offers_no(what: str, peer: Peer, missing: Iterable[str]) -> Check:
    return finding(what, "bad", sentence("peer.offers-no", title=peer.ae_title, services=", ".join(missing)))


def services(settings: Settings) -> Sequence[Check]:
    """A question to every DICOMweb service, about a patient that nobody is."""
    return [tried(f"dicomweb {s.name}", lambda s=s: _web(s)) for s in settings.dicomweb]  # type: ignore[misc]


def _web(service: DicomwebSettings) -> tuple[Sentence, ...]:
    with DicomWeb(web_peer(service)) as web:
        found = web.find_studies(_NOBODY, ("19000101", "19000102"), deadline=Deadline(_TIMEOUT_S), most=1)
    return (sentence("peer.queries", status=str(found.status)),)


def destinations(settings: Settings) -> Sequence[Check]:
    """Whether every destination would take what is sent to it."""
    built = build_destinations(settings).items()
    return [tried(f"destination {n}", lambda n=n, d=d: _probe(n, d)) for n, d in built]  # type: ignore[misc]


def _probe(name: str, destination: Destination) -> Check:
    found = destination.probe()
    return finding(f"destination {name}", "note" if found.remarks else "ok", *found.said, *found.remarks)
