"""What a worklist answered about a study, as orders beside those that messages bring."""

from __future__ import annotations

from sqlalchemy import Connection

from agent.clock import Clock
from agent.intake.worklist import Answered, WorklistOrder
from agent.orders.act import keep_order
from agent.orders.matching import KnownOrder
from agent.store import identity, worklist
from structured_report.content import Priority

# Requested Procedure Priority (PS3.3 C.4.11), in the words of this program.
_PRIORITIES = {"STAT": Priority.CRITICAL, "HIGH": Priority.URGENT}


def take_answer(clock: Clock) -> Answered:
    """What is done with an answer, in the transaction that writes it down: its entries are orders from now on."""

    def answered(tx: Connection, uid: str) -> None:
        answer = worklist.answer_of(tx, uid)
        if answer is None:
            return
        touched = set[str]()
        for entry in map(WorklistOrder.from_json, answer.entries):
            touched |= keep_order(tx, _known(entry, answer.source), now=clock.now(), only_fill=True)[1]
        identity.unsettle(tx, touched, now=clock.now())

    return answered


def _known(entry: WorklistOrder, source: str) -> KnownOrder:
    return KnownOrder(
        0,
        entry.order,
        entry.patient,
        entry.study_instance_uid,
        _PRIORITIES.get(entry.priority.strip().upper()),
        (entry.scheduled_date + entry.scheduled_time) if entry.scheduled_date else "",
        entry.modality,
        "placed",
        source,
        None,
    )
