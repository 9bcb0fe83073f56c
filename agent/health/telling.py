"""The stage that tells one teller of one alarm, as it stands when it is told. Whoever cannot be reached is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from agent.clock import Clock
from agent.errors import Permanent, Transient
from agent.health.trouble import WORDS
from agent.store import alarms
from agent.store.alarms import TELL, Alarm
from agent.store.engine import Ledger
from agent.work.queue import Job, Queue

_STALE_AFTER = timedelta(days=7)  # what could not be told for so long is in the ledger, and no news


@dataclass(frozen=True, slots=True)
class News:
    """What somebody is told: that something is wrong, or that it is over. `node`: our AE title."""

    node: str
    alarm: Alarm

    @property
    def event(self) -> str:
        return "raised" if self.alarm.recovered_at is None else "recovered"

    @property
    def identifier(self) -> str:
        """The same whenever the same is told again."""
        return f"{self.node}-alarm-{self.alarm.id}-{self.event}"

    @property
    def words(self) -> str:
        return WORDS.get(self.alarm.code, self.alarm.code)


class Teller(Protocol):
    """Somebody who is told. `tell` raises `Transient` or `Permanent`, with words for the administrator."""

    @property
    def name(self) -> str: ...

    def tell(self, news: News, now: datetime) -> None: ...


def job_key(alarm_id: int, teller: str) -> str:
    """Key of the job; one that waits is not doubled, so what is over before it was told is told as over."""
    return f"{alarm_id}@{teller[:64]}"


class Telling:
    """Tells what the job's key names."""

    def __init__(self, ledger: Ledger, queue: Queue, clock: Clock, node: str, tellers: Mapping[str, Teller]) -> None:
        self._ledger, self._queue, self._clock, self._node, self._tellers = ledger, queue, clock, node, tellers
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        number, _, name = job.key.partition("@")
        with self._ledger.read() as view:
            alarm = alarms.alarm_of(view, int(number))
        now = self._clock.now()
        if alarm is None or now - (alarm.recovered_at or alarm.raised_at) > _STALE_AFTER:
            with self._ledger.begin() as tx:
                self._queue.complete(tx, job)
            return
        try:
            self._tellers[name].tell(News(self._node, alarm), now)
        except Permanent as error:  # a person mends the other end, and nobody would retry this by hand
            raise Transient(str(error), code=error.code, wait_s=60.0) from error
        with self._ledger.begin() as tx:
            alarms.told(tx, alarm.id, recovery=alarm.recovered_at is not None, now=now)
            self._queue.complete(tx, job)
        self._log.info("told", destination=name, code=alarm.code)


__all__ = ["TELL", "News", "Teller", "Telling", "job_key"]
