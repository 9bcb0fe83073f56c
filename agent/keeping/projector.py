"""Keeps the rows of the worklist (agent.store.listing) up to date: one thread of the office, in transactions so short that nobody waits.

What is noted in the history is followed at once, in order. What changes a study without a note is found by comparing: often where
something happens, and now and then everywhere. Rows of another version of this program are made anew, while the line works.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from agent.clock import Clock
from agent.errors import PrereadError
from agent.store import listing_progress, listing_rows
from agent.store.engine import Ledger
from agent.store.listing_progress import Progress
from agent.store.listing_rows import VERSION

LOOK_S = 0.5
COMPARE_S = 5.0
WALK_S = 15.0
_TOGETHER = 50  # studies in one writing transaction
_WALKED = 200  # studies compared at once
_EVENTS = 500
_BREATH_S = 0.02  # between transactions, for everybody else
_LONGEST_WAIT_S = 30.0
_RECENT = timedelta(days=3)


class Projector:
    """Follows the history of the studies until it is stopped."""

    def __init__(self, ledger: Ledger, clock: Clock, stop: threading.Event) -> None:
        self._ledger, self._clock, self._stop = ledger, clock, stop
        self._log = structlog.get_logger()
        self._thread = threading.Thread(target=self._run, name="worklist rows", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended, after the line was asked to stop."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        due = {self.compare: 0.0, self.walk: 0.0}
        every: dict[Callable[[], bool], float] = {self.compare: COMPARE_S, self.walk: WALK_S}
        failures = 0
        while not self._stop.is_set():
            wait = LOOK_S
            try:
                more = self.follow()
                for step, seconds in every.items():
                    if time.monotonic() >= due[step]:
                        again = step()
                        due[step] = time.monotonic() + (0.0 if again else seconds)
                        more = more or again
                wait, failures = _BREATH_S if more else LOOK_S, 0
            except PrereadError as error:  # the ledger itself: nothing is lost, the rows are late
                failures += 1
                wait = min(_LONGEST_WAIT_S, LOOK_S * 2**failures)
                self._log.warning("worklist rows put off", reason=error.code, wait_s=wait)
            except Exception as error:  # noqa: BLE001  thread edge: our defect; the line works, the worklist is late and says so
                failures += 1
                wait = min(_LONGEST_WAIT_S, LOOK_S * 2**failures)
                self._log.error("worklist rows failed", error_type=type(error).__name__, exc_info=True, wait_s=wait)
            self._stop.wait(wait)

    def catch_up(self) -> None:
        """Everything, now: for who works without the line, and for tests."""
        while self.follow() or self.compare():
            pass
        while self.walk():
            pass

    def follow(self) -> bool:
        """Make the rows of the studies that something was noted about; returns whether there is more."""
        with self._ledger.read() as view:
            progress = listing_progress.progress(view)
            newest = listing_progress.newest_event(view)
            at = progress.event_id if progress is not None else 0
            noted = listing_progress.events_between(view, at, most=_EVENTS) if newest > at else []
        if progress is None or abs(progress.version) != VERSION:
            with self._ledger.begin() as tx:
                listing_progress.begin(tx)
            return True
        if not noted:
            if newest < at:  # the history was restored from a backup
                with self._ledger.begin() as tx:
                    listing_progress.followed_to(tx, newest)
            return False
        uids, last = list[str](), noted[-1].id
        for one in noted:
            if one.study_instance_uid and one.study_instance_uid not in uids:
                if len(uids) == _TOGETHER:
                    last = one.id - 1
                    break
                uids.append(one.study_instance_uid)
        self._make(uids, up_to=last)
        return last < newest

    def compare(self) -> bool:
        """Make rows where something has changed without a note; returns whether there may be more."""
        now = self._clock.now()
        with self._ledger.read() as view:
            if listing_progress.progress(view) is None:
                return False
            grown = listing_progress.grown_since(view, now - _RECENT, most=_TOGETHER)
            failing = listing_progress.failing_otherwise(view, most=_TOGETHER)
            late = listing_rows.waiting_too_long(view, now, most=_TOGETHER)
        made = [self._make(part) for part in (grown, failing, late) if part]
        return any(made)

    def walk(self) -> bool:
        """Compare the next studies with their rows, all in turn; returns whether rows are still to be made for the first time."""
        with self._ledger.read() as view:
            progress = listing_progress.progress(view)
            if progress is None:
                return False
            uids = listing_progress.studies_after(view, progress.walked_to, most=_WALKED)
            wrong = listing_rows.differing(view, uids, now=self._clock.now())
        for part in listing_rows.batched(wrong, _TOGETHER):
            self._make(part)
            self._stop.wait(_BREATH_S)
        self._walked(progress, uids[-1] if len(uids) == _WALKED else "")
        return not progress.is_whole and len(uids) == _WALKED

    def _walked(self, progress: Progress, uid: str) -> None:
        if uid == progress.walked_to and progress.is_whole:
            return
        with self._ledger.begin() as tx:
            listing_progress.walked_to(tx, uid)

    def _make(self, uids: Sequence[str], *, up_to: int | None = None) -> bool:
        """The rows of these studies, and how far that is, in one transaction; returns whether any row changed. A study of which no
        row can be made holds up no other."""
        now = self._clock.now()
        try:
            with self._ledger.begin() as tx:
                changed = listing_rows.refresh_all(tx, uids, now=now)
                if up_to is not None:
                    listing_progress.followed_to(tx, up_to)
            return bool(changed)
        except PrereadError:
            raise
        except Exception as error:  # noqa: BLE001  our defect in the row of one study: found, said, and the others are made
            if len(uids) < 2 and up_to is None:
                self._log.error("no worklist row", study=uids[0], error_type=type(error).__name__, exc_info=True)
                return False
        made = [self._make([uid]) for uid in uids]
        if up_to is not None:
            with self._ledger.begin() as tx:
                listing_progress.followed_to(tx, up_to)
        return any(made)
