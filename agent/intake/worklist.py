"""The modality worklist as the other way to learn an order: asked what was scheduled for a study that has arrived.

What it answers is written down beside the study, with status and words of the peer. Whether one of the entries is the study's
order is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from agent.audit.event import About
from agent.audit.trail import Trail
from agent.clock import Clock
from agent.errors import Transient
from agent.store import studies, worklist
from agent.store.engine import Ledger
from agent.store.worklist import StoredAnswer
from agent.work.queue import Job, Queue
from dicom_nodes.contexts import MODALITY_WORKLIST_FIND
from dicom_nodes.deadline import Deadline
from dicom_nodes.query import QueryRefused, UnusableKey
from dicom_nodes.roles import Peer
from dicom_nodes.scu import NodeError
from dicom_nodes.worklist import ScheduledStep, find_steps
from structured_report.content import Code, Order, Patient, Study
from structured_report.plain import order_from_json, study_from_json

ATTEMPTS = 3
_DAYS_AROUND = timedelta(days=1)  # a step is begun late, or goes on past midnight


@dataclass(frozen=True, slots=True)
class WorklistOrder:
    """One entry of a worklist.

    Attributes:
        study_instance_uid: that the worklist has assigned; empty when it has not.
        scheduled_date, scheduled_time: DA and TM, as the peer says them.
        priority: Requested Procedure Priority (STAT, HIGH, ROUTINE, MEDIUM, LOW), or empty.
    """

    order: Order
    patient: Patient
    study_instance_uid: str = ""
    scheduled_date: str = ""
    scheduled_time: str = ""
    modality: str = ""
    priority: str = ""

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> WorklistOrder:
        """The entry that :meth:`to_json` wrote. Raises `KeyError` or `TypeError` for anything else."""
        rest = {k: v for k, v in value.items() if k not in ("order", "patient")}
        return cls(order_from_json(value["order"]), Patient(**value["patient"]), **rest)


@dataclass(frozen=True, slots=True)
class WorklistAnswer:
    """What a worklist said. `more`: it had more entries than are kept. `status`: its final DIMSE status."""

    orders: tuple[WorklistOrder, ...]
    status: int
    comment: str = ""
    more: bool = False


def worklist_orders(peer: Peer, study: Study, *, own_ae_title: str, deadline: Deadline) -> WorklistAnswer:
    """The entries for a study: those of its accession number; without one, or where nothing has it, those of its patient that
    were scheduled for about its date.

    Raises:
        UnusableKey: the study has neither an accession number nor a Patient ID that can be asked for.
        QueryRefused: the peer's failure. NodeError: no association, or no answer in time.
    """
    unusable: UnusableKey | None = None
    if study.order.accession_number.strip():
        try:
            found = find_steps(
                peer, accession_number=study.order.accession_number, own_ae_title=own_ae_title, deadline=deadline
            )
        except UnusableKey as error:
            unusable = error
        else:
            if found.answers or not study.patient.patient_id.strip():
                return WorklistAnswer(tuple(map(_order, found.answers)), found.status, found.comment, found.more)
    if unusable is not None and not study.patient.patient_id.strip():
        raise unusable
    found = find_steps(
        peer,
        patient_id=study.patient.patient_id,
        dates=_around(study.study_date),
        own_ae_title=own_ae_title,
        deadline=deadline,
    )
    return WorklistAnswer(tuple(map(_order, found.answers)), found.status, found.comment, found.more)


def _around(study_date: str) -> tuple[str, str] | None:
    try:
        day = date.fromisoformat(study_date.strip())
        return f"{day - _DAYS_AROUND:%Y%m%d}", f"{day + _DAYS_AROUND:%Y%m%d}"
    except (ValueError, OverflowError):
        return None


def _order(step: ScheduledStep) -> WorklistOrder:
    value, scheme, meaning = step.requested_procedure_code
    return WorklistOrder(
        order=Order(
            accession_number=step.accession_number,
            placer_order_number=step.placer_order_number,
            filler_order_number=step.filler_order_number,
            requested_procedure_id=step.requested_procedure_id,
            scheduled_procedure_step_id=step.scheduled_procedure_step_id,
            procedure=Code(value, scheme, meaning) if value and scheme else None,
            procedure_description=step.requested_procedure_description or step.scheduled_procedure_step_description,
            referring_physician=step.referring_physician_name,
            indication=step.reason_for_the_requested_procedure,
        ),
        patient=Patient(
            step.patient_id,
            step.issuer_of_patient_id,
            step.patient_name,
            step.patient_birth_date,
            step.patient_sex,
        ),
        study_instance_uid=step.study_instance_uid,
        scheduled_date=step.start_date,
        scheduled_time=step.start_time,
        modality=step.modality,
        priority=step.requested_procedure_priority,
    )


Answered = Callable[[Connection, str], None]


class WorklistStage:
    """Asks about the study whose UID is the job's key, and writes down what it was told.

    Args:
        answered: called with the study's UID in the transaction that writes the answer: whoever matches orders looks there.
    """

    def __init__(
        self,
        ledger: Ledger,
        queue: Queue,
        clock: Clock,
        peer: Peer,
        *,
        own_ae_title: str,
        deadline_s: float,
        answered: Answered | None = None,
        trail: Trail | None = None,
    ) -> None:
        self._trail = trail
        self._ledger, self._queue, self._clock, self._peer = ledger, queue, clock, peer
        self._own, self._deadline_s, self._answered = own_ae_title, deadline_s, answered
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        uid = job.key
        with self._ledger.read() as view:
            newest = studies.newest_revision(view, uid)
        if newest is None:
            with self._ledger.begin() as tx:
                self._queue.complete(tx, job)
            return
        study = study_from_json(newest.study)
        answer, words = self._asked(study, job)
        entries = [] if answer is None else [o.to_json() for o in answer.orders]
        status = "" if answer is None else f"{answer.status:04X}"
        now = self._clock.now()
        with self._ledger.begin() as tx:
            worklist.keep(tx, StoredAnswer(uid, self._peer.name, now, status, words, entries))
            code = "worklist-failed" if answer is None else "worklist-answered"
            studies.note(tx, uid, "worklist", code, words, now=now)
            if self._trail is not None:
                about = About(uid, study.patient.patient_id)
                self._trail.queried(tx, self._peer.name, MODALITY_WORKLIST_FIND, about, now=now)
            if self._answered is not None and entries:
                self._answered(tx, uid)
            self._queue.complete(tx, job)
        self._log.info("worklist", study=uid, peer=self._peer.name, count=len(entries), reason=code)

    def _asked(self, study: Study, job: Job) -> tuple[WorklistAnswer | None, str]:
        """The answer and words about it. Raises `Transient` for what may be otherwise a little later."""
        try:
            answer = worklist_orders(self._peer, study, own_ae_title=self._own, deadline=Deadline(self._deadline_s))
        except (UnusableKey, QueryRefused) as error:
            return None, f"the worklist {self._peer.name} says nothing of this study: {error}"
        except NodeError as error:
            if job.failures + 1 < ATTEMPTS:
                raise Transient(f"the worklist was not reached: {error}", code="worklist-unreachable") from error
            return None, f"the worklist {self._peer.name} could not be asked: {error}"
        more = ", and has more" if answer.more else ""
        return answer, f"{self._peer.name} names {len(answer.orders)} scheduled steps{more} [{answer.status:04X}]"
