"""The alarms: each thing that is wrong is raised once, and once it is said that it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from agent.clock import Clock
from agent.errors import PrereadError
from agent.health.conditions import Findings, examine
from agent.health.movement import Movement
from agent.health.telling import TELL, job_key
from agent.health.trouble import Trouble
from agent.settings import Settings
from agent.store import alarms
from agent.store.alarms import Alarm
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.processes import SILENT_AFTER_S
from agent.work.queue import enqueue

# In so many looks in a row it must be gone before it is over: what comes and goes is one alarm.
_LOOKS_WITHOUT = 2
# A role that is restarted by hand is stopped for a moment, and a line that is stopped stops its roles one by one.
_LOOKS_WITH = {"process-stopped": 2}


class Watch:
    """Looks at the line, and writes down what begins and what ends; telling is other work's, and it may wait."""

    def __init__(
        self,
        ledger: Ledger,
        files: FileStore,
        clock: Clock,
        settings: Settings,
        *,
        tellers: Sequence[str] = (),
        also: Callable[[], Iterable[Trouble]] = tuple,
        stop: threading.Event | None = None,
    ) -> None:
        """Args:
        tellers: who is told of it; for each there is a worker.
        also: what this process alone knows to be wrong.
        stop: set when the line is asked to stop; what ends from then on is meant to.
        """
        self._ledger, self._files, self._clock, self._settings = ledger, files, clock, settings
        self._tellers, self._also, self._stop = tuple(tellers), also, stop or threading.Event()
        self._movement, self._began = Movement(), clock.now()
        self._looks_without: dict[int, int] = {}
        self._looks_with: dict[tuple[str, str], int] = {}
        self._log = structlog.get_logger()

    def take_up(self, settings: Settings) -> None:
        """Look at these from now on."""
        self._settings = settings

    def look(self) -> None:
        """One look. A ledger that cannot be used now is looked at the next time."""
        if self._stop.is_set():
            return
        try:
            self._look()
        except PrereadError as error:
            self._log.warning("alarms not looked at", reason=error.code)
        except Exception as error:  # noqa: BLE001  process edge: no study is touched; the scheduler would drop it without a word
            self._log.error("alarms not looked at", error_type=type(error).__name__, exc_info=True)

    def _look(self) -> None:
        now = self._clock.now()
        settled = now - self._began > timedelta(seconds=SILENT_AFTER_S)
        with self._ledger.read() as view:
            found = examine(view, self._files, self._settings, self._movement, now, settled=settled)
            standing = alarms.raised(view)
        wrong = {t.key: t for t in (*found.wrong, *self._also())}
        over = self._over(standing, wrong, found)
        known = {(a.code, a.about) for a in standing}
        self._looks_with = {key: self._looks_with.get(key, 0) + 1 for key in wrong}
        lasting = [t for key, t in wrong.items() if self._looks_with[key] >= _LOOKS_WITH.get(t.code, 1)]
        new = [t for t in lasting if t.key not in known]
        if not new and not over:
            return
        with self._ledger.begin() as tx:
            for trouble in new:
                self._raise(tx, trouble)
            for alarm in over:
                self._recover(tx, alarm)

    def _over(self, standing: Sequence[Alarm], wrong: dict[tuple[str, str], Trouble], found: Findings) -> list[Alarm]:
        still = set(wrong) | found.unsettled
        gone = [a for a in standing if (a.code, a.about) not in still]
        self._looks_without = {a.id: self._looks_without.get(a.id, 0) + 1 for a in gone}
        return [a for a in gone if self._looks_without[a.id] >= _LOOKS_WITHOUT]

    def _raise(self, tx: Connection, trouble: Trouble) -> None:
        alarm_id = alarms.raise_alarm(tx, trouble.code, trouble.about, trouble.count, now=self._clock.now())
        self._tell(tx, alarm_id)
        self._log.error("alarm", code=trouble.code, reason=trouble.about, count=trouble.count)

    def _recover(self, tx: Connection, alarm: Alarm) -> None:
        alarms.recover(tx, alarm.id, now=self._clock.now())
        self._tell(tx, alarm.id)
        self._log.info("alarm is over", code=alarm.code, reason=alarm.about)

    def _tell(self, tx: Connection, alarm_id: int) -> None:
        for name in self._tellers:
            enqueue(tx, TELL, job_key(alarm_id, name), lane=name, now=self._clock.now())
