"""The prior stage: a study revision goes in; an earlier film of the patient comes out, or why there is none.

The flag does not wait for it. The reading does, until the deadline that assembly has written down; then it goes on without.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from agent.audit.event import About
from agent.audit.trail import Trail
from agent.clock import Clock
from agent.orders.knowledge import merged_away
from agent.priors.numbers import is_under_anothers_number
from agent.priors.search import PriorSearch, Result
from agent.store import priors, studies
from agent.store.engine import Ledger
from agent.store.studies import Revision
from agent.work.queue import Job, Queue, reschedule
from dicom_nodes.contexts import STUDY_ROOT_FIND
from dicom_nodes.deadline import Deadline
from structured_report.content import Patient
from structured_report.plain import study_from_json

_NO_LONGER = (
    "an earlier film was not used: the Patient ID that it is filed under is not merged into this patient's any more"
)


class PriorStage:
    """Looks for the prior of the revision whose id is the job's key."""

    def __init__(
        self,
        ledger: Ledger,
        queue: Queue,
        clock: Clock,
        search: PriorSearch,
        trail: Trail | None = None,
        *,
        issuer: str = "",
    ) -> None:
        """Args:
        trail: where it is written down that another system was asked.
        issuer: of Patient IDs that name none; empty when the site has not said.
        """
        self._trail, self._issuer = trail, issuer
        self._ledger, self._queue, self._clock, self._search = ledger, queue, clock, search
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        now = self._clock.now()
        with self._ledger.read() as view:
            revision = studies.revision(view, int(job.key))
            newest = studies.newest_revision(view, revision.study_instance_uid)
            under_way = priors.search_of(view, revision.id)
            study = study_from_json(revision.study)
            own = priors.own_frontals(view, study.patient.patient_id, besides=study.study_instance_uid)
            gone = merged_away(view, study.study_instance_uid, study.patient, self._issuer)
            received = studies.arrivals_of(view, study.study_instance_uid).last_received_at
        superseded = newest is not None and newest.number > revision.number
        if under_way is None or under_way.outcome or superseded:
            with self._ledger.begin() as tx:
                self._queue.complete(tx, job)
            return
        left = Deadline((under_way.deadline_at - now).total_seconds())
        is_anothers = self._others_than(study.patient.patient_id)
        result = self._search(
            study, own, received=received.date(), deadline=left, is_anothers=is_anothers, merged_away=gone
        )
        self._write(job, revision, result, study.patient)

    def _others_than(self, patient_id: str) -> Callable[[str], bool]:
        def is_anothers(study_instance_uid: str) -> bool:
            with self._ledger.read() as view:
                return priors.is_anothers(view, study_instance_uid, patient_id)

        return is_anothers

    def _write(self, job: Job, revision: Revision, result: Result, patient: Patient) -> None:
        now, uid = self._clock.now(), revision.study_instance_uid
        with self._ledger.begin() as tx:
            if result.prior is not None and is_under_anothers_number(tx, uid, patient, result.prior, self._issuer):
                result.prior, result.outcome = None, priors.REFUSED  # the merge was taken back meanwhile
                result.remarks.append(_NO_LONGER)
            in_time = priors.finish(tx, revision.id, result.outcome, result.prior, result.remarks, now=now)
            words = "; ".join(result.remarks)
            if result.prior is not None:
                words = "; ".join((f"{result.prior.sop_instance_uid} from {result.prior.source}", *result.remarks))
            code = f"prior-{result.outcome}" if in_time else "prior-too-late"
            studies.note(tx, uid, "prior", code, words, now=now)
            if self._trail is not None and result.asked:
                about = About(uid, patient.patient_id)
                self._trail.queried(tx, result.asked, STUDY_ROOT_FIND, about, now=now)
            reschedule(tx, "read", str(revision.id), now)
            self._queue.complete(tx, job)
        self._log.info("prior", study=uid, revision=revision.number, outcome=result.outcome)
