"""Letting go: by age, for want of room, and because somebody asked for it."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from agent.audit.event import About
from agent.audit.trail import Trail
from agent.clock import Clock
from agent.errors import Permanent, PrereadError
from agent.settings import Keeping
from agent.store import purging, retention, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore

_ROOM_FACTOR = 2  # of the reserve: below this, what may go goes before images have to be refused


class Forgetter:
    """Ticks of the schedule: what is too old goes, a bounded number of studies at a time."""

    def __init__(self, ledger: Ledger, files: FileStore, clock: Clock, keeping: Keeping, trail: Trail) -> None:
        self._ledger, self._files, self._clock = ledger, files, clock
        self._keeping, self._trail = keeping, trail
        self._log = structlog.get_logger()

    def __call__(self) -> int:
        """One round; returns how many files and readings it let go."""
        try:
            done = sum(step() for step in (self._studies, self._images, self._priors, self._replies, self._quarantine))
            if self._keeping.make_room and self._files.free_bytes() < _ROOM_FACTOR * self._files.reserve_bytes:
                done += self._room()
            self.delete_doomed()
        except PrereadError as error:
            self._log.error("nothing could be let go", reason=error.code)
            return 0
        return done

    def delete_doomed(self) -> None:
        """Delete the files that nothing names any more."""
        with self._ledger.read() as view:
            paths = purging.doomed(view)
        for path in paths:
            self._files.delete(path)
            with self._ledger.begin() as tx:
                purging.is_deleted(tx, path)

    def _before(self, days: int) -> datetime | None:
        return self._clock.now() - timedelta(days=days) if days else None

    def _studies(self) -> int:
        if (moment := self._before(self._keeping.studies_days)) is None:
            return 0
        now, gone = self._clock.now(), 0
        with self._ledger.begin() as tx:
            for uid in retention.finished_before(tx, moment):
                about = About(uid, _patient(tx, uid))
                gone += purging.purge(tx, uid, now=now)
                self._trail.deleted(tx, about, now=now)
        return gone

    def _images(self) -> int:
        moment = self._before(self._keeping.images_days)
        return 0 if moment is None else self._let_images_go(moment, retention.AT_ONCE)

    def _let_images_go(self, moment: datetime, most: int) -> int:
        now, gone = self._clock.now(), 0
        with self._ledger.begin() as tx:
            for uid in retention.with_images(tx, moment, most=most):
                paths = retention.images_here(tx, uid)
                self._let_go(tx, paths, now)
                words = f"{len(paths)} images were let go: they are older than keeping.images_days, or room was needed"
                studies.note(tx, uid, "keep", "images-let-go", words, now=now)
                gone += len(paths)
        return gone

    def _priors(self) -> int:
        if (moment := self._before(self._keeping.images_days)) is None:
            return 0
        with self._ledger.begin() as tx:
            paths = retention.old_priors(tx, moment)
            self._let_go(tx, paths, self._clock.now())
        return len(paths)

    def _let_go(self, tx: Connection, paths: list[str], now: datetime) -> None:
        for path in paths:
            retention.forget_file(tx, path, now=now)
        purging.doom(tx, paths, now=now)

    def _replies(self) -> int:
        if (moment := self._before(self._keeping.replies_days)) is None:
            return 0
        with self._ledger.begin() as tx:
            return retention.forget_replies(tx, moment)

    def _quarantine(self) -> int:
        if (moment := self._before(self._keeping.quarantine_days)) is None:
            return 0
        with self._ledger.begin() as tx:
            paths = retention.forget_quarantine(tx, moment)
            purging.doom(tx, paths, now=self._clock.now())
        return len(paths)

    def _room(self) -> int:
        """The oldest first, until there is room again or nothing is left that may go."""
        gone = 0
        while self._files.free_bytes() < _ROOM_FACTOR * self._files.reserve_bytes:
            now = self._clock.now()
            step = self._let_images_go(now, 10)
            self.delete_doomed()
            if not step:
                break
            gone += step
        if gone:
            self._log.warning("images were let go for want of room", count=gone)
        return gone


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
