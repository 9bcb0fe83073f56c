"""Admission: what happens to each association and each image between the socket and Success.

Success is answered only after the bytes are on disk (fsync, rename, fsync of the folder) and the ledger is committed.
Whatever is refused is kept in quarantine with its reason. PS3.4 Annex B.2; the answers are those of PS3.4 Table B.2-1
and PS3.7 Annex C.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from pydicom.uid import UID
from sqlalchemy import Connection

from agent.audit.event import About
from agent.audit.refusal_book import RefusalBook
from agent.audit.trail import Trail
from agent.clock import Clock
from agent.errors import PrereadError
from agent.imaging.facts import InstanceFacts
from agent.intake.commitments import CommitmentReports, peers_with_commitments
from agent.intake.committer import Committer
from agent.intake.inspect import Refused, StoredPixels, inspect, same_pixel_data
from agent.intake.spool import Spool, SpooledDataSet
from agent.settings import Settings
from agent.store import arrivals, overview, priors, results, retention, studies
from agent.store.arrivals import Arrival, Kept, Refusal
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.priors import PriorImage
from agent.work.queue import revive
from dicom_nodes.contexts import STORAGE_COMMITMENT, VERIFICATION
from dicom_nodes.receiver import Event, Incoming, RefusedContext, StoreAnswer, StoreRequest
from dicom_nodes.roles import COMMIT, SEND, AssociationInfo, Rejection, admit, rights_of
from dicom_nodes.status import (
    CANNOT_UNDERSTAND,
    DUPLICATE_SOP_INSTANCE,
    OUT_OF_RESOURCES,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
)

_REFUSALS_REMEMBERED_S, _CONTEXTS_REMEMBERED_S = 60.0, 86_400.0
_CONTEXTS_NAMED = 4


class Admission:
    """The `dicom_nodes.receiver.Receiver` of the agent."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        files: FileStore,
        clock: Clock,
        refusals: RefusalBook | None = None,
    ) -> None:
        """Args:
        refusals: where they are written down; one of its own when there is none.
        """
        self._node = settings.node
        self._ledger, self._files, self._clock = ledger, files, clock
        self.take_up(settings)
        self._undeclared = settings.intake.undeclared_character_set
        self._moves = settings.priors.source if settings.priors.retrieve == "move" else ""
        self._trail = Trail.of(settings)
        self._brought: dict[str, Counter[tuple[str, str, str]]] = {}
        self._ended: deque[AssociationInfo] = deque()  # and their end is not written yet
        self._committer = Committer(ledger, files, clock, timedelta(seconds=settings.intake.quiet_time_s))
        self._log = structlog.get_logger()
        self._refused_until: dict[tuple[str, str, str], float] = {}
        self._refusals = refusals or RefusalBook(ledger, clock, self._trail)

    def take_up(self, settings: Settings) -> None:
        """Know these peers from now on; associations that are open go on."""
        self._peers = peers_with_commitments(settings)
        self._commitments = CommitmentReports(settings, self._ledger, self._clock)

    def start(self) -> None:
        """Tidy up after a predecessor that may have been killed."""
        self._files.clear_incoming()
        with self._ledger.begin() as tx:
            for cut in arrivals.no_association_is_open(tx):
                about = About(cut.study_instance_uid, cut.patient_id)
                self._trail.received(tx, cut.calling_ae_title, cut.address, about, whole=False, now=self._clock.now())

    def close(self) -> None:
        """Commit what is pending."""
        self._committer.close()
        self.write_ends()
        self._refusals.write()

    def admit(self, association: AssociationInfo) -> Rejection | None:
        return admit(association, own_ae_title=self._node.ae_title, peers=self._peers)

    def may_use(self, association: AssociationInfo, sop_class_uid: str) -> bool:
        if sop_class_uid == VERIFICATION:
            return True
        needed = COMMIT if sop_class_uid == STORAGE_COMMITMENT else SEND
        return needed in (rights_of(association, self._peers) or ())

    def event(self, association: AssociationInfo, event: Event) -> StoreAnswer:
        return self._commitments.take(association, event)

    def opened(self, association: AssociationInfo) -> None:
        self._log.debug(
            "association opened", calling_ae_title=association.calling_ae_title, address=association.address
        )

    def closed(self, association: AssociationInfo, how: str) -> None:
        self._log.debug("association closed", calling_ae_title=association.calling_ae_title, words=how)
        if not self._write_end(association):
            self._ended.append(association)

    def write_ends(self) -> None:
        """Write down the ends of associations that could not be written when they came; called again and again, by one thread.

        Until then the studies of such an association wait, at the longest `intake.longest_wait_s`.
        """
        while self._ended and self._write_end(self._ended[0]):
            self._ended.popleft()

    def _write_end(self, association: AssociationInfo) -> bool:
        brought = self._brought.get(association.id, Counter())
        try:
            with self._ledger.begin() as tx:
                arrivals.association_closed(tx, association.id)
                self._audit_what_came(tx, association, brought)
        except PrereadError as error:
            self._log.error("association end not written yet", reason=error.code)
            return False
        self._brought.pop(association.id, None)
        return True

    def _audit_what_came(
        self, tx: Connection, association: AssociationInfo, brought: Counter[tuple[str, str, str]]
    ) -> None:
        counts: dict[tuple[str, str], list[tuple[str, int]]] = {}
        for (study, patient_id, sop_class), count in brought.items():
            counts.setdefault((study, patient_id), []).append((sop_class, count))
        for (study, patient_id), classes in counts.items():
            about = About(study, patient_id, tuple(classes))
            who = association.calling_ae_title, association.address
            self._trail.received(tx, *who, about, now=self._clock.now())

    def refused(self, association: AssociationInfo, reason: str, words: str) -> None:
        self._note_refusal(association, "association", reason, words, again_after_s=_REFUSALS_REMEMBERED_S)

    def contexts_refused(self, association: AssociationInfo, contexts: Sequence[RefusedContext]) -> None:
        names = [
            f"{UID(c.abstract_syntax_uid).name} ({'none of its transfer syntaxes' if c.for_transfer_syntaxes else 'not this SOP class'})"
            for c in contexts
        ]
        more = f" and {len(names) - _CONTEXTS_NAMED} more" if len(names) > _CONTEXTS_NAMED else ""
        words = f"not accepted here: {', '.join(names[:_CONTEXTS_NAMED])}{more}"
        reason = "presentation-context-refused"
        # Many peers propose all they know, every time: once a day says it.
        self._note_refusal(association, "contexts", reason, words, again_after_s=_CONTEXTS_REMEMBERED_S)

    def _note_refusal(
        self, association: AssociationInfo, what: str, reason: str, words: str, *, again_after_s: float
    ) -> None:
        who = (association.calling_ae_title, association.address, f"{reason} {words}")
        now = self._clock.now().timestamp()
        recent = {k: until for k, until in self._refused_until.items() if now < until}
        self._refused_until = recent | {who: recent.get(who, now + again_after_s)}
        if who in recent:
            return  # a scanner must not be able to fill the ledger
        self._log.warning(f"{what} refused", calling_ae_title=who[0], address=who[1], reason=reason)
        alarming = what == "association"
        refusal = Refusal(what, who[0], association.called_ae_title, who[1], "", reason, words)
        self._write_refusal(refusal, alarming=alarming)

    def begin(self, association: AssociationInfo, request: StoreRequest) -> Incoming:
        return _Arriving(self, association, request, Spool(self._files, request))

    def take(self, association: AssociationInfo, request: StoreRequest, spooled: SpooledDataSet) -> StoreAnswer:
        """One image that lies in `incoming`: judge it, make it durable, acknowledge it. Never raises."""
        received = _Received(association, request, spooled)
        try:
            return self._take(received)
        except Refused as refused:
            return self._quarantine(received, refused)
        except Exception as error:  # noqa: BLE001  process edge: the sender is told A700 and keeps the image; the log names the cause
            return self._not_kept(received, error)
        finally:
            spooled.forget()

    def no_room(self, association: AssociationInfo, request: StoreRequest, reason: str) -> StoreAnswer:
        """Nothing was kept, because keeping it would have touched the reserve, or the disk refused it."""
        self._log.error("image not kept", reason=reason)
        self._write_refusal(
            _refusal(association, request, OUT_OF_RESOURCES, reason, "the sender was asked to send it again later")
        )
        return StoreAnswer(OUT_OF_RESOURCES, "no space left for images, send again later")

    def _take(self, received: _Received) -> StoreAnswer:
        request, spooled = received.request, received.spooled
        if request.sop_class_uid and request.sop_class_uid != request.context_sop_class_uid:
            raise Refused(
                SOP_CLASS_NOT_SUPPORTED, "sop-class-not-of-context", "SOP class is not that of the presentation context"
            )
        facts = inspect(
            spooled.path,
            spooled.offset,
            request.transfer_syntax_uid,
            sop_class_uid=request.sop_class_uid or request.context_sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            undeclared=self._undeclared,
        )
        if facts.is_own_picture:
            # Sent back by a rule of the archive. As an image of its study it would make a new revision, and that a new picture.
            raise Refused(CANNOT_UNDERSTAND, "own-picture", "a summary picture of a pre-read is no image to read")
        if (source := self._asked_for(request, facts)) is not None:
            return self._keep_prior(received, facts, source)
        while (version := self._version(received, facts)) is not None:
            if not received.kept_as:
                received.kept_as = self._files.keep_image(
                    spooled.path,
                    day=f"{self._clock.now():%Y%m%d}",
                    sop_instance_uid=facts.sop_instance_uid,
                    digest=spooled.digest,
                )
            if self._committer.commit(_arrival(received, facts, version)):
                what = facts.study_instance_uid, facts.patient_id, facts.sop_class_uid
                self._brought.setdefault(received.association.id, Counter())[what] += 1
                break
        return StoreAnswer(SUCCESS)  # without a version these very bytes are kept already: no new work

    def _asked_for(self, request: StoreRequest, facts: InstanceFacts) -> str | None:
        """Whom this image was asked of, when it comes of a C-MOVE of our own: then it is not to be read for itself.

        The C-STORE says whose C-MOVE it comes of (PS3.7 9.3.1.1), if it says anything; without that, what is awaited is taken
        for what was asked for.
        """
        if not self._moves:
            return None
        originator = request.move_originator_ae_title
        if originator not in ("", self._node.ae_title):
            return None
        with self._ledger.read() as view:
            source = priors.awaited_from(view, facts.sop_instance_uid, now=self._clock.now())
        return source or (self._moves if originator else None)

    def _keep_prior(self, received: _Received, facts: InstanceFacts, source: str) -> StoreAnswer:
        """An image to be compared with: durable like any other before Success, and no study stands for it."""
        spooled = received.spooled
        path = self._files.keep_prior(spooled.path, sop_instance_uid=facts.sop_instance_uid, digest=spooled.digest)
        kept = PriorImage(
            sop_instance_uid=facts.sop_instance_uid,
            study_instance_uid=facts.study_instance_uid,
            series_instance_uid=facts.series_instance_uid,
            sop_class_uid=facts.sop_class_uid,
            transfer_syntax_uid=received.request.transfer_syntax_uid,
            digest=spooled.digest,
            data_set_offset=spooled.offset,
            path=path,
            facts=facts.to_json(),
            source=source,
        )
        with self._ledger.begin() as tx:
            priors.keep(tx, kept, now=self._clock.now())
            self._files.must_be_there([path])
        return StoreAnswer(SUCCESS)

    def _version(self, received: _Received, facts: InstanceFacts) -> int | None:
        """Number of the version this would be; None when exactly these bytes are what is kept already.

        A header that the instance had before is a version again: a sender may take a correction back. Where the pixels that were
        kept are gone there is nothing to compare with, and an archive seldom sends the very header that it was sent.

        Raises:
            Refused: 0111 when an instance of that UID with other pixels is kept.
        """
        with self._ledger.read() as view:
            kept = arrivals.kept_versions(view, facts.sop_instance_uid)
            let_go = bool(kept) and retention.is_forgotten(view, kept[-1].path)
        if not kept:
            return 1
        newest = kept[-1]
        if newest.digest == received.spooled.digest:
            self._restore(received, newest, let_go=let_go)
            return None
        mine = StoredPixels(self._lies_at(received), received.spooled.offset, received.request.transfer_syntax_uid)
        theirs = StoredPixels(self._files.path(newest.path), newest.data_set_offset, newest.transfer_syntax_uid)
        same = same_pixel_data(mine, theirs) or let_go or self._why_lost(newest) != ""
        if newest.study_instance_uid != facts.study_instance_uid or not same:
            raise Refused(
                DUPLICATE_SOP_INSTANCE, "duplicate-other-pixels", "another image with this SOP Instance UID is kept"
            )
        return newest.version + 1

    def _lies_at(self, received: _Received) -> Path:
        """Where the bytes are by now: a race for a version number may be lost after they were given their name."""
        return self._files.path(received.kept_as) if received.kept_as else received.spooled.path

    def _restore(self, received: _Received, kept: Kept, *, let_go: bool) -> None:
        """What is kept may have been lost or damaged since, or let go, and its file is perhaps about to be deleted; then the bytes
        that came again take its place."""
        if received.kept_as:
            return
        lost = "file-lost" if let_go else self._why_lost(kept)
        if not lost:
            return
        self._files.restore(received.spooled.path, kept.path)
        now = self._clock.now()
        with self._ledger.begin() as tx:
            retention.is_back(tx, kept.path)
            self._files.must_be_there([kept.path])
            newest = studies.newest_revision(tx, kept.study_instance_uid)
            if newest is not None and results.lacks_documents(tx, newest.id):
                revive(tx, "report", str(newest.id), now=now)
            for kind, key, lane in overview.parked_jobs(tx, kept.study_instance_uid):
                revive(tx, kind, key, lane=lane, now=now)
            words = "an image whose file was lost, damaged or let go was sent again and put in its place"
            studies.note(tx, kept.study_instance_uid, "receive", lost, words, now=now)
        self._log.warning("image restored", study=kept.study_instance_uid, reason=lost)

    def _why_lost(self, kept: Kept) -> str:
        """The code of what has become of a kept file; empty while it is whole."""
        try:
            self._files.verified(kept.path, offset=kept.data_set_offset, digest=kept.digest)
        except PrereadError as error:
            return error.code
        return ""

    def _quarantine(self, received: _Received, refused: Refused) -> StoreAnswer:
        path = ""
        try:
            path = self._files.quarantine(self._lies_at(received), received.spooled.digest)
        except PrereadError as error:
            self._log.error("refused bytes not kept", reason=error.code)
        self._log.warning(
            "image refused", reason=refused.reason, status=f"{refused.status:04X}", address=received.association.address
        )
        self._write_refusal(
            _refusal(received.association, received.request, refused.status, refused.reason, refused.comment, path)
        )
        return StoreAnswer(refused.status, _comment(refused.comment))

    def _not_kept(self, received: _Received, error: Exception) -> StoreAnswer:
        code = error.code if isinstance(error, PrereadError) else "internal"
        cause = error.__cause__ or error
        self._log.error("image not kept", reason=code, error_type=type(cause).__name__, exc_info=cause)
        self._write_refusal(
            _refusal(
                received.association,
                received.request,
                OUT_OF_RESOURCES,
                code,
                "the sender was asked to send it again later",
            )
        )
        return StoreAnswer(OUT_OF_RESOURCES, _comment(f"not stored ({code}), send again later"))

    def _write_refusal(self, refusal: Refusal, *, alarming: bool = False) -> None:
        """`alarming`: somebody was not let in, which the audit trail has to say too."""
        self._refusals.add(refusal, alarming=alarming)


@dataclass(slots=True)
class _Received:
    """One image on its way. `kept_as`: its path below the storage root once it has its final name."""

    association: AssociationInfo
    request: StoreRequest
    spooled: SpooledDataSet
    kept_as: str = ""


class _Arriving:
    """One data set between its command and its last fragment: the `dicom_nodes.receiver.Incoming` of the agent."""

    def __init__(self, admission: Admission, association: AssociationInfo, request: StoreRequest, spool: Spool) -> None:
        self._admission, self._association, self._request, self._spool = admission, association, request, spool

    def write(self, fragment: bytes) -> None:
        self._spool.write(fragment)

    def finish(self) -> StoreAnswer:
        spooled = self._spool.close()
        if spooled is None:
            return self._admission.no_room(self._association, self._request, self._spool.failure)
        return self._admission.take(self._association, self._request, spooled)

    def discard(self) -> None:
        self._spool.discard()


def _comment(text: str) -> str:
    """Error Comment (0000,0902) is an LO: 64 characters, no backslash."""
    return text.replace("\\", "/")[:64]


def _refusal(
    association: AssociationInfo, request: StoreRequest, status: int, reason: str, comment: str, path: str = ""
) -> Refusal:
    return Refusal(
        what="instance",
        calling_ae_title=association.calling_ae_title,
        called_ae_title=association.called_ae_title,
        address=association.address,
        status=f"{status:04X}",
        reason=reason,
        comment=comment,
        sop_instance_uid=request.sop_instance_uid,
        path=path,
    )


def _arrival(received: _Received, facts: InstanceFacts, version: int) -> Arrival:
    return Arrival(
        sop_instance_uid=facts.sop_instance_uid,
        version=version,
        study_instance_uid=facts.study_instance_uid,
        series_instance_uid=facts.series_instance_uid,
        sop_class_uid=facts.sop_class_uid,
        transfer_syntax_uid=received.request.transfer_syntax_uid,
        digest=received.spooled.digest,
        size=received.spooled.size,
        data_set_offset=received.spooled.offset,
        path=received.kept_as,
        calling_ae_title=received.association.calling_ae_title,
        address=received.association.address,
        association_id=received.association.id,
        facts=facts.to_json(),
    )
