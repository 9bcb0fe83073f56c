"""C-ECHO and C-STORE as SCP (PS3.4 Annexes A and B), and N-EVENT-REPORT of a storage commitment as SCU (Annex J): hands
every data set, piece by piece, to the `Receiver` it is given.

One thread an association, a bounded number of them. What is done with the bytes, and the status that is answered, is
the receiver's business; what is answered is exactly what it says.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext, build_context, negotiate_as_acceptor

from dicom_nodes import dimse, upper_layer
from dicom_nodes.certificate import Certificate
from dicom_nodes.exchange import Exchange
from dicom_nodes.receiver import Receiver, RefusedContext
from dicom_nodes.roles import CONTEXT_NAME_NOT_SUPPORTED, LOCAL_LIMIT_EXCEEDED, AssociationInfo, Rejection
from dicom_nodes.tls import TlsFiles, TlsFilesUnusable, server_context
from dicom_nodes.upper_layer import AssociationEnded, ProtocolError, TlsRefused, Wire

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"  # PS3.7 Annex A: the only one there is
REQUEST_TIMEOUT_S = (
    10.0  # ARTIM (PS3.8 9.1.5): a connection that does not ask for an association in this time is closed
)
MAX_UNDECIDED = 64  # connections that have not asked for an association yet


class CannotListen(Exception):
    """The port is in use, not permitted, or the address is not one of this machine."""


@dataclass(frozen=True, slots=True)
class SecureDoor:
    """A second port, for TLS alone (PS3.15 B.12). The files are read for each caller: a renewed certificate needs no restart."""

    port: int
    files: TlsFiles


class StorageSCP:
    """A listening node. `start` returns when associations are accepted."""

    def __init__(
        self,
        receiver: Receiver,
        *,
        host: str,
        port: int,
        contexts: Sequence[PresentationContext],
        max_associations: int,
        network_timeout_s: float,
        secure: SecureDoor | None = None,
    ) -> None:
        self._receiver, self._contexts = receiver, list(contexts)
        self._host, self._port = host, port
        self._max, self._timeout = max_associations, network_timeout_s
        self._secure = secure
        self._listeners: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._sessions: set[_Session] = set()

    @property
    def port(self) -> int:
        """The port that is listened on; with port 0 given, the one the system chose."""
        assert self._listeners, "not started"
        return int(self._listeners[0].getsockname()[1])

    @property
    def secure_port(self) -> int:
        """The port for TLS; there must be one."""
        assert len(self._listeners) > 1, "not started, or without TLS"
        return int(self._listeners[1].getsockname()[1])

    def start(self) -> None:
        """Listen. Raises `CannotListen`."""
        doors = [self._door(self._port)]
        if self._secure is not None:
            try:
                server_context(self._secure.files)
                doors.append(self._door(self._secure.port))
            except TlsFilesUnusable as error:
                doors[0].close()
                raise CannotListen(f"cannot speak TLS: {error}") from error
            except CannotListen:
                doors[0].close()
                raise
        self._listeners = doors
        for number, listener in enumerate(doors):
            files = self._secure.files if self._secure and number else None
            self._threads.append(
                threading.Thread(target=self._accept, args=(listener, files), name="scp-accept", daemon=True)
            )
        for thread in self._threads:
            thread.start()
        threading.Thread(target=self._end_undecided, name="scp-artim", daemon=True).start()

    def _door(self, port: int) -> socket.socket:
        listener = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            words = error.strerror or str(error)
            raise CannotListen(f"cannot listen on {self._host} port {port}: {words}") from error
        return listener

    def offer(self, contexts: Sequence[PresentationContext]) -> None:
        """Accept these on associations that are asked for from now on; those that are open go on as they are."""
        self._contexts = list(contexts)

    def is_listening(self) -> bool:
        """Whether connections are taken; False before `start`, after `stop`, and if the listening thread has died."""
        return bool(self._threads) and all(t.is_alive() for t in self._threads)

    def stop(self, grace_s: float = 10.0) -> None:
        """Take no new association, let every C-STORE that has begun finish within the grace time, then end what is
        left."""
        self._stopping.set()
        for listener in self._listeners:
            _close_listener(listener)
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.end_when_idle()
        deadline = time.monotonic() + grace_s
        for session in sessions:
            session.join(max(0.0, deadline - time.monotonic()))
        for session in sessions:
            session.break_off()
        for session in sessions:
            session.join(5.0)

    def _accept(self, listener: socket.socket, files: TlsFiles | None) -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                if self._stopping.is_set():
                    return
                self._stopping.wait(0.05)  # out of file descriptors, or a connection gone before it was taken
                continue
            with self._lock:
                if self._stopping.is_set() or self._is_crowded(str(address[0])):
                    connection.close()
                    continue
                session = _Session(self, connection, address, next(self._numbers), files)
                self._sessions.add(session)
            try:
                session.start()
            except RuntimeError:  # no thread to be had: this caller comes again, others are served as they were
                self._forget(session)
                connection.close()
                self._stopping.wait(0.05)

    def _is_crowded(self, address: str) -> bool:
        """Whether there are too many connections already: in all, or undecided and rejected ones of that address."""
        undecided = sum(not s.is_established and s.address == address for s in self._sessions)
        return len(self._sessions) >= self._max + MAX_UNDECIDED or undecided >= most_of_one(MAX_UNDECIDED)

    def _end_undecided(self) -> None:
        """ARTIM (PS3.8 9.1.5) over the whole of a request: a caller that sends a byte now and then does not renew it."""
        while not self._stopping.wait(1.0):
            too_old = time.monotonic() - REQUEST_TIMEOUT_S
            with self._lock:
                late = [s for s in self._sessions if not s.is_established and s.began_at < too_old]
            for session in late:
                session.break_off()

    def established(self) -> int:
        """How many associations are established."""
        with self._lock:
            return sum(s.is_established for s in self._sessions)

    def _forget(self, session: _Session) -> None:
        with self._lock:
            self._sessions.discard(session)

    def _establish(self, session: _Session, association: AssociationInfo) -> bool:
        """Count the session among the established ones, unless there are as many as there may be, or as many of this caller
        as leave some for the others."""
        caller = (association.calling_ae_title, association.address)
        with self._lock:
            established = [s for s in self._sessions if s.is_established]
            if len(established) >= self._max or sum(s.caller == caller for s in established) >= most_of_one(self._max):
                return False
            session.caller, session.is_established = caller, True
            return True

    def _leave(self, session: _Session) -> None:
        """Its association is over and its place free, whatever is still to be written down; the connection ends in its time."""
        with self._lock:
            session.is_established, session.began_at = False, time.monotonic()


def most_of_one(max_associations: int) -> int:
    """How many associations one caller, by AE title and address, may have at once: all but a quarter, so that one that opens
    them and says nothing keeps nobody else out."""
    return max(1, max_associations - max(1, max_associations // 4))


def _close_listener(listener: socket.socket) -> None:
    try:
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
    except OSError:
        pass
    listener.close()


class _Session(threading.Thread):
    """One connection from its first byte to its last."""

    def __init__(
        self,
        scp: StorageSCP,
        connection: socket.socket,
        address: tuple[str, int],
        number: int,
        files: TlsFiles | None,
    ) -> None:
        super().__init__(name=f"association-{number}", daemon=True)
        self._scp, self._receiver = scp, scp._receiver
        self._wire, self._files = Wire(connection), files
        self._certificate: Certificate | None = None
        self.address, self._port, self._number = str(address[0]), int(address[1]), number
        self._contexts: dict[int, PresentationContext] = {}
        self._state = threading.Lock()
        self._busy, self._leave = False, False
        self.is_established = False
        self.caller = ("", "")  # AE title and address, once established
        self.began_at = time.monotonic()

    def run(self) -> None:
        try:
            self._wire.set_timeout(REQUEST_TIMEOUT_S)
            if self._files is not None:
                # Here and not where connections are accepted: a caller that says nothing holds up nobody but itself.
                self._certificate = self._wire.secure(server_context(self._files))
            association = self._negotiate()
            if association is not None:
                self._serve(association)
        except AssociationEnded:
            pass  # nothing had been established
        except TlsFilesUnusable as error:
            self._refuse("tls-files-unusable", f"nobody can come in by TLS: {error}")
        except TlsRefused as error:
            self._refuse("tls-refused", f"the connection was closed: {error}")
        except ProtocolError as error:
            self._refuse("malformed-request", f"this node aborted: {error}")
            self._wire.abort(upper_layer.BY_PROVIDER, error.reason)
        finally:
            self._wire.close()
            self._scp._forget(self)

    def _refuse(self, reason: str, words: str) -> None:
        """A caller of whom nothing is known but where it calls from."""
        nobody = AssociationInfo(f"{self._number}", "", "", self.address, self._port)
        self._receiver.refused(nobody, reason, words)

    def end_when_idle(self) -> None:
        """End the association now, or after the C-STORE that has begun."""
        with self._state:
            self._leave = True
            idle = not self._busy
        if idle:
            self._wire.abort(upper_layer.BY_USER, 0)
            self._wire.break_off()

    def break_off(self) -> None:
        """End it now."""
        if self.is_alive():
            self._wire.break_off()

    def _negotiate(self) -> AssociationInfo | None:
        request = self._wire.read_request()
        association = AssociationInfo(
            id=f"{self._number}-{threading.get_native_id()}",
            calling_ae_title=_title(request.calling_ae_title),
            called_ae_title=_title(request.called_ae_title),
            address=self.address,
            port=self._port,
            certificate=self._certificate,
        )
        rejection = self._decide(association, request)
        if rejection is not None:
            request.result, request.result_source, request.diagnostic = (
                rejection.result,
                rejection.source,
                rejection.diagnostic,
            )
            self._receiver.refused(association, rejection.reason, "the association was rejected")
            self._wire.reject(request)
            return None
        try:
            self._wire.accept(self._answer(association, request))
        except AssociationEnded:
            self.is_established = False
            raise
        if refused := self._refused_contexts(request):
            self._receiver.contexts_refused(association, refused)
        return association

    def _refused_contexts(self, request: A_ASSOCIATE) -> list[RefusedContext]:
        ours = {str(cx.abstract_syntax) for cx in self._scp._contexts}
        proposed = request.presentation_context_definition_list
        taken = {str(cx.abstract_syntax) for cx in self._contexts.values()}
        left_out = {str(cx.abstract_syntax) for cx in proposed} - taken
        return [RefusedContext(uid, uid in ours) for uid in sorted(left_out)]

    def _decide(self, association: AssociationInfo, request: A_ASSOCIATE) -> Rejection | None:
        if str(request.application_context_name) != APPLICATION_CONTEXT:
            return CONTEXT_NAME_NOT_SUPPORTED
        rejection = self._receiver.admit(association)
        if rejection is None and not self._scp._establish(self, association):
            return LOCAL_LIMIT_EXCEEDED
        return rejection

    def _answer(self, association: AssociationInfo, request: A_ASSOCIATE) -> A_ASSOCIATE:
        """The A-ASSOCIATE-AC: our contexts, our limits. Asynchronous operations are left at their default by silence, and
        so are roles, but where a peer proposes itself as SCP of what it may be that."""
        ours = [c for c in self._scp._contexts if self._receiver.may_use(association, str(c.abstract_syntax))]
        asked = {
            i.sop_class_uid: (bool(i.scu_role), bool(i.scp_role))
            for i in request.user_information
            if isinstance(i, SCP_SCU_RoleSelectionNegotiation)
        }
        mine = [c if c.abstract_syntax in asked else _without_roles(c) for c in ours]
        agreed, roles = negotiate_as_acceptor(request.presentation_context_definition_list, mine, asked)
        self._contexts = {int(cx.context_id): cx for cx in agreed if cx.result == 0}
        answer = A_ASSOCIATE()
        answer.application_context_name = APPLICATION_CONTEXT
        answer.calling_ae_title = request.calling_ae_title
        answer.called_ae_title = request.called_ae_title
        answer.result, answer.result_source = 0x00, 0x01
        answer.presentation_context_definition_results_list = agreed
        length = MaximumLengthNotification()
        length.maximum_length_received = upper_layer.MAX_PDU
        implementation = ImplementationClassUIDNotification()
        implementation.implementation_class_uid = PYNETDICOM_IMPLEMENTATION_UID
        version = ImplementationVersionNameNotification()
        version.implementation_version_name = PYNETDICOM_IMPLEMENTATION_VERSION
        answer.user_information = [length, implementation, version, *roles]
        return answer

    def _serve(self, association: AssociationInfo) -> None:
        self._receiver.opened(association)
        how = "ended"
        self._wire.set_timeout(self._scp._timeout)
        exchange = Exchange(self._wire, self._receiver, association, self._contexts)
        try:
            for value in self._wire.values():
                self._set_busy(True)
                exchange.take(value)
                if exchange.is_idle and self._set_busy(False):
                    self._wire.abort(upper_layer.BY_USER, 0)
                    how = "aborted by this node, which is stopping"
                    return
            how = "released"
            self._scp._leave(self)  # before the peer knows: it may ask for the next one at once
            self._wire.release()
        except AssociationEnded as end:
            how = end.words
        except ProtocolError as error:
            how = f"aborted by this node: {error}"
            self._wire.abort(upper_layer.BY_PROVIDER, error.reason)
        except dimse.MalformedCommand as error:
            how = f"aborted by this node: {error}"
            self._wire.abort(upper_layer.BY_USER, 0)
        finally:
            self._scp._leave(self)
            exchange.give_up()
            self._receiver.closed(association, how)

    def _set_busy(self, busy: bool) -> bool:
        """Note whether a message is in work; returns whether the association should be left."""
        with self._state:
            self._busy = busy
            return self._leave


def _without_roles(context: PresentationContext) -> PresentationContext:
    """For a peer that proposes no roles and takes its own anyway, as many do."""
    return build_context(str(context.abstract_syntax), [str(t) for t in context.transfer_syntax])


def _title(value: object) -> str:
    return str(value or "").strip()
