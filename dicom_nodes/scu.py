"""C-ECHO and C-STORE as SCU: one association a batch, files as they are, the peer's own status for each."""

from __future__ import annotations

import socket
import ssl
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID
from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, build_context

from dicom_nodes.contexts import IMPLICIT_LE, UNCOMPRESSED, VERIFICATION, contexts_for
from dicom_nodes.roles import Peer
from dicom_nodes.status import Disposition, classify
from dicom_nodes.tls import TlsFilesUnusable, client_context

# The one place where pynetdicom's global switches are set: files are sent from disk as they are, without being read
# into memory.
_config.STORE_SEND_CHUNKED_DATASET = True

# PS3.8 Table 9-18, result of a presentation context: the SOP class is taken, and none of the transfer syntaxes is.
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4
MAX_CONTEXTS = 128  # PS3.8 9.3.2.2: presentation context ids are the odd numbers up to 255


class NodeError(Exception):
    """A peer could not be worked with. The message names the peer and says what it did."""


class PeerUnreachable(NodeError):
    """No TCP connection: nobody listens, or the name cannot be resolved."""


class PeerSilent(NodeError):
    """The peer did not answer in time, aborted, or the connection was lost: what it has done is unknown."""


class AssociationRejected(NodeError):
    """A-ASSOCIATE-RJ. `transient`: the peer said that it may accept later (PS3.8 Table 9-21, result 2)."""

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class UnusableCertificates(NodeError):
    """The files with certificates or keys cannot be used."""


class NotTrusted(NodeError):
    """No TLS with the peer: its certificate is not accepted, or ours is not."""


class UnresolvableHost(PeerUnreachable):
    """The host's name stands for no address, at the moment or at all: nobody was asked anything."""


class NoAcceptedContext(NodeError):
    """The peer accepts the association but not what is to be sent."""


class UnreadableFile(NodeError):
    """A file to be sent is not DICOM."""


@dataclass(frozen=True, slots=True)
class EchoResult:
    """Answer to a C-ECHO; seconds from request to response, association included."""

    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Offer:
    """What a peer says that it takes. `echo` is the status of its C-ECHO, None where it offers none, which it may."""

    sop_class_uids: frozenset[str]
    echo: int | None


@dataclass(frozen=True, slots=True)
class StoreResult:
    """Answer to one C-STORE. `status` is None when there was none, and then `comment` says why."""

    file: Path
    sop_class_uid: str
    status: int | None
    comment: str

    @property
    def accepted(self) -> bool:
        """Whether the peer has the object now: success or a warning."""
        return self.status is not None and classify(self.status) is Disposition.ACCEPTED

    @property
    def status_text(self) -> str:
        """The status as the standard writes it, or that there is none."""
        return "not sent" if self.status is None else f"{self.status:04X}"


def echo(peer: Peer, *, own_ae_title: str, timeout_s: float) -> EchoResult:
    """C-ECHO (PS3.4 Annex A). Raises `NodeError`."""
    started = time.monotonic()
    with associated(peer, [build_context(VERIFICATION, list(UNCOMPRESSED))], own_ae_title, timeout_s) as association:
        answer = association.send_c_echo()
        if "Status" not in answer:
            raise PeerSilent(f"{who(peer)} did not answer the C-ECHO")
        return EchoResult(int(answer.Status), time.monotonic() - started)


def offer(peer: Peer, sop_class_uids: Sequence[str], *, own_ae_title: str, timeout_s: float) -> Offer:
    """Which of the SOP classes the peer takes from us; nothing is sent but a C-ECHO, where it is offered.

    Raises:
        NoAcceptedContext: the peer takes none of them and offers no C-ECHO either.
        NodeError: no association.
    """
    proposed = [build_context(uid, list(UNCOMPRESSED)) for uid in (VERIFICATION, *sop_class_uids)]
    with associated(peer, proposed, own_ae_title, timeout_s) as association:
        accepted = {str(c.abstract_syntax) for c in association.accepted_contexts}
        echo = None
        if VERIFICATION in accepted:
            answer = association.send_c_echo()
            if "Status" not in answer:
                raise PeerSilent(f"{who(peer)} did not answer the C-ECHO")
            echo = int(answer.Status)
        return Offer(frozenset(accepted - {VERIFICATION}), echo)


def store(peer: Peer, files: Sequence[Path], *, own_ae_title: str, timeout_s: float) -> list[StoreResult]:
    """C-STORE of every file over one association, without changing a byte of any data set.

    Returns:
        One result for each file, in order. A file that is not DICOM, or that was not sent because the association was
        lost, has a result without a status.

    Raises:
        NodeError: no association.
    """
    kinds = [_kind_or_why_not(f) for f in files]
    proposed = contexts_for([k for k in kinds if not isinstance(k, UnreadableFile)])
    if not proposed:
        return [_unsent(f, str(k)) for f, k in zip(files, kinds, strict=True)]
    if len(proposed) > MAX_CONTEXTS:
        raise NodeError(
            f"{len(proposed)} different SOP classes and transfer syntaxes do not fit into one association; send fewer files at once"
        )
    with associated(peer, proposed, own_ae_title, timeout_s) as association:
        accepted = {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in association.accepted_contexts}
        refused = {_pair(c, proposed): c for c in association.rejected_contexts}
        results = []
        for file, kind in zip(files, kinds, strict=True):
            if isinstance(kind, UnreadableFile):
                results.append(_unsent(file, str(kind)))
            elif kind not in accepted:
                results.append(StoreResult(file, kind[0], None, f"{who(peer)} {_refusal([refused[kind]], proposed)}"))
            else:
                results.append(_store_one(association, peer, file, kind))
        return results


@dataclass(frozen=True, slots=True)
class Candidate:
    """One form of a document: its SOP class, and how to make the data set when this form is the one that is taken."""

    sop_class_uid: str
    make: Callable[[], Dataset]


def store_first_accepted(
    peer: Peer, candidates: Sequence[Candidate], *, own_ae_title: str, timeout_s: float
) -> tuple[str, int, str]:
    """C-STORE of the first candidate whose SOP class the peer accepts.

    Returns:
        SOP Class UID that was sent, status, Error Comment.

    Raises:
        NoAcceptedContext: the peer accepts none of them.
        NodeError: no association, or it was lost on the way.
    """
    proposed = [build_context(c.sop_class_uid, list(UNCOMPRESSED)) for c in candidates]
    with associated(peer, proposed, own_ae_title, timeout_s) as association:
        accepted = {str(c.abstract_syntax): str(c.transfer_syntax[0]) for c in association.accepted_contexts}
        for candidate in candidates:
            if candidate.sop_class_uid in accepted:
                answer = association.send_c_store(_in_syntax(candidate.make(), accepted[candidate.sop_class_uid]))
                return candidate.sop_class_uid, *_status_of(answer, peer)
    raise NoAcceptedContext(
        f"{who(peer)} accepts none of the SOP classes {', '.join(_name(c.sop_class_uid) for c in candidates)}"
    )


def _in_syntax(data_set: Dataset, transfer_syntax_uid: str) -> Dataset:
    """The data set ready for a native transfer syntax. Every element is decoded first: one that is still as it was read
    would be written in the encoding of the file."""
    for _ in data_set.iterall():
        pass
    data_set.file_meta.TransferSyntaxUID = transfer_syntax_uid
    data_set.set_original_encoding(transfer_syntax_uid == IMPLICIT_LE, True)
    return data_set


# What pydicom and pynetdicom raise about the bytes of a file: nothing has been sent of it then.
_BROKEN_FILE = (ValueError, KeyError, NotImplementedError, struct.error, zlib.error)


def _unsent(file: Path, why: str) -> StoreResult:
    return StoreResult(file, "", None, why)


def _kind_or_why_not(file: Path) -> tuple[str, str] | UnreadableFile:
    try:
        return _kind(file)
    except UnreadableFile as error:
        return error


def _kind(file: Path) -> tuple[str, str]:
    try:
        meta = dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID"]).file_meta
        kind = str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
    except OSError as error:
        raise UnreadableFile(f"{file} cannot be read ({error.strerror or type(error).__name__})") from error
    except (*_BROKEN_FILE, InvalidDicomError, AttributeError, EOFError) as error:
        raise UnreadableFile(
            f"{file} is not a DICOM file with file meta information ({type(error).__name__})"
        ) from error
    if not all(UID(uid).is_valid for uid in kind):
        raise UnreadableFile(f"{file} names a SOP class or transfer syntax that is no UID")
    return kind


def _store_one(association: Association, peer: Peer, file: Path, kind: tuple[str, str]) -> StoreResult:
    if not association.is_established:
        return StoreResult(file, kind[0], None, f"{who(peer)} ended the association before it was sent")
    try:
        status, comment = _status_of(association.send_c_store(file), peer)
    except (*_BROKEN_FILE, AttributeError) as error:
        words = f"{file} cannot be sent as it is ({type(error).__name__}: {error}); the others are not held up by it"
        return StoreResult(file, kind[0], None, words)
    except (PeerSilent, OSError, RuntimeError) as error:  # what the peer has done with it is unknown
        if isinstance(error, OSError) and error.filename is not None:
            return StoreResult(file, kind[0], None, f"{file} cannot be read ({error.strerror})")
        words = str(error) if isinstance(error, PeerSilent) else f"the association was lost ({type(error).__name__})"
        return StoreResult(file, kind[0], None, words)
    return StoreResult(file, kind[0], status, comment)


def _status_of(answer: Dataset, peer: Peer) -> tuple[int, str]:
    if "Status" not in answer:
        raise PeerSilent(f"{who(peer)} did not answer the C-STORE, or the connection was lost")
    return int(answer.Status), str(answer.get("ErrorComment", "") or "")


@contextmanager
def associated(
    peer: Peer,
    contexts: Sequence[PresentationContext],
    own_ae_title: str,
    timeout_s: float,
    *,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    handlers: Sequence[tuple[Any, Callable[[Any], Any]]] = (),
) -> Iterator[Association]:
    """An association for the length of the block.

    Args:
        roles: where this node is to be SCP of what it proposes (PS3.7 D.3.3.4). handlers: of pynetdicom's events.

    Raises:
        NodeError: there is none, or it was lost on the way.
    """
    ae = AE(ae_title=own_ae_title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = timeout_s
    ae.connection_timeout = min(timeout_s, 10.0)
    ae.maximum_pdu_size = 0
    ae.requested_contexts = list(contexts)
    tls = None if peer.tls is None else (_client_context(peer), peer.certificate_name)
    try:
        association = ae.associate(
            peer.host, peer.port, ae_title=peer.ae_title, ext_neg=list(roles), evt_handlers=list(handlers), tls_args=tls
        )
    except (socket.gaierror, UnicodeError) as error:  # pynetdicom maps only what comes later
        raise UnresolvableHost(
            f"{peer.name} ({peer.ae_title}): the host name {peer.host} cannot be resolved; is it written right, "
            "and does the name server know it?"
        ) from error
    except OSError as error:
        raise PeerUnreachable(f"{who(peer)} cannot be reached: {error.strerror or error}") from error
    if not association.is_established:
        raise _why_not(association, peer, contexts)
    try:
        yield association
    except (OSError, RuntimeError) as error:
        # pynetdicom's answer to a request on an association that has just been lost
        raise PeerSilent(f"{who(peer)} ended the association ({type(error).__name__})") from error
    finally:
        if association.is_established:
            association.release()
        else:
            association.abort()


def _why_not(association: Association, peer: Peer, contexts: Sequence[PresentationContext]) -> NodeError:
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        words = f"{answer.result_str}, {answer.source_str}: {answer.reason_str}"
        return AssociationRejected(f"{who(peer)} rejected the association: {words}", transient=answer.result == 2)
    if answer is not None and answer.result == 0:
        return NoAcceptedContext(f"{who(peer)} {_refusal(association.rejected_contexts, contexts)}")
    if association.is_aborted and answer is not None:
        return PeerSilent(f"{who(peer)} aborted the association")
    if peer.tls is not None and (trouble := tls_trouble(peer)):
        return NotTrusted(f"{who(peer)}: {trouble}")
    return PeerUnreachable(
        f"{who(peer)} cannot be reached: nothing answers there; are host and port right, and does the peer run?"
    )


def _client_context(peer: Peer) -> ssl.SSLContext:
    assert peer.tls is not None
    try:
        return client_context(peer.tls)
    except TlsFilesUnusable as error:
        raise UnusableCertificates(f"{who(peer)}: {error}") from error


_ALERT_S = 2.0  # with TLS 1.3 a server that does not accept our certificate says so only after the handshake


def tls_trouble(peer: Peer) -> str:
    """Why there is no TLS with a peer, in words; empty when there is. pynetdicom tells only its log."""
    try:
        context = _client_context(peer)
        with (
            socket.create_connection((peer.host, peer.port), timeout=10.0) as plain,
            context.wrap_socket(plain, server_hostname=peer.certificate_name) as secured,
        ):
            secured.settimeout(_ALERT_S)
            secured.recv(1)
    except TimeoutError:
        return ""
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not accepted: {error.verify_message}"
    except ssl.SSLError as error:
        reason = str(error.reason or "")
        if "ALERT" in reason:
            return f"it does not accept our certificate or what we offer ({reason})"
        return f"it does not speak TLS as expected ({reason}); is its port the one for TLS?"
    except OSError:
        return ""
    return ""


def _pair(refused: PresentationContext, proposed: Sequence[PresentationContext]) -> tuple[str, str]:
    """SOP class and first transfer syntax that were proposed; a refusal does not repeat the syntax."""
    asked = next(c for n, c in enumerate(proposed) if 2 * n + 1 == refused.context_id)
    return str(asked.abstract_syntax), str(asked.transfer_syntax[0])


def _refusal(refused: Sequence[PresentationContext], proposed: Sequence[PresentationContext]) -> str:
    """What was refused: SOP classes, or only the transfer syntaxes they were to come in."""
    classes = dict.fromkeys(_name(str(c.abstract_syntax)) for c in refused if not _syntax_only(c))
    syntaxes = dict.fromkeys(
        f"{_name(pair[0])}, but not in the transfer syntax {_name(pair[1])}"
        for c in refused
        if _syntax_only(c) and (pair := _pair(c, proposed))
    )
    words = [f"does not accept {', '.join(classes)}"] if classes else []
    words += [f"accepts {', '.join(syntaxes)}"] if syntaxes else []
    return " and ".join(words) or "accepted nothing that was proposed"


def _syntax_only(context: PresentationContext) -> bool:
    return bool(context.result == TRANSFER_SYNTAXES_NOT_SUPPORTED)


def _name(uid: str) -> str:
    name = UID(uid).name
    return uid if name == uid else f"{name} ({uid})"


def who(peer: Peer) -> str:
    """The peer by name, AE title and address, for messages."""
    return f"{peer.name} ({peer.ae_title} at {peer.host}:{peer.port})"
