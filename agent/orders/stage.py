"""The orders stage: a message that was heard goes in; what it says is written down, and the studies it is about are weighed
anew.

Messages are acted on in the order in which they were heard. One that fails keeps its place: a later one about the same
patient or order waits for it.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import Connection

from agent.clock import Clock
from agent.orders.act import Done, act
from agent.orders.said import Heard
from agent.orders.subjects import subjects
from agent.store import heard, identity, studies
from agent.store.engine import Ledger
from agent.store.heard import HeardMessage
from agent.work.queue import Job, Queue

_BEHIND = timedelta(seconds=1)  # how soon to look again whether the message before this one has been acted on
_WORST_FIRST = (heard.ATTENTION, heard.DONE, heard.IGNORED)


class OrdersStage:
    """Acts on the message whose id is the job's key."""

    def __init__(self, ledger: Ledger, queue: Queue, clock: Clock) -> None:
        self._ledger, self._queue, self._clock = ledger, queue, clock
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        with self._ledger.begin() as tx:
            message = heard.message(tx, int(job.key))
            if message.state != heard.WAITING:
                self._queue.complete(tx, job)
                return
            if self._is_behind(tx, message):
                self._queue.postpone(tx, job, self._clock.now() + _BEHIND, counted=False)
                return
            done = self._act(tx, message)
            self._queue.complete(tx, job)
        self._log.info("acted on a message", job=job.id, kind=message.type, state=done.state)

    def _is_behind(self, view: Connection, message: HeardMessage) -> bool:
        earlier = heard.waiting_before(view, message.id)
        if not earlier:
            return False
        mine = subjects(message.said)
        return any(mine & subjects(said) for _, said in earlier)

    def _act(self, tx: Connection, message: HeardMessage) -> Done:
        now = self._clock.now()
        try:
            said = Heard.from_json(message.said).said
        except (KeyError, TypeError, ValueError):
            done = Done(heard.ATTENTION, "what was kept of the message cannot be read by this version of the program")
        else:
            done = _together([act(tx, one, message.id, now=now) for one in said])
        identity.unsettle(tx, done.touched, now=now)
        identity.was_about(tx, [message.id], done.touched)
        for uid in sorted(done.touched):
            studies.note(tx, uid, "orders", "heard", f"message {message.id} ({message.type}): {done.words}", now=now)
        heard.settle(tx, message.id, done.state, done.words, now=now)
        return done


def _together(parts: list[Done]) -> Done:
    if not parts:
        return Done(heard.IGNORED, "the message says nothing about an order, a patient or a report")
    state = min((p.state for p in parts), key=_WORST_FIRST.index)
    touched = frozenset[str]().union(*(p.touched for p in parts))
    return Done(state, "; ".join(dict.fromkeys(p.words for p in parts)), touched)
