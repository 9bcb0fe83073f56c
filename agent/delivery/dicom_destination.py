"""A PACS as destination: DICOM documents by C-STORE, the Structured Report as Comprehensive 3D SR or, where only that is
taken, as Comprehensive SR."""

from __future__ import annotations

from collections.abc import Collection

from pydicom import dcmread

from agent.delivery.protocol import CommitmentAnswer, OutgoingDocument, Probed, Receipt, StoredObject
from agent.errors import Permanent, Transient
from agent.sentence import sentence
from dicom_nodes import commitment, scu
from dicom_nodes.commitment import Reference
from dicom_nodes.contexts import (
    BASIC_TEXT_SR,
    COMPREHENSIVE_3D_SR,
    COMPREHENSIVE_SR,
    GRAYSCALE_PRESENTATION_STATE,
    KEY_OBJECT_SELECTION,
    SECONDARY_CAPTURE,
    STORAGE_COMMITMENT,
)
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
from structured_report.sr import AS_COMPREHENSIVE_SR, as_comprehensive_sr

# What a report may be sent as, best first.
FORMS = {COMPREHENSIVE_3D_SR: "Comprehensive 3D SR", COMPREHENSIVE_SR: AS_COMPREHENSIVE_SR.removeprefix(" as ")}
# What stands beside it has one form each, by kind.
BESIDE = {
    "sc": (SECONDARY_CAPTURE, "Secondary Capture", "summary_image"),
    "gsps": (GRAYSCALE_PRESENTATION_STATE, "Grayscale Softcopy Presentation State", "presentation_state"),
    "plain-sr": (BASIC_TEXT_SR, "Basic Text SR", "plain_sr"),
    "ko": (KEY_OBJECT_SELECTION, "Key Object Selection", "rejection_note"),
}
_NAMES = FORMS | {uid: name for uid, name, _ in BESIDE.values()}

_SAME_ASSOCIATION_S = 1.0  # for a peer that answers on the association of the request; most come on one of their own
_NO_COMMITMENT = "set it up there, with our host and port for its answers, or set commit = false here"


class DicomDestination:
    """Stores documents in a peer. The SOP Instance UID is the same on every resend, so a peer that has it already is
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
        beside: Collection[str] = (),
    ) -> None:
        """Args:
        beside: kinds of documents that the site sends there beside the report; `probe` asks whether they are taken.
        """
        self._name, self._peer, self._own, self._timeout = name, peer, own_ae_title, timeout_s
        self._commit, self.commit_deadline_s = commit, commit_deadline_s
        self._beside = [BESIDE[kind] for kind in sorted(beside)]

    @property
    def name(self) -> str:
        return self._name

    def accepts(self, kind: str) -> bool:
        return kind == "sr" or kind in BESIDE

    def send(self, document: OutgoingDocument) -> Receipt:
        if not self.accepts(document.kind):
            raise Permanent(f"{self._name}: a DICOM destination takes no {document.kind}", code="not-accepted")
        try:
            sop_class, status, comment = scu.store_first_accepted(
                self._peer, _forms(document), own_ae_title=self._own, timeout_s=self._timeout
            )
        except NodeError as error:
            raise self._mapped(error, document.kind) from error
        words = f"{status:04X}{' ' + comment if comment else ''}"
        disposition = classify(status)
        if disposition is Disposition.ACCEPTED or status == DUPLICATE_SOP_INSTANCE:
            # A duplicate: an earlier attempt got there. The UID is derived from the content and stands for nothing else.
            stored = StoredObject(sop_class, document.identifier)
            keep = stored if self._commit else None
            return Receipt(f"{words} as {_NAMES[sop_class]}", to_commit=keep, sop_class_uid=sop_class)
        if disposition is Disposition.TRY_AGAIN:
            raise Transient(f"{self._name} answered {words}", code=f"status-{status:04x}")
        raise Permanent(f"{self._name} refused the {_NAMES[sop_class]}: {words}", code=f"status-{status:04x}")

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

    def probe(self) -> Probed:
        wanted = [*FORMS, *(uid for uid, _, _ in self._beside), *([STORAGE_COMMITMENT] if self._commit else [])]
        try:
            offer = scu.offer(self._peer, wanted, own_ae_title=self._own, timeout_s=self._timeout)
        except NodeError as error:
            raise self._mapped(error) from error
        if not offer.sop_class_uids & set(FORMS):
            raise Permanent(
                f"{self._name}: {self._peer.ae_title} answers, and accepts neither {' nor '.join(FORMS.values())}; "
                "the peer must be set up to store Structured Reports",
                code="no-presentation-context",
            )
        if self._commit and STORAGE_COMMITMENT not in offer.sop_class_uids:
            raise Permanent(
                f"{self._name}: {self._peer.ae_title} offers no storage commitment; {_NO_COMMITMENT}",
                code="no-commitment",
            )
        form = next(name for uid, name in FORMS.items() if uid in offer.sop_class_uids)
        taken = [form, *(name for uid, name, _ in self._beside if uid in offer.sop_class_uids)]
        said = [sentence("probe.accepts", objects=", ".join(taken))]
        if self._commit:
            said.append(sentence("probe.commits"))
        remarks = [
            sentence("probe.accepts-no", object=name, switch=switch)
            for uid, name, switch in self._beside
            if uid not in offer.sop_class_uids
        ]
        if offer.echo is None:
            remarks.append(sentence("peer.no-echo"))
        else:
            said.append(sentence("probe.echo", status=f"{offer.echo:04X}"))
        return Probed(tuple(said), tuple(remarks))

    def _mapped(self, error: NodeError, kind: str = "sr") -> Transient | Permanent:
        words = f"{self._name}: {error}"
        if isinstance(error, NoAcceptedContext):
            needed = "the peer must be set up to store Structured Reports, uncompressed"
            if kind in BESIDE:
                _, name, switch = BESIDE[kind]
                needed = f"set the peer up to store {name}, uncompressed, or set {switch} = false here; the report is not held up"
            return Permanent(f"{words}; {needed}", code="no-presentation-context")
        if isinstance(error, AssociationRejected) and not error.transient:
            # A person has to enter our AE title there, and may do so any moment: tried again until the report is too
            # old.
            return Transient(f"{words}; is our AE title {self._own} known there?", code="association-rejected")
        return Transient(
            words, code="association-rejected" if isinstance(error, AssociationRejected) else "peer-unreachable"
        )


def _forms(document: OutgoingDocument) -> list[Candidate]:
    """What the document may be sent as, best first."""
    if document.kind in BESIDE:
        return [Candidate(BESIDE[document.kind][0], lambda: dcmread(document.path))]
    return [
        Candidate(COMPREHENSIVE_3D_SR, lambda: dcmread(document.path)),
        Candidate(COMPREHENSIVE_SR, lambda: as_comprehensive_sr(dcmread(document.path))),
    ]
