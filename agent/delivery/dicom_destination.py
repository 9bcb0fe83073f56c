"""A PACS as destination: the Structured Report by C-STORE, as Comprehensive 3D SR or, where only that is taken, as
Comprehensive SR."""

from __future__ import annotations

from pydicom import dcmread

from agent.delivery.protocol import CommitmentAnswer, OutgoingDocument, Receipt, StoredObject
from agent.errors import Permanent, Transient
from dicom_nodes import commitment, scu
from dicom_nodes.commitment import Reference
from dicom_nodes.contexts import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, STORAGE_COMMITMENT
from dicom_nodes.roles import Peer
from dicom_nodes.scu import AssociationRejected, Candidate, NoAcceptedContext, NodeError
from dicom_nodes.status import (
    DUPLICATE_SOP_INSTANCE,
    SUCCESS,
    Disposition,
    classify,
    classify_commitment,
    failure_words,
)
from structured_report.sr import as_comprehensive_sr

# What a report may be sent as, best first.
_FORMS = {COMPREHENSIVE_3D_SR: "Comprehensive 3D SR", COMPREHENSIVE_SR: "Comprehensive SR"}


_SAME_ASSOCIATION_S = 1.0  # for a peer that answers on the association of the request; most come on one of their own
_NO_COMMITMENT = "set it up there, with our host and port for its answers, or set commit = false here"


class DicomDestination:
    """Stores reports in a peer. The SOP Instance UID is the same on every resend, so a peer that has it already is
    told nothing new."""

    def __init__(
        self,
        name: str,
        peer: Peer,
        *,
        own_ae_title: str,
        timeout_s: float,
        commit: bool = False,
        commit_deadline_s: float = 3600.0,
    ) -> None:
        self._name, self._peer, self._own, self._timeout = name, peer, own_ae_title, timeout_s
        self._commit, self.commit_deadline_s = commit, commit_deadline_s

    @property
    def name(self) -> str:
        return self._name

    def accepts(self, kind: str) -> bool:
        return kind == "sr"

    def send(self, document: OutgoingDocument) -> Receipt:
        if not self.accepts(document.kind):
            raise Permanent(f"{self._name}: a DICOM destination takes no {document.kind}", code="not-accepted")
        forms = [
            Candidate(COMPREHENSIVE_3D_SR, lambda: dcmread(document.path)),
            Candidate(COMPREHENSIVE_SR, lambda: as_comprehensive_sr(dcmread(document.path))),
        ]
        try:
            sop_class, status, comment = scu.store_first_accepted(
                self._peer, forms, own_ae_title=self._own, timeout_s=self._timeout
            )
        except NodeError as error:
            raise self._mapped(error) from error
        words = f"{status:04X}{' ' + comment if comment else ''}"
        disposition = classify(status)
        if disposition is Disposition.ACCEPTED or status == DUPLICATE_SOP_INSTANCE:
            # A duplicate: an earlier attempt got there. The UID is derived from the content and stands for nothing else.
            stored = StoredObject(sop_class, document.identifier)
            return Receipt(
                f"{words} as {_FORMS[sop_class]}", to_commit=stored if self._commit else None, sop_class_uid=sop_class
            )
        if disposition is Disposition.TRY_AGAIN:
            raise Transient(f"{self._name} answered {words}", code=f"status-{status:04x}")
        raise Permanent(f"{self._name} refused the report: {words}", code=f"status-{status:04x}")

    def ask_to_commit(self, stored: StoredObject, transaction_uid: str) -> CommitmentAnswer | None:
        reference = Reference(stored.sop_class_uid, stored.sop_instance_uid)
        try:
            asked = commitment.request(
                self._peer,
                [reference],
                transaction_uid,
                own_ae_title=self._own,
                timeout_s=self._timeout,
                wait_s=min(_SAME_ASSOCIATION_S, self._timeout),
            )
        except NoAcceptedContext as error:
            raise Permanent(f"{self._name}: {error}; {_NO_COMMITMENT}", code="no-commitment") from error
        except NodeError as error:
            raise self._mapped(error) from error
        if asked.status != SUCCESS:
            words = f"{self._name} did not take the commitment request: {failure_words(asked.status)}"
            kind = Transient if classify_commitment(asked.status) is Disposition.TRY_AGAIN else Permanent
            raise kind(words, code=f"commit-status-{asked.status:04x}")
        if asked.report is None or asked.report.transaction_uid != transaction_uid:
            return None
        failed = dict(asked.report.failed)
        if stored.sop_instance_uid in asked.report.committed:
            return CommitmentAnswer(SUCCESS)
        reason = failed.get(stored.sop_instance_uid)
        return None if reason is None else CommitmentAnswer(reason)

    def probe(self) -> Receipt:
        wanted = (*_FORMS, STORAGE_COMMITMENT) if self._commit else tuple(_FORMS)
        try:
            offer = scu.offer(self._peer, wanted, own_ae_title=self._own, timeout_s=self._timeout)
        except NodeError as error:
            raise self._mapped(error) from error
        if not offer.sop_class_uids & set(_FORMS):
            raise Permanent(
                f"{self._name}: {self._peer.ae_title} answers, and accepts neither {' nor '.join(_FORMS.values())}; "
                "the peer must be set up to store Structured Reports",
                code="no-presentation-context",
            )
        if self._commit and STORAGE_COMMITMENT not in offer.sop_class_uids:
            raise Permanent(
                f"{self._name}: {self._peer.ae_title} offers no storage commitment; {_NO_COMMITMENT}",
                code="no-commitment",
            )
        form = next(name for uid, name in _FORMS.items() if uid in offer.sop_class_uids)
        form += ", commits" if self._commit else ""
        if offer.echo is None:
            return Receipt(f"accepts {form}", remark="it offers no C-ECHO, and needs none")
        return Receipt(f"accepts {form}, C-ECHO {offer.echo:04X}")

    def _mapped(self, error: NodeError) -> Transient | Permanent:
        words = f"{self._name}: {error}"
        if isinstance(error, NoAcceptedContext):
            return Permanent(
                f"{words}; the peer must be set up to store Structured Reports, uncompressed",
                code="no-presentation-context",
            )
        if isinstance(error, AssociationRejected) and not error.transient:
            # A person has to enter our AE title there, and may do so any moment: tried again until the report is too
            # old.
            return Transient(f"{words}; is our AE title {self._own} known there?", code="association-rejected")
        return Transient(
            words, code="association-rejected" if isinstance(error, AssociationRejected) else "peer-unreachable"
        )
