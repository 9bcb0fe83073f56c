"""Letting go: by age, for want of room, and because somebody asked for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from agent.audit.event import About
from agent.audit.trail import Trail
from agent.clock import Clock
from agent.errors import Permanent, PrereadError
from agent.keeping.unclaimed import Unclaimed
from agent.settings import Keeping
from agent.store import doomed, purging, retention, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore

_BREATH_S = 0.15
_TOGETHER = 50  # files that are deleted while nobody else writes
_T = TypeVar("_T")
_ROUNDS_TAKE = timedelta(minutes=1)  # of orders and messages, at most
_ROOM_FACTOR = 2  # of the reserve: below this, what may go goes before images have to be refused


class Forgetter:
    """Ticks of the schedule: what is too old goes, a bounded number of studies at a time."""

    def __init__(
        self,
        ledger: Ledger,
        files: FileStore,
        clock: Clock,
        keeping: Keeping,
        trail: Trail,
        stop: threading.Event | None = None,
    ) -> None:
        """Args:
        stop: set when the line is asked to stop; what has begun is ended, and the next round goes on.
        """
        self._ledger, self._files, self._clock = ledger, files, clock
        self._keeping, self._trail, self._stop = keeping, trail, stop or threading.Event()
        self._heard = Unclaimed(ledger, clock, trail, self._in_turn)
        self._log = structlog.get_logger()

    def __call__(self) -> int:
        """One round; returns how many files, readings, orders and messages it let go."""
        steps = (self._studies, self._images, self._priors, self._replies, self._quarantine, self._orders)
        try:
            done = sum(step() for step in steps)
            self.delete_doomed()
            if self._keeping.make_room and self._is_short_of_room():
                done += self._room()
        except PrereadError as error:
            self._log.error("nothing could be let go", reason=error.code)
            return 0
        except OSError as error:
            self._log.error("nothing could be let go", reason=error.strerror or "storage-unwritable")
            return 0
        return done

    def delete_doomed(self) -> bool:
        """Delete the files that nothing names any more, each while nobody can name it anew; returns whether all of them are gone.

        One that cannot be deleted keeps none of the others here.
        """
        with self._ledger.read() as view:
            paths = doomed.doomed(view)
        left = 0
        for part in self._in_turn([paths[n : n + _TOGETHER] for n in range(0, len(paths), _TOGETHER)]):
            with self._ledger.begin() as tx:
                left += sum(not self._is_gone(tx, path) for path in part)
        if left:
            self._log.error("files that were let go cannot be deleted; tried again", count=left)
        return not left

    def _is_gone(self, tx: Connection, path: str) -> bool:
        """Whether nothing is left to do about that file."""
        if not doomed.is_doomed(tx, path):
            return True
        try:
            self._files.delete(path)
        except PrereadError as error:
            self._log.error("file not deleted", kind=path.partition("/")[0], reason=error.code)
            return False
        doomed.strike_off(tx, path)
        return True

    def _in_turn(self, all_of_them: Sequence[_T]) -> Iterator[_T]:
        """One after the other, until the line is asked to stop, with a breath between them: who waits to write looks every tenth of a
        second, and would find the ledger taken each time."""
        for number, one in enumerate(all_of_them):
            if number and self._stop.wait(_BREATH_S):
                return
            yield one

    def _before(self, days: int) -> datetime | None:
        return self._clock.now() - timedelta(days=days) if days else None

    def _studies(self) -> int:
        if (moment := self._before(self._keeping.studies_days)) is None:
            return 0
        with self._ledger.read() as view:
            uids = retention.finished_before(view, moment)
        return sum(self._purge(uid, moment) for uid in self._in_turn(uids))

    def _purge(self, uid: str, moment: datetime) -> int:
        now = self._clock.now()
        with self._ledger.begin() as tx:
            if not retention.is_finished(tx, uid, moment):
                return 0
            about = About(uid, _patient(tx, uid))
            gone = purging.purge(tx, uid, now=now)
            self._trail.deleted(tx, about, now=now)
        return gone

    def _images(self) -> int:
        if (moment := self._before(self._keeping.images_days)) is None:
            return 0
        with self._ledger.read() as view:
            uids = retention.with_images(view, moment)
        return sum(self._let_images_of_one_go(uid, moment) for uid in self._in_turn(uids))

    def _let_images_of_one_go(self, uid: str, moment: datetime) -> int:
        now = self._clock.now()
        with self._ledger.begin() as tx:
            if not retention.is_finished(tx, uid, moment):
                return 0
            paths = retention.images_here(tx, uid)
            self._let_go(tx, paths, now)
            words = f"{len(paths)} images were let go: they are older than keeping.images_days, or room was needed"
            studies.note(tx, uid, "keep", "images-let-go", words, now=now)
        return len(paths)

    def _priors(self) -> int:
        if (moment := self._before(self._keeping.images_days)) is None:
            return 0
        with self._ledger.read() as view:
            paths = retention.old_priors(view, moment)
        if not paths:
            return 0
        with self._ledger.begin() as tx:
            paths = retention.old_priors(tx, moment, among=paths)
            self._let_go(tx, paths, self._clock.now())
        return len(paths)

    def _let_go(self, tx: Connection, paths: list[str], now: datetime) -> None:
        for path in paths:
            retention.forget_file(tx, path, now=now)
        doomed.doom(tx, paths, now=now)

    def _replies(self) -> int:
        if (moment := self._before(self._keeping.replies_days)) is None:
            return 0
        with self._ledger.read() as view:
            uids = retention.with_replies(view, moment)
        return sum(self._forget_replies(uid, moment) for uid in self._in_turn(uids))

    def _forget_replies(self, uid: str, moment: datetime) -> int:
        with self._ledger.begin() as tx:
            return retention.forget_replies(tx, uid, moment) if retention.is_finished(tx, uid) else 0

    def _quarantine(self) -> int:
        if (moment := self._before(self._keeping.quarantine_days)) is None:
            return 0
        with self._ledger.begin() as tx:
            paths = retention.forget_quarantine(tx, moment)
            doomed.doom(tx, paths, now=self._clock.now())
        return len(paths)

    def _orders(self) -> int:
        """Round upon round, as long as there is more to look at, but so that what comes after it does not wait for long."""
        if (moment := self._before(self._keeping.orders_days)) is None:
            return 0
        until = self._clock.now() + _ROUNDS_TAKE
        done = self._heard(moment)
        while self._heard.has_more and self._clock.now() < until and not self._stop.wait(_BREATH_S):
            done += self._heard(moment)
        if done:
            self._log.info("orders and messages without a study were let go", count=done)
        return done

    def _room(self) -> int:
        """The oldest first, until there is room again or nothing is left that may go. Where deleting makes no room, no more goes."""
        now, gone = self._clock.now(), 0
        while self._is_short_of_room():
            with self._ledger.read() as view:
                uids = retention.with_images(view, now)
            before = gone
            for uid in self._in_turn(uids):
                gone += self._let_images_of_one_go(uid, now)
                if not self.delete_doomed() or not self._is_short_of_room():
                    break
            if gone == before or len(uids) < retention.AT_ONCE or self._stop.is_set():
                break
        if gone:
            self._log.warning("images were let go for want of room", count=gone)
        return gone

    def _is_short_of_room(self) -> bool:
        return self._files.free_bytes() < _ROOM_FACTOR * self._files.reserve_bytes


def purge_study(
    ledger: Ledger,
    forgetter: Forgetter,
    trail: Trail,
    study_instance_uid: str,
    *,
    even_unfinished: bool,
    now: datetime,
) -> int:
    """Take one study out, because somebody asked for it; returns how many files went.

    Raises:
        Permanent: something of it is being worked on, or it is not finished and `even_unfinished` was not said.
    """
    with ledger.begin() as tx:
        if purging.in_work(tx, study_instance_uid):
            raise Permanent("something of the study is being worked on; try again in a moment", code="study-in-work")
        to_come = purging.unfinished(tx, study_instance_uid)
        if to_come and not even_unfinished:
            raise Permanent(
                f"the study is not finished: {to_come}; nobody would ever get what is still to come. See preread show, or say "
                "--even-unfinished",
                code="study-unfinished",
            )
        about = About(study_instance_uid, _patient(tx, study_instance_uid))
        files = purging.purge(tx, study_instance_uid, now=now)
        trail.deleted(tx, about, now=now)
    forgetter.delete_doomed()
    return files


def _patient(view: Connection, uid: str) -> str:
    newest = studies.newest_revision(view, uid)
    return "" if newest is None else str(newest.study["patient"]["patient_id"])
