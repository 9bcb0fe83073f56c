"""The read stage: a study revision goes in, a reading comes out, whatever the model does.

A reply that cannot be used, and a model that fails again and again on one study, are results ("abstained: reason"). A
model that is not there is not: the study waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from agent.clock import Clock
from agent.model.protocol import Model
from agent.reading.build import Build
from agent.reading.pictures import candidate
from agent.reading.read import Read, read_images
from agent.settings import ModelSettings
from agent.store import results, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.results import StoredReading
from agent.store.studies import Revision, StoredImage, Use
from agent.work.queue import Job, Queue, enqueue
from structured_report.plain import finding_to_json, provenance_to_json

# A study on which the process died so often is given up: it would take the model away from all others for ever.
DEATHS_TOLERATED = 10


class Reading:
    """Reads the revision whose id is the job's key."""

    def __init__(
        self,
        ledger: Ledger,
        files: FileStore,
        queue: Queue,
        clock: Clock,
        model: Model,
        settings: ModelSettings,
        build: Build,
        cancelled: Callable[[], bool],
    ) -> None:
        self._ledger, self._files, self._queue, self._clock = ledger, files, queue, clock
        self._model, self._settings, self._build, self._cancelled = model, settings, build, cancelled
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        with self._ledger.read() as view:
            revision = studies.revision(view, int(job.key))
            images = studies.images_of_revision(view, revision.id)
            newest = studies.newest_revision(view, revision.study_instance_uid)
        if newest is not None and newest.number > revision.number:
            self._superseded(job, revision, newest.number)
            return
        started = self._clock.now()
        read = self._given_up(job) or self._read(revision, images)
        self._write(job, revision, read, self._clock.now() - started)

    def _read(self, revision: Revision, images: Sequence[tuple[StoredImage, Use]]) -> Read:
        wanted = [
            candidate(i.instance_id, self._files.path(i.path), used=u.used, role=u.role, reason=u.reason)
            for i, u in images
        ]
        files = [c for c in wanted if c is not None]
        for (image, _), chosen in zip(images, wanted, strict=True):
            if chosen is not None:
                self._intact(image)
        self._log.info("reading", study=revision.study_instance_uid, revision=revision.number, images=len(files))
        return read_images(self._model, files, self._settings, cancelled=self._cancelled)

    def _intact(self, image: StoredImage) -> None:
        """Make sure that the image's file still holds the bytes that were received. Raises `Permanent`."""
        self._files.verified(image.path, offset=image.data_set_offset, digest=image.digest)

    def _given_up(self, job: Job) -> Read | None:
        if job.failures >= self._settings.attempts:
            code = job.error.partition(":")[0] or "model-failed"
            return Read.abstained(code, f"the model failed {job.failures} times on this study ({job.error})")
        if job.claims > DEATHS_TOLERATED:
            return Read.abstained(
                "model-process-died", f"the model's process died {job.claims - 1} times while reading this study"
            )
        return None

    def _write(self, job: Job, revision: Revision, read: Read, took: timedelta) -> None:
        now = self._clock.now()
        provenance = self._build.with_model(self._model.identity, read.prompt_id)
        row = StoredReading(
            revision_id=revision.id,
            outcome=read.outcome,
            reason=read.reason,
            explanation=read.explanation,
            provenance=provenance_to_json(provenance),
            reply=read.reply,
            reasoning=read.reasoning,
            draft=read.draft,
            findings=[finding_to_json(f) for f in read.findings],
            notes=list(read.notes),
            seconds=took.total_seconds(),
            completed_at=now,
        )
        uid = revision.study_instance_uid
        with self._ledger.begin() as tx:
            results.add_reading(tx, row)
            changes = [Use(c.key, c.used, c.role, c.reason, c.explanation) for c in read.changes]
            studies.change_uses(tx, revision.id, changes)
            newest = studies.newest_revision(tx, uid)
            current = newest is not None and newest.number == revision.number
            if current and studies.state_of(tx, uid) != studies.NEEDS_ATTENTION:
                studies.set_state(tx, uid, read.outcome, reason=read.reason, explanation=read.explanation)
            studies.note(
                tx, uid, "read", read.reason or "read", f"revision {revision.number}, {read.tokens} tokens", now=now
            )
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

    def _superseded(self, job: Job, revision: Revision, newest: int) -> None:
        with self._ledger.begin() as tx:
            words = f"revision {revision.number} was superseded by revision {newest} before it was read"
            studies.note(tx, revision.study_instance_uid, "read", "superseded", words, now=self._clock.now())
            self._queue.complete(tx, job)
