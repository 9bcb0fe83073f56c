"""The flag stage: a study revision goes in, how soon a person should look comes out, within seconds. Whatever happens
here, the reading follows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from agent.clock import Clock
from agent.imaging.facts import InstanceFacts
from agent.reading.common import Desk
from agent.reading.flag import NO_FLAG, Flag, flag_study
from agent.reading.pictures import Prepared
from agent.reading.rows import flag_row
from agent.store import flags, studies, turnaround
from agent.store.engine import Ledger
from agent.store.studies import Revision
from agent.work.queue import Job, Queue, enqueue
from structured_report.content import Priority
from structured_report.plain import provenance_to_json

# One step of rank in the queue counts like so many of its steps.
QUEUE_STEPS = 8


class Flagging:
    """Flags the revision whose id is the job's key.

    Args:
        findings: the site's triage list, names in the vocabulary.
        announce: whether somebody wants the flag as a message of its own, before the report.
    """

    def __init__(
        self, ledger: Ledger, queue: Queue, clock: Clock, desk: Desk, findings: Sequence[str], *, announce: bool
    ) -> None:
        self._ledger, self._queue, self._clock, self._desk = ledger, queue, clock, desk
        self._findings, self._announce = tuple(findings), announce
        self._log = structlog.get_logger()

    def announce_from_now_on(self, announce: bool) -> None:
        """Whether somebody wants flags as messages has changed."""
        self._announce = announce

    def __call__(self, job: Job) -> None:
        started = self._clock.now()
        with self._ledger.read() as view:
            revision = studies.revision(view, int(job.key))
            images = studies.images_of_revision(view, revision.id)
            newest = studies.newest_revision(view, revision.study_instance_uid)
        if newest is not None and newest.number > revision.number:
            with self._ledger.begin() as tx:
                self._queue.complete(tx, job)  # the newer revision has a flag of its own
            return
        given_up = self._desk.given_up(job)
        flag, trouble = (NO_FLAG, given_up[1]) if given_up else (NO_FLAG, "")
        if not given_up:
            with self._desk.studies.using(revision.id, lambda: self._desk.prepare(images)) as study:
                if isinstance(study, Prepared):
                    trouble = study.problem[1] if study.problem else ""
                else:
                    flag = flag_study(study, self._findings, self._desk.rules, self._desk.calibration)
        drawn = all(InstanceFacts.from_json(image.facts).is_of_constancy_test for image, _ in images)
        self._write(job, revision, flag, trouble, started, in_a_hurry=not drawn)

    def _write(
        self, job: Job, revision: Revision, flag: Flag, trouble: str, started: datetime, *, in_a_hurry: bool
    ) -> None:
        """A drawn film of the constancy test is flagged as any other; it is read behind the patients."""
        now, uid, priority = self._clock.now(), revision.study_instance_uid, flag.ranked.priority
        provenance = provenance_to_json(self._desk.provenance())
        row = flag_row(revision.id, flag, provenance=provenance, started=started, now=now, trouble=trouble)
        with self._ledger.begin() as tx:
            flags.add_flag(tx, row)
            if not trouble:
                flags.raise_urgency(tx, uid, priority, flag.ranked.reasons, now=now)
                turnaround.measure(tx, revision.id, turnaround.FLAG, now=now)
            words = trouble or "; ".join((str(priority), *flag.ranked.reasons))
            studies.note(tx, uid, "flag", "not-flagged" if trouble else "flagged", words, now=now)
            urgency = flags.urgency_of(tx, uid)  # what ordered it may be more urgent than what is seen on it
            steps = max(priority.rank, 0 if urgency is None else urgency.priority.rank)
            rank = steps * QUEUE_STEPS if in_a_hurry else 0
            enqueue(tx, "read", str(revision.id), priority=rank, now=now)
            if self._announce and not trouble and priority is not Priority.ROUTINE:
                enqueue(tx, "announce", str(revision.id), now=now)
            self._queue.complete(tx, job)
        self._log.info(
            "flagged", study=uid, revision=revision.number, state=str(priority), seconds=round(row.seconds, 2)
        )
