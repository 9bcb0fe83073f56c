"""The node's own port, the peers and the destinations."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from agent.delivery.build import build_destinations
from agent.delivery.protocol import Destination
from agent.doctor.check import Check, tried
from agent.doctor.line import roles_of
from agent.settings import Settings
from dicom_nodes import scu
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NoAcceptedContext

_TIMEOUT_S = 5.0


def node(settings: Settings) -> Sequence[Check]:
    """Whether somebody listens on the node's port, and whether that is this program: it rejects us by our own AE title,
    which is no peer's, and a C-ECHO as one of the peers would have to come from their address."""
    own = settings.node
    with socket.socket(socket.AF_INET6 if ":" in own.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((own.host, own.port))
        except OSError as error:
            return [_not_bound(error, settings)]
    return [Check("port", "note", f"nothing listens on {own.host}:{own.port}; the line does not run")]


def _not_bound(error: OSError, settings: Settings) -> Check:
    own = settings.node
    if error.errno == errno.EADDRINUSE:
        words = f"{own.port} is in use"
        if any(r.role == "receive" and r.state == "ready" for r in roles_of(settings)):
            return Check("port", "ok", f"{words} by the receiver of this line")
        return Check(
            "port",
            "bad",
            f"{words}, and not by the receiver of this line; end that program, or choose another node.port",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return Check(
            "port", "bad", f"this user may not listen on port {own.port}; ports below 1024 need a right of their own"
        )
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return Check("port", "bad", f"node.host {own.host} is no address of this machine ({error.strerror})")
    return Check("port", "bad", f"{own.host}:{own.port} cannot be listened on ({error.strerror})")


def peers(settings: Settings) -> Sequence[Check]:
    """A C-ECHO to everyone whom we call."""
    called = [p.peer() for p in settings.peers if p.may & {"receive", "query"}]
    return [tried(f"peer {p.name}", lambda p=p: _echo(settings, p)) for p in called]  # type: ignore[misc]


def _echo(settings: Settings, peer: Peer) -> Check:
    what = f"peer {peer.name}"
    try:
        answer = scu.echo(peer, own_ae_title=settings.node.ae_title, timeout_s=_TIMEOUT_S)
    except NoAcceptedContext:
        return Check(
            what, "note", f"{peer.ae_title} is there and accepts our associations; it offers no C-ECHO, and needs none"
        )
    return Check(what, "ok", f"{peer.ae_title} answered {answer.status:04X}")


def destinations(settings: Settings) -> Sequence[Check]:
    """Whether every destination would take what is sent to it."""
    built = build_destinations(settings).items()
    return [tried(f"destination {n}", lambda n=n, d=d: _probe(n, d)) for n, d in built]  # type: ignore[misc]


def _probe(name: str, destination: Destination) -> Check:
    found = destination.probe()
    if found.remark:
        return Check(f"destination {name}", "note", f"{found.words}; {found.remark}")
    return Check(f"destination {name}", "ok", found.words)
