"""Asking a peer what it takes, and looking at what it shows of itself: nothing is left behind there."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from dicom_nodes.certificate import names_of
from dicom_nodes.contexts import (
    BASIC_TEXT_SR,
    COMPREHENSIVE_3D_SR,
    COMPREHENSIVE_SR,
    GRAYSCALE_PRESENTATION_STATE,
    KEY_OBJECT_SELECTION,
    MODALITY_WORKLIST_FIND,
    STORAGE_COMMITMENT,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    TRANSFER_SYNTAXES,
    UNCOMPRESSED,
    VERIFICATION,
    contexts_for,
    image_classes,
)
from dicom_nodes.roles import Peer
from dicom_nodes.scu import MAX_CONTEXTS, NoAcceptedContext, associated
from dicom_nodes.tls import TlsFiles, TlsFilesUnusable, client_context

_SERVICES = (
    VERIFICATION, COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, BASIC_TEXT_SR, GRAYSCALE_PRESENTATION_STATE,
    KEY_OBJECT_SELECTION, STORAGE_COMMITMENT, STUDY_ROOT_FIND, STUDY_ROOT_MOVE, STUDY_ROOT_GET, MODALITY_WORKLIST_FIND,
)  # fmt: skip
# PS3.8 Table 9-18: result of a presentation context.
ACCEPTED, USER_REJECTION, NO_REASON, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = range(5)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One SOP class, and what was answered for each transfer syntax (PS3.8 Table 9-18) by its UID."""

    sop_class_uid: str
    results: dict[str, int]


def proposals(peer: Peer, *, own_ae_title: str, timeout_s: float) -> list[Proposal]:
    """What the peer accepts of everything that this node may ever propose: each SOP class in each transfer syntax, in one
    association and a context each.

    Raises:
        NodeError: no association, for another reason than that nothing was accepted.
    """
    pairs = [(uid, syntax) for uid in _SERVICES for syntax in UNCOMPRESSED]
    pairs += [(uid, t.uid) for uid in image_classes(secondary_capture=True) for t in TRANSFER_SYNTAXES]
    assert len(pairs) <= MAX_CONTEXTS, "they must fit into one association"
    found = dict.fromkeys(pairs, NO_REASON)
    proposed = contexts_for(pairs)
    try:
        with associated(peer, proposed, own_ae_title, timeout_s) as association:
            for context in (*association.accepted_contexts, *association.rejected_contexts):
                found[pairs[(int(context.context_id) - 1) // 2]] = int(context.result)
    except NoAcceptedContext:
        pass  # it is there, and takes none of them
    classes = dict.fromkeys(uid for uid, _ in pairs)
    return [Proposal(uid, {s: r for (c, s), r in found.items() if c == uid}) for uid in classes]


@dataclass(frozen=True, slots=True)
class Described:
    """What a certificate says. Moments are aware UTC; `fingerprint` is SHA-256, hexadecimal."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class TlsLook:
    """What a server shows. `trouble`: why this node does not trust it, or it does not trust this node; empty when they do."""

    version: str
    chain: tuple[Described, ...]
    trouble: str


def look_at_tls(host: str, port: int, files: TlsFiles, *, timeout_s: float) -> TlsLook:
    """The certificates of a server, those that are not accepted too: nothing is said to it after the handshake.

    Raises:
        OSError: there is no connection, or nobody speaks TLS there.
        TlsFilesUnusable: our own files cannot be used.
    """
    wanted = files.server_name or host
    looking = client_context(files)
    looking.check_hostname = False
    looking.verify_mode = ssl.CERT_NONE  # to be able to show what is wrong; what is sent is never sent so
    with (
        socket.create_connection((host, port), timeout=timeout_s) as plain,
        looking.wrap_socket(plain, server_hostname=wanted) as shown,
    ):
        version, chain = shown.version() or "", tuple(_described(der) for der in _chain(shown))
    return TlsLook(version, chain, _trouble(host, port, files, wanted, timeout_s))


_ALERT_S = 1.0  # with TLS 1.3 a server that does not accept our certificate says so only after the handshake


def _trouble(host: str, port: int, files: TlsFiles, wanted: str, timeout_s: float) -> str:
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as plain,
            client_context(files).wrap_socket(plain, server_hostname=wanted) as secured,
        ):
            secured.settimeout(_ALERT_S)
            with contextlib.suppress(TimeoutError, ConnectionError):
                secured.recv(1)
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not accepted: {error.verify_message}"
    except ssl.SSLError as error:
        return f"it does not accept our certificate or what we offer ({error.reason})"
    except TlsFilesUnusable as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _chain(shown: ssl.SSLSocket) -> list[bytes]:
    """Everything that it sent, its own certificate first; public only since Python 3.13."""
    public: Any = getattr(shown, "get_unverified_chain", None)
    if public is not None:
        return list(public())
    inner: Any = getattr(shown, "_sslobj", None)
    found = inner.get_unverified_chain() if hasattr(inner, "get_unverified_chain") else None
    if found:
        return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in found]
    leaf = shown.getpeercert(binary_form=True)
    return [leaf] if leaf else []


def _described(der: bytes) -> Described:
    one = x509.load_der_x509_certificate(der)
    return Described(
        one.subject.rfc4514_string(),
        one.issuer.rfc4514_string(),
        tuple(sorted(names_of(one))),
        one.not_valid_before_utc.astimezone(UTC),
        one.not_valid_after_utc.astimezone(UTC),
        one.fingerprint(SHA256()).hex(),
    )
