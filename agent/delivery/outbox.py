"""The deliver stage: one outbox row, one attempt, and what the peer said about it.

Retries live here and nowhere else: full-jitter exponential, up to a maximum age, then parked where an operator sees
it. Each destination has a lane of its own, so one that is down holds up no other; of one study a destination gets
messages in the order they were made in, and none after a newer one.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from agent.audit.event import About
from agent.audit.trail import Trail
from agent.clock import Clock
from agent.delivery.again import Again, follow, forget, prepare
from agent.delivery.backoff import expired, next_try
from agent.delivery.protocol import NOTHING_ARRIVED, REFUSAL, Destination, NotFiled, OutgoingDocument, Receipt
from agent.errors import Permanent, Transient
from agent.settings import Delivery
from agent.store import commitments, messages, results, studies, turnaround
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.outlet import outlet_of
from agent.store.results import Outgoing
from agent.work.queue import Job, Queue, enqueue

_BEHIND = timedelta(seconds=1)  # how soon to look again whether the message before this one has gone
# How long a receiver may refuse to take a result back. It may have no place for it any more, because it has merged the patient
# away; and the result under the right name waits behind it.
_RETRACTION_REFUSED = timedelta(minutes=10)
_MEASURED = ("sr", "oru")


class Outbox:
    """Makes the delivery whose id is the job's key."""

    def __init__(
        self,
        ledger: Ledger,
        files: FileStore,
        queue: Queue,
        clock: Clock,
        settings: Delivery,
        destinations: Mapping[str, Destination],
        trail: Trail | None = None,
    ) -> None:
        """Args:
        trail: where it is written down who was sent what.
        """
        self._trail = trail
        self._ledger, self._files, self._queue, self._clock = ledger, files, queue, clock
        self._settings, self._destinations = settings, destinations
        self._random = random.Random()  # noqa: S311  jitter, not a secret
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        began = self._clock.now()
        row = self._may_go(job, began)
        if row is None:
            return
        again: Again | None = None
        try:
            document = self._document(row)
            again = prepare(self._ledger, self._files, row)
            receipt = self._destinations[row.destination].send(document)
        except Permanent as error:
            self._failed(job, row, error, began, again, retry=False)
        except Transient as error:
            self._failed(job, row, error, began, again, retry=True)
        except Exception as error:  # noqa: BLE001  process edge: our defect; the delivery is tried again and visible, like any that failed
            self._log.error(
                "delivery failed", destination=row.destination, error_type=type(error).__name__, exc_info=True
            )
            words = f"{row.destination}: internal error ({type(error).__name__}); see the log of the office"
            self._failed(job, row, Transient(words, code="internal"), began, again, retry=True)
        else:
            self._delivered(job, row, receipt, again)

    def _may_go(self, job: Job, now: datetime) -> Outgoing | None:
        """The delivery, if it may be made now; else what is to become of it is written down.

        All of it in the transaction that says that the message is being sent: a newer result that is reported at this
        moment finds either nothing sent, or something that it has to follow, or to take back.
        """
        with self._ledger.begin() as tx:
            row = results.outgoing(tx, int(job.key))
            if row.state != "waiting" or outlet_of(tx, row.study_instance_uid).holds(row.kind):
                if results.hold_back(tx, row.delivery_id):
                    words = f"{row.kind} to {row.destination}: not sent while the study is held back"
                    studies.note(tx, row.study_instance_uid, "deliver", "held-back", words, now=now)
                self._queue.complete(tx, job)
                return None
            if messages.is_overtaken(tx, row):
                messages.overtake(tx, row.delivery_id, now=now)
                words = f"{row.kind} of revision {row.revision} to {row.destination}: a newer result is there"
                studies.note(tx, row.study_instance_uid, "deliver", "superseded", words, now=now)
                self._queue.complete(tx, job)
                return None
            if (earlier := messages.waits_for(tx, row)) is not None:
                self._queue.postpone(tx, job, max(earlier, now + _BEHIND), counted=False)
                return None
            if row.kind in messages.MESSAGES:
                messages.sending(tx, row.delivery_id, now=now)
        return row

    def _document(self, row: Outgoing) -> OutgoingDocument:
        path = self._files.verified(row.path, offset=0, digest=row.digest)
        return OutgoingDocument(row.kind, row.identifier, path, row.study_instance_uid)

    def _delivered(self, job: Job, row: Outgoing, receipt: Receipt, again: Again | None) -> None:
        now, words, stored = self._clock.now(), receipt.for_the_ledger(), receipt.to_commit
        with self._ledger.begin() as tx:
            results.delivered(tx, row.delivery_id, words=words, now=now)
            messages.answered(tx, row.delivery_id)
            self._audit(tx, row, receipt, now)
            if row.kind in _MEASURED:
                turnaround.measure(tx, row.revision_id, row.kind, row.destination, now=now)
            if stored is not None:
                commitments.want(tx, row.delivery_id, stored.sop_class_uid, stored.sop_instance_uid, now=now)
                enqueue(tx, "commit", str(row.delivery_id), lane=row.destination, now=now)
            studies.note(
                tx, row.study_instance_uid, "deliver", "delivered", f"{row.kind} to {row.destination}: {words}", now=now
            )
            if again is not None:
                follow(tx, self._files, row, again, now=now)
            self._queue.complete(tx, job)
        self._log.info(
            "delivered",
            study=row.study_instance_uid,
            destination=row.destination,
            kind=row.kind,
            attempts=row.attempts + 1,
        )

    def _audit(self, tx: Connection, row: Outgoing, receipt: Receipt, now: datetime) -> None:
        if self._trail is None:
            return
        patient_id = studies.patient_of(tx, row.study_instance_uid, row.revision)
        sop_class = receipt.sop_class_uid
        about = About(row.study_instance_uid, patient_id, ((sop_class, 1),) if sop_class else ())
        self._trail.sent(tx, row.destination, about, dicom=bool(sop_class), now=now)

    def _patience(self, row: Outgoing, error: Permanent | Transient) -> timedelta:
        whole = timedelta(hours=self._settings.give_up_after_h)
        is_refused = row.kind == messages.RETRACTION and isinstance(error, NotFiled)
        return min(whole, _RETRACTION_REFUSED) if is_refused else whole

    def _failed(
        self,
        job: Job,
        row: Outgoing,
        error: Permanent | Transient,
        began: datetime,
        again: Again | None,
        *,
        retry: bool,
    ) -> None:
        now = self._clock.now()
        too_old = expired(row.created_at, now, self._patience(row, error))
        next_at = None
        if retry and not too_old:
            wait = next_try(
                row.attempts + 1, self._settings.first_retry_s, self._settings.longest_retry_s, self._random
            )
            next_at = now + wait
        told = error.for_the_ledger()
        words = f"{error.code}: {told}"
        fate = f"next try {next_at:%H:%M:%S} UTC" if next_at else "parked, until: preread retry"
        with self._ledger.begin() as tx:
            results.attempt_failed(tx, row.delivery_id, words=words, next_try_at=next_at, now=now)
            if error.code.startswith(REFUSAL):
                messages.answered(tx, row.delivery_id)
            elif error.code in NOTHING_ARRIVED:
                messages.nothing_was_sent(tx, row.delivery_id, began)
            studies.note(
                tx,
                row.study_instance_uid,
                "deliver",
                error.code,
                f"{row.kind} to {row.destination}: {told}; {fate}",
                now=now,
            )
            if next_at is not None:
                self._queue.postpone(tx, job, next_at, failed=True, error=words)
                if again is not None:
                    forget(self._files, again)
            else:
                if again is not None:
                    may_be_out = messages.may_have_arrived(tx, row.delivery_id)
                    follow(tx, self._files, row, again, may_be_out=may_be_out, now=now)
                self._queue.complete(tx, job)
        self._log.warning(
            "not delivered",
            study=row.study_instance_uid,
            destination=row.destination,
            reason=error.code,
            attempts=row.attempts + 1,
        )
