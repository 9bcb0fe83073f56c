"""The read stage: a study revision goes in, a reading comes out, whatever the model does.

A reply that cannot be used, and a model that fails again and again on one study, are results ("abstained: reason"). A
model that is not there is not: the study waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from agent.clock import Clock
from agent.imaging.facts import InstanceFacts
from agent.imaging.shrunk import shrunk
from agent.reading.common import Desk
from agent.reading.flag import NO_FLAG, Flag
from agent.reading.pictures import Prepared
from agent.reading.prior_remarks import about_prior
from agent.reading.read import Read, read_study
from agent.reading.rows import reading_row
from agent.reading.triage import Ranked
from agent.store import flags, priors, qc, results, studies
from agent.store.engine import Ledger
from agent.store.flags import StoredFlag, StoredReply
from agent.store.priors import PriorImage, Search
from agent.store.results import StoredReading
from agent.store.studies import Revision, StoredImage, Use
from agent.work.queue import Job, Queue, enqueue, reschedule
from structured_report.content import Outcome, Priority
from structured_report.plain import probability_from_json, provenance_to_json

Images = tuple[tuple[StoredImage, Use], ...]


@dataclass(frozen=True, slots=True)
class _Done:
    """A reading; what the model was shown, of a film of the constancy test; and whether an earlier film was shown beside
    it."""

    read: Read
    shown: qc.Shown | None = None
    compared: bool = False


class Reading:
    """Reads the revision whose id is the job's key.

    Args:
        between_tokens: called after every token; a study that waits for its flag gets it there.
    """

    def __init__(
        self, ledger: Ledger, queue: Queue, clock: Clock, desk: Desk, between_tokens: Callable[[], None]
    ) -> None:
        self._ledger, self._queue, self._clock, self._desk = ledger, queue, clock, desk
        self._between = between_tokens
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        with self._ledger.read() as view:
            revision = studies.revision(view, int(job.key))
            images = studies.images_of_revision(view, revision.id)
            newest = studies.newest_revision(view, revision.study_instance_uid)
            flag = _flag_from(flags.flag_of(view, revision.id))
            search = priors.search_of(view, revision.id)
        if newest is not None and newest.number > revision.number:
            self._superseded(job, revision, newest.number)
            return
        if search is not None and (search := self._ended(job, search)) is None:
            return  # the search for a prior is under way
        started = self._clock.now()
        given_up = self._desk.given_up(job)
        if given_up:
            done = _Done(Read.abstained(*given_up))
        else:
            done = self._read(revision, images, flag, None if search is None else search.prior)
        self._desk.studies.forget(revision.id)
        read = replace(done.read, ranked=done.read.ranked.raised_to(flag.ranked))
        if search is not None:
            read = replace(read, notes=(*read.notes, *about_prior(search, read, compared=done.compared)))
        self._write(job, revision, replace(done, read=read), self._clock.now() - started)

    def _ended(self, job: Job, search: Search) -> Search | None:
        """The search for a prior once the reading need not wait for it any longer; None when the job was put off."""
        if search.outcome or self._clock.now() >= search.deadline_at:
            return search
        with self._ledger.begin() as tx:
            now_known = priors.search_of(tx, search.revision_id) or search
            if now_known.outcome:
                return now_known
            self._queue.postpone(tx, job, search.deadline_at, counted=False)
            reschedule(tx, job.kind, job.key, search.deadline_at)
        return None

    def _read(self, revision: Revision, images: Images, flag: Flag, prior: PriorImage | None) -> _Done:
        self._log.info("reading", study=revision.study_instance_uid, revision=revision.number, images=len(images))
        indication = str(revision.study.get("order", {}).get("indication", ""))
        if prior is not None:
            self._desk.studies.forget(revision.id)  # it was opened for the flag, without the earlier film

        def prepare() -> Prepared:
            prepared = self._desk.prepare(images)
            return prepared if prior is None else self._desk.beside(prepared, prior)

        with self._desk.studies.using(revision.id, prepare) as study:
            if isinstance(study, Prepared):
                return _Done(Read.nothing_to_read(study))
            shown = _shown(study.prepared) if _are_of_constancy_test(images) else None
            rules = self._desk.rules
            read = read_study(study, flag, rules, indication=indication, between_tokens=self._between)
            return _Done(read, shown, compared=study.has_prior and read.outcome is Outcome.READ)

    def _write(self, job: Job, revision: Revision, done: _Done, took: timedelta) -> None:
        now, uid, read = self._clock.now(), revision.study_instance_uid, done.read
        with self._ledger.begin() as tx:
            results.add_reading(tx, self._row(tx, revision, read, took))
            priors.settle(tx, revision.id, used=done.compared, now=now)
            if done.shown is not None:
                qc.keep_shown(tx, revision.id, done.shown)
            flags.add_replies(tx, revision.id, [StoredReply(**asdict(r)) for r in read.replies])
            changes = [Use(c.key, c.used, c.role, c.reason, c.explanation) for c in read.changes]
            studies.change_uses(tx, revision.id, changes)
            newest = studies.newest_revision(tx, uid)
            current = newest is not None and newest.number == revision.number
            if current and studies.state_of(tx, uid) != studies.NEEDS_ATTENTION:
                studies.set_state(tx, uid, read.outcome, reason=read.reason, explanation=read.explanation)
            if read.outcome is Outcome.READ:
                flags.raise_urgency(tx, uid, read.ranked.priority, read.ranked.reasons, now=now)
            words = f"revision {revision.number}, {read.tokens} tokens"
            studies.note(tx, uid, "read", read.reason or "read", words, now=now)
            enqueue(tx, "report", str(revision.id), now=now)
            self._queue.complete(tx, job)
        self._log.info(
            "read",
            study=uid,
            revision=revision.number,
            outcome=read.outcome,
            reason=read.reason,
            seconds=round(took.total_seconds(), 2),
        )

    def _row(self, view: Connection, revision: Revision, read: Read, took: timedelta) -> StoredReading:
        uid_of = {i.instance_id: i.sop_instance_uid for i, _ in studies.images_of_revision(view, revision.id)}
        return reading_row(
            revision.id,
            read,
            provenance=provenance_to_json(self._desk.provenance()),
            uid_of=uid_of,
            seconds=took.total_seconds(),
            completed_at=self._clock.now(),
        )

    def _superseded(self, job: Job, revision: Revision, newest: int) -> None:
        with self._ledger.begin() as tx:
            words = f"revision {revision.number} was superseded by revision {newest} before it was read"
            studies.note(tx, revision.study_instance_uid, "read", "superseded", words, now=self._clock.now())
            self._queue.complete(tx, job)
        self._desk.studies.forget(revision.id)


def _are_of_constancy_test(images: Images) -> bool:
    return all(InstanceFacts.from_json(image.facts).is_of_constancy_test for image, _ in images)


def _shown(prepared: Prepared) -> qc.Shown:
    picture = prepared.pictures[0].picture
    rows, columns = picture.shape
    return qc.Shown(rows, columns, shrunk(picture).tobytes())


def _flag_from(row: StoredFlag | None) -> Flag:
    if row is None or row.trouble:
        return NO_FLAG
    probabilities = tuple(probability_from_json(p) for p in row.probabilities)
    return Flag(Ranked(Priority(row.priority), tuple(row.reasons)), probabilities)
