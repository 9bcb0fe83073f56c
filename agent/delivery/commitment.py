"""The commit stage: what a peer has taken is asked to be kept, and nothing counts as committed before it has said so.

The question is written down before it is sent, and the answer by whoever hears it: this stage, on the association of
the question, or the receiver, on one of the peer's own. What follows from an answer is done here alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta

import structlog
from pydicom.uid import generate_uid
from sqlalchemy import Connection

from agent.clock import Clock
from agent.delivery.backoff import next_try
from agent.delivery.protocol import Committing, StoredObject
from agent.errors import Permanent, Transient
from agent.settings import Delivery
from agent.store import commitments, studies
from agent.store.commitments import Commitment
from agent.store.engine import Ledger
from agent.work.queue import Job, Queue, enqueue
from dicom_nodes.status import SUCCESS, Disposition, classify_commitment, failure_words

SENDINGS = 3  # an object that was not kept so often in a row is a matter for a person
_OPEN = ("delivered", "parked")  # an answer that comes late changes what was parked for want of it


class CommitStage:
    """Sees to the commitment of the delivery whose id is the job's key."""

    def __init__(
        self,
        ledger: Ledger,
        queue: Queue,
        clock: Clock,
        settings: Delivery,
        destinations: Mapping[str, Committing],
    ) -> None:
        self._ledger, self._queue, self._clock = ledger, queue, clock
        self._settings, self._destinations = settings, destinations
        self._random = random.Random()  # noqa: S311  jitter, not a secret
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        with self._ledger.read() as view:
            wanted = commitments.commitment_of(view, int(job.key))
        if wanted is None or wanted.state not in _OPEN:
            with self._ledger.begin() as tx:
                self._queue.complete(tx, job)
        elif wanted.answer is not None:
            self._settle(job, wanted, wanted.answer)
        elif wanted.state == "parked":
            with self._ledger.begin() as tx:
                self._queue.complete(tx, job)
        elif wanted.asked_at is None:
            self._ask(job, wanted)
        else:
            self._wait(job, wanted)

    def _ask(self, job: Job, wanted: Commitment) -> None:
        transaction, destination = generate_uid(prefix=None), self._destinations[wanted.destination]
        with self._ledger.begin() as tx:
            commitments.begin(tx, wanted.delivery_id, transaction, now=self._clock.now())
        stored = StoredObject(wanted.sop_class_uid, wanted.sop_instance_uid)
        try:
            answer = destination.ask_to_commit(stored, transaction)
        except Transient as error:
            self._not_asked(job, wanted, error)
            return
        except Permanent as error:
            self._park(job, wanted, error.code, str(error))
            return
        now = self._clock.now()
        due = now + timedelta(seconds=destination.commit_deadline_s)
        with self._ledger.begin() as tx:
            words = f"{wanted.words}; commitment asked for, to be answered by {due:%Y-%m-%d %H:%M:%S} UTC"
            commitments.asked(tx, wanted.delivery_id, words=words, now=now)
            self._note(tx, wanted, "commitment-asked", f"transaction {transaction}")
            if answer is not None:
                reasons = {wanted.sop_instance_uid: answer.failure_reason}
                commitments.answer(tx, transaction, reasons, destinations=[wanted.destination], now=now)
            self._queue.postpone(tx, job, now if answer is not None else due)

    def _not_asked(self, job: Job, wanted: Commitment, error: Transient) -> None:
        if job.failures + 1 >= self._tries():
            self._park(job, wanted, "commitment-not-asked", f"{error}; asked {job.failures + 1} times")
            return
        wait = next_try(job.failures + 1, self._settings.first_retry_s, self._settings.longest_retry_s, self._random)
        now = self._clock.now()
        with self._ledger.begin() as tx:
            self._note(tx, wanted, error.code, f"not asked to commit: {error}")
            self._queue.postpone(tx, job, now + wait, failed=True, error=f"{error.code}: {error}")

    def _tries(self) -> int:
        """How often a silent peer is asked before a person is told: for about as long as a delivery is tried."""
        return max(5, int(self._settings.give_up_after_h * 3600 / self._settings.longest_retry_s))

    def _wait(self, job: Job, wanted: Commitment) -> None:
        assert wanted.asked_at is not None
        due = wanted.asked_at + timedelta(seconds=self._destinations[wanted.destination].commit_deadline_s)
        if self._clock.now() < due:
            with self._ledger.begin() as tx:
                self._queue.postpone(tx, job, due)
            return
        words = (
            f"{wanted.destination} took the object and the request, and did not say within the time whether it keeps it; "
            "does it know our host and port for its answer? preread retry sends and asks again"
        )
        self._park(job, wanted, "commitment-overdue", words)

    def _settle(self, job: Job, wanted: Commitment, reason: int) -> None:
        now = self._clock.now()
        if reason == SUCCESS:
            with self._ledger.begin() as tx:
                commitments.settle(tx, wanted.delivery_id, failed=False)
                words = f"{wanted.words.partition('; commitment asked')[0]}; committed"
                commitments.conclude(tx, wanted.delivery_id, "committed", words=words, now=now)
                self._note(tx, wanted, "committed", "the peer says that it keeps it")
                self._queue.complete(tx, job)
            self._log.info("committed", study=wanted.study_instance_uid, destination=wanted.destination)
            return
        said = failure_words(reason)
        final = classify_commitment(reason) is not Disposition.TRY_AGAIN or wanted.failures + 1 >= SENDINGS
        if final:
            words = f"{wanted.destination} took the object and does not keep it: {said}"
            self._park(job, wanted, f"not-committed-{reason:04x}", words, answered=True)
            return
        again = now + next_try(
            wanted.failures + 1, self._settings.first_retry_s, self._settings.longest_retry_s, self._random
        )
        with self._ledger.begin() as tx:
            commitments.settle(tx, wanted.delivery_id, failed=True)
            words = f"not-committed-{reason:04x}: {said}; it is sent again"
            commitments.conclude(tx, wanted.delivery_id, "waiting", words=words, next_try_at=again, now=now)
            enqueue(tx, "deliver", str(wanted.delivery_id), lane=wanted.destination, run_at=again, now=now)
            self._note(tx, wanted, f"not-committed-{reason:04x}", f"{said}; it is sent again")
            self._queue.complete(tx, job)
        self._log.warning("not committed", study=wanted.study_instance_uid, destination=wanted.destination, reason=said)

    def _park(self, job: Job, wanted: Commitment, code: str, words: str, *, answered: bool = False) -> None:
        now = self._clock.now()
        with self._ledger.begin() as tx:
            if answered:
                commitments.settle(tx, wanted.delivery_id, failed=True)
            commitments.conclude(tx, wanted.delivery_id, "parked", words=f"{code}: {words}", now=now)
            self._note(tx, wanted, code, f"{words}; parked, until: preread retry")
            self._queue.complete(tx, job)
        self._log.error("not committed", study=wanted.study_instance_uid, destination=wanted.destination, reason=code)

    def _note(self, tx: Connection, wanted: Commitment, code: str, words: str) -> None:
        about = f"{wanted.kind} to {wanted.destination}: {words}"
        studies.note(tx, wanted.study_instance_uid, "commit", code, about, now=self._clock.now())
