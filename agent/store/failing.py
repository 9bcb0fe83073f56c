"""Where studies stand still: by the stage that fails, so that whoever mends one thing sees all that it holds up. Only reading.

What fails is little, and every query begins with it: how many studies there are does not matter.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, String, and_, case, cast, func, or_, select, union

from agent.store import identity
from agent.store.schema import (
    delivery,
    document,
    hl7_message,
    job,
    message_study,
    report_shortfall,
    study,
    study_revision,
    study_stop,
)
from agent.store.studies import NEEDS_ATTENTION

RECEIVING, ASSEMBLY, MODEL, REPORT = "receiving", "assembly", "model", "report"
COMMITMENT, ORDERS, ATTENTION, HELD = "commitment", "orders", "attention", "held"
STAGES = (RECEIVING, ASSEMBLY, MODEL, REPORT, COMMITMENT, ORDERS, ATTENTION, HELD)
_OF_MODEL, _OF_REPORT = ("flag", "read", "prior"), ("report", "announce")
# How the words of a delivery begin that was parked for want of a commitment (agent.delivery.commitment).
_UNCOMMITTED = ("commitment-", "commit-", "not-committed", "no-commitment")


def of_stage(stage: str) -> Select[Any]:
    """UIDs of the studies that stand at that stage. Raises `KeyError` for a stage that is none of `STAGES`."""
    return _QUERIES[stage]()


def of_destination(name: str) -> Select[Any]:
    """UIDs of the studies of which something could not be delivered to that destination."""
    return _by_delivery(select(delivery.c.document_id).where(delivery.c.destination == name, _undelivered()))


def counts(view: Connection) -> dict[str, int]:
    """How many studies stand at each stage."""
    return {
        stage: int(view.execute(select(func.count()).select_from(of_stage(stage).subquery())).scalar_one())
        for stage in STAGES
    }


def destination_counts(view: Connection) -> dict[str, int]:
    """How many studies wait for each destination that failed to take something; those that fail nothing are not there."""
    uids = func.count(func.distinct(study_revision.c.study_instance_uid))
    query = select(delivery.c.destination, uids).select_from(_deliveries()).where(_undelivered())
    return {str(name): int(n) for name, n in view.execute(query.group_by(delivery.c.destination))}


def _undelivered() -> ColumnElement[bool]:
    return or_(delivery.c.state == "parked", and_(delivery.c.state == "waiting", delivery.c.attempts > 0))


def _deliveries() -> Any:
    return delivery.join(document, document.c.id == delivery.c.document_id).join(
        study_revision, study_revision.c.id == document.c.revision_id
    )


def _by_delivery(document_ids: Select[Any]) -> Select[Any]:
    """Beginning with the deliveries, whatever a planner that knows nothing of the tables thinks."""
    revisions = select(document.c.revision_id).where(document.c.id.in_(document_ids))
    return select(study_revision.c.study_instance_uid).where(study_revision.c.id.in_(revisions)).distinct()


def _keys(*kinds: str) -> Select[Any]:
    """The numbers that the failing jobs of these kinds are about."""
    number = case((job.c.kind.in_(kinds), cast(job.c.key, Integer)))  # the keys of other kinds are no numbers
    return select(number).where(job.c.kind.in_(kinds), job.c.error != "")


def _in_state(state: str) -> Select[Any]:
    return select(study.c.study_instance_uid).where(study.c.state == state)


def _by_job(kinds: tuple[str, ...]) -> Select[Any]:
    return select(study_revision.c.study_instance_uid).where(study_revision.c.id.in_(_keys(*kinds))).distinct()


def _by_uid(kind: str) -> Select[Any]:
    return select(job.c.key.label("study_instance_uid")).where(job.c.kind == kind, job.c.error != "")


def _report() -> Select[Any]:
    short = select(study_revision.c.study_instance_uid).where(
        study_revision.c.id.in_(select(report_shortfall.c.revision_id))
    )
    return _all_of(_by_job(_OF_REPORT), short)


def _commitment() -> Select[Any]:
    unasked = select(delivery.c.document_id).where(delivery.c.id.in_(_keys("commit")))
    begins = or_(*(delivery.c.words.startswith(words, autoescape=True) for words in _UNCOMMITTED))
    parked = select(delivery.c.document_id).where(delivery.c.state == "parked", begins)
    return _all_of(_by_delivery(unasked), _by_delivery(parked))


def _orders() -> Select[Any]:
    """A message about the study waits for a person, or the worklist could not be asked."""
    failed = select(job.c.key).where(job.c.kind == "orders", job.c.error != "")
    c = hl7_message.c
    waits = or_(c.state == "attention", and_(c.state == "waiting", cast(c.id, String).in_(failed)))
    messages = (
        select(message_study.c.study_instance_uid).join(hl7_message, c.id == message_study.c.message_id).where(waits)
    )
    return _all_of(messages, _by_uid("worklist"))


def _held() -> Select[Any]:
    by_hand = select(study_stop.c.study_instance_uid).where(study_stop.c.kind == identity.HELD)
    held = select(delivery.c.document_id).where(delivery.c.state == "held")
    return _all_of(by_hand, _by_delivery(held))


def _all_of(*queries: Select[Any]) -> Select[Any]:
    found = union(*queries).subquery()
    return select(found.c[0].label("study_instance_uid"))


_QUERIES = {
    RECEIVING: lambda: _in_state("receiving"),
    ASSEMBLY: lambda: _by_uid("assemble").distinct(),
    MODEL: lambda: _by_job(_OF_MODEL),
    REPORT: _report,
    COMMITMENT: _commitment,
    ORDERS: _orders,
    ATTENTION: lambda: _in_state(NEEDS_ATTENTION),
    HELD: _held,
}
