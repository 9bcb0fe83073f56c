"""The report stage: a reading goes in; documents come out, with an outbox row for each destination in the same
transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import structlog
from sqlalchemy import Connection

from agent.clock import Clock
from agent.imaging.facts import InstanceFacts
from agent.imaging.headers import load_header
from agent.reporting.compose import compose, compose_flag, control_id_for
from agent.settings import DestinationSettings, DicomDestinationSettings, Hl7DestinationSettings, Settings
from agent.store import flags, results, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.results import StoredDocument
from agent.store.studies import Revision, StoredImage, Use
from agent.work.queue import Job, Queue, enqueue
from structured_report.content import Outcome, PreRead
from structured_report.oru import encode_oru
from structured_report.sr import encode_sr, file_bytes

_KEPT_HERE = "films of the constancy test: the documents are made, kept here and sent nowhere (qc.send)"


class Reporting:
    """Writes the documents of the revision whose id is the job's key."""

    def __init__(self, ledger: Ledger, files: FileStore, queue: Queue, clock: Clock, settings: Settings) -> None:
        self._ledger, self._files, self._queue, self._clock = ledger, files, queue, clock
        self._destinations = settings.destinations
        self._send_not_analysed, self._send_qc = settings.report.send_not_analysed, settings.qc.send
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        with self._ledger.read() as view:
            revision = studies.revision(view, int(job.key))
            images = studies.images_of_revision(view, revision.id)
            reading = results.reading_of(view, revision.id)
            superseded = results.newest_sent_sr(view, revision.study_instance_uid, revision.number)
            flag = flags.flag_of(view, revision.id)
        if reading is None:  # cannot be: the job is enqueued in the transaction that writes the reading
            raise LookupError(f"revision {revision.id} has a report job and no reading")
        preread = compose(revision, images, reading, superseded, flag)
        kept_here = not self._send_qc and _is_of_constancy_test(images)
        documents = [(d, [] if kept_here else takers) for d, takers in self._make(preread, images)]
        without_sr = all(d.kind != "sr" for d, _ in documents)
        now = self._clock.now()
        uid = revision.study_instance_uid
        with self._ledger.begin() as tx:
            newest = studies.newest_revision(tx, uid)
            if newest is not None and newest.number > revision.number:
                # What is newer may be out already, perhaps under a corrected identity: this one must not follow it.
                words = f"revision {revision.number} was superseded by revision {newest.number} before it was reported"
                studies.note(tx, uid, "report", "superseded", words, now=now)
            else:
                self._write(tx, revision, documents)
                if kept_here:
                    studies.note(tx, uid, "report", "qc-not-sent", _KEPT_HERE, now=now)
                if without_sr:
                    words = (
                        "no Structured Report could be made from the headers of this study; see the log of the office"
                    )
                    studies.note(tx, uid, "report", "sr-not-made", words, now=now)
                    studies.set_state(tx, uid, studies.state_of(tx, uid), reason="sr-not-made", explanation=words)
            self._queue.complete(tx, job)
        self._log.info("reported", study=uid, revision=revision.number, documents=len(documents))

    def _write(self, tx: Connection, revision: Revision, documents: Sequence[tuple[StoredDocument, list[str]]]) -> None:
        now, uid = self._clock.now(), revision.study_instance_uid
        hold = studies.state_of(tx, uid) == studies.NEEDS_ATTENTION
        results.supersede_undelivered(tx, uid, revision.number, now=now)
        results.supersede_undelivered(tx, uid, revision.number + 1, kinds=("flag",), now=now)
        self._enqueue(tx, revision, documents)
        words = f"revision {revision.number}, {len(documents)} documents{', held back' if hold else ''}"
        studies.note(tx, uid, "report", "reported", words, now=now)

    def _enqueue(
        self, tx: Connection, revision: Revision, documents: Sequence[tuple[StoredDocument, list[str]]]
    ) -> None:
        """Outbox rows, in the transaction that writes the documents down; held back while there is a doubt about the
        patient."""
        now, rank = self._clock.now(), flags.urgency_of(tx, revision.study_instance_uid)
        hold = studies.state_of(tx, revision.study_instance_uid) == studies.NEEDS_ATTENTION
        steps = 0 if rank is None else rank.priority.rank
        for document, destinations in documents:
            document_id = results.add_document(tx, revision.id, document, now=now)
            for name in destinations:
                delivery_id = results.add_delivery(tx, document_id, name, hold=hold, now=now)
                if not hold:
                    enqueue(tx, "deliver", str(delivery_id), lane=name, priority=steps, now=now)

    def announce(self, job: Job) -> None:
        """Write the flag of the revision whose id is the job's key as a message for those who want it before the report."""
        with self._ledger.read() as view:
            revision = studies.revision(view, int(job.key))
            images = studies.images_of_revision(view, revision.id)
            flag = flags.flag_of(view, revision.id)
        if flag is None:  # cannot be: the job is enqueued in the transaction that writes the flag
            raise LookupError(f"revision {revision.id} is to be announced and has no flag")
        preread = compose_flag(revision, images, flag)
        made = [
            (self._oru("flag", preread, d), [d.name])
            for d in self._destinations
            if isinstance(d, Hl7DestinationSettings) and d.send_flag
        ]
        if not self._send_qc and _is_of_constancy_test(images):
            made = [(document, []) for document, _ in made]
        now, uid = self._clock.now(), revision.study_instance_uid
        with self._ledger.begin() as tx:
            newest = studies.newest_revision(tx, uid)
            overtaken = results.reading_of(tx, revision.id) is not None
            if not overtaken and (newest is None or newest.number == revision.number):
                self._enqueue(tx, revision, made)
                studies.note(tx, uid, "announce", "announced", f"revision {revision.number}, {flag.priority}", now=now)
            self._queue.complete(tx, job)

    def _make(
        self, preread: PreRead, images: Sequence[tuple[StoredImage, Use]]
    ) -> list[tuple[StoredDocument, list[str]]]:
        silent = preread.outcome is Outcome.NOT_ANALYSED and not self._send_not_analysed
        wanted = () if silent else self._destinations
        made = []
        if (sr := self._sr(preread, images)) is not None:
            takers = [d.name for d in wanted if not isinstance(d, Hl7DestinationSettings)]
            made.append((self._keep("sr", preread.sr_instance_uid, f"{preread.sr_instance_uid}.dcm", sr), takers))
        for destination in wanted:
            if isinstance(destination, DicomDestinationSettings):
                continue
            made.append((self._oru("oru", preread, destination), [destination.name]))
        return made

    def _oru(self, kind: str, preread: PreRead, destination: DestinationSettings) -> StoredDocument:
        control_id = control_id_for(preread, destination.name)
        message = _message(replace(preread, control_id=control_id), destination)
        return self._keep(kind, control_id, f"{control_id}.hl7", message)

    def _sr(self, preread: PreRead, images: Sequence[tuple[StoredImage, Use]]) -> bytes | None:
        """The report as a file; None when a header defeats the encoder, which must not cost the RIS its message."""
        try:
            evidence = [load_header(self._files.path(image.path)) for image, _ in images]
            return file_bytes(encode_sr(preread, evidence))
        except Exception as error:  # noqa: BLE001  our defect on a header nobody thought of: said in the study's history, and in the log
            self._log.error(
                "no SR", study=preread.study.study_instance_uid, error_type=type(error).__name__, exc_info=True
            )
            return None

    def _keep(self, kind: str, identifier: str, name: str, content: bytes) -> StoredDocument:
        path = self._files.put_document(content, name)
        return StoredDocument(kind, identifier, path, hashlib.sha256(content).hexdigest())


def _is_of_constancy_test(images: Sequence[tuple[StoredImage, Use]]) -> bool:
    """Whether every image of the study is one; results of anything else are sent."""
    return bool(images) and all(InstanceFacts.from_json(i.facts).is_of_constancy_test for i, _ in images)


def _message(preread: PreRead, destination: DestinationSettings) -> bytes:
    """The ORU for one destination; a folder gets the neutral form."""
    if isinstance(destination, Hl7DestinationSettings):
        return encode_oru(
            preread,
            sending_application=destination.sending_application,
            sending_facility=destination.sending_facility,
            receiving_application=destination.receiving_application,
            receiving_facility=destination.receiving_facility,
            status=destination.result_status,
        )
    return encode_oru(
        preread,
        sending_application="PREREAD",
        sending_facility="RADIOLOGY",
        receiving_application="",
        receiving_facility="",
    )
