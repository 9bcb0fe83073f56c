"""The report stage: a reading goes in; documents come out, with an outbox row for each destination in the same
transaction."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection

from agent.clock import Clock
from agent.errors import Transient
from agent.reporting.making import Made, Making, Material
from agent.settings import Settings
from agent.store import flags, messages, results, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.outlet import Outlet, outlet_of
from agent.store.results import StoredDocument, StoredReading
from agent.store.studies import Revision
from agent.work.queue import Job, Queue, enqueue
from structured_report.content import Outcome

_KEPT_HERE = "films of the constancy test: the documents are made, kept here and sent nowhere (qc.send)"

_TAKES_BACK = (messages.RETRACTION, results.NOTE)  # made for those who have what it takes back

_Kept = list[tuple[StoredDocument, tuple[str, ...]]]


class Reporting:
    """Writes the documents of the revision whose id is the job's key."""

    def __init__(self, ledger: Ledger, files: FileStore, queue: Queue, clock: Clock, settings: Settings) -> None:
        self._ledger, self._files, self._queue, self._clock = ledger, files, queue, clock
        self._making = Making(files, settings)
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        with self._ledger.read() as view:
            revision = studies.revision(view, int(job.key))
            material = self._making.material(view, revision)
        if material is None:  # cannot be: the job is enqueued in the transaction that writes the reading
            raise LookupError(f"revision {revision.id} has a report job and no reading")
        made = self._making.result(material)
        documents = self._keep(made)
        now = self._clock.now()
        uid = revision.study_instance_uid
        withdrawn = material.reading.outcome == Outcome.WITHDRAWN
        with self._ledger.begin() as tx:
            newest = studies.newest_revision(tx, uid)
            if newest is not None and newest.number > revision.number:
                # What is newer may be out already, perhaps under a corrected identity: this one must not follow it.
                words = f"revision {revision.number} was superseded by revision {newest.number} before it was reported"
                studies.note(tx, uid, "report", "superseded", words, now=now)
            elif self._has_changed(tx, revision, material):
                raise Transient("an older result left while this was reported", code="overtaken", blames_work=False)
            else:
                self._write(tx, revision, documents, withdrawn=withdrawn)
                if made.kept_here:
                    studies.note(tx, uid, "report", "qc-not-sent", _KEPT_HERE, now=now)
                self._say_what_is_missing(tx, material.reading, uid, made.missing)
                results.set_shortfall(tx, revision.id, [code for code, _ in made.missing])
            self._queue.complete(tx, job)
        self._log.info("reported", study=uid, revision=revision.number, documents=len(documents))

    def _has_changed(self, tx: Connection, revision: Revision, material: Material) -> bool:
        """Whether somebody has, or may have, something else of the study than when the documents were made."""
        return (
            self._making.sent(tx, revision) != material.sent
            or results.with_a_result(tx, revision.study_instance_uid) != material.standing
            or self._making.out(tx, revision) != material.out
        )

    def _keep(self, made: Made) -> _Kept:
        """The files of the documents, written before the ledger speaks of them."""
        return [
            (
                StoredDocument(d.kind, d.identifier, self._files.put_document(d.content, d.file_name), d.digest),
                d.destinations,
            )
            for d in made.documents
        ]

    def _say_what_is_missing(
        self, tx: Connection, reading: StoredReading, uid: str, missing: Sequence[tuple[str, str]]
    ) -> None:
        if studies.state_of(tx, uid) == studies.NEEDS_ATTENTION:
            return
        studies.set_state(tx, uid, reading.outcome, reason=reading.reason, explanation=reading.explanation)
        for code, words in missing:
            studies.note(tx, uid, "report", code, words, now=self._clock.now())
            studies.set_state(tx, uid, reading.outcome, reason=code, explanation=words)
        words = "" if reading.outcome == Outcome.WITHDRAWN else outlet_of(tx, uid).reported
        if words and not missing:
            studies.set_state(tx, uid, studies.REPORTED, reason="report-finished", explanation=words)

    def _write(self, tx: Connection, revision: Revision, documents: _Kept, *, withdrawn: bool) -> None:
        now, uid = self._clock.now(), revision.study_instance_uid
        outlet = outlet_of(tx, uid)
        if withdrawn:
            documents = [(d, self._holders(tx, uid, d, names)) for d, names in documents]
        elif outlet.reported:
            wrong = results.misfiled(tx, uid, revision.study["patient"])
            documents = [(d, _of_the_wrong(d, names, wrong)) for d, names in documents]
        results.supersede_undelivered(tx, uid, revision.number, now=now)
        results.supersede_undelivered(tx, uid, revision.number + 1, kinds=("flag",), now=now)
        self._enqueue(tx, revision, documents)
        words = f"revision {revision.number}, {len(documents)} documents{_fate(outlet, documents, withdrawn=withdrawn)}"
        studies.note(tx, uid, "report", "reported", words, now=now)

    def _enqueue(self, tx: Connection, revision: Revision, documents: _Kept) -> None:
        """Outbox rows, in the transaction that writes the documents down; held back while there is a doubt about the
        patient."""
        now, rank = self._clock.now(), flags.urgency_of(tx, revision.study_instance_uid)
        outlet = outlet_of(tx, revision.study_instance_uid)
        steps = 0 if rank is None else rank.priority.rank
        made = {document.identifier for document, _ in documents}
        for document, destinations in documents:
            document_id = results.add_document(tx, revision.id, document, now=now)
            self._files.must_be_there([document.path])
            hold = outlet.holds(document.kind)
            for name in destinations:
                if document.kind in results.RESULTS:
                    these = () if document.kind in messages.RESULTS else made
                    if messages.is_out(tx, revision.id, document.kind, name, made=these):
                        continue  # in another form: the settings, or what is known here, have changed, and nothing is sent twice
                    messages.replace_undelivered(tx, revision.id, document.kind, name, made, now=now)
                delivery_id = results.add_delivery(tx, document_id, name, hold=hold, now=now)
                if delivery_id is not None and not hold:
                    enqueue(tx, "deliver", str(delivery_id), lane=name, priority=steps, now=now)

    def announce(self, job: Job) -> None:
        """Write the flag of the revision whose id is the job's key as a message for those who want it before the report."""
        with self._ledger.read() as view:
            revision = studies.revision(view, int(job.key))
            made = self._making.flag(view, revision)
            flag = flags.flag_of(view, revision.id)
        if made is None or flag is None:  # cannot be: the job is enqueued in the transaction that writes the flag
            raise LookupError(f"revision {revision.id} is to be announced and has no flag")
        documents = self._keep(made)
        now, uid = self._clock.now(), revision.study_instance_uid
        with self._ledger.begin() as tx:
            newest = studies.newest_revision(tx, uid)
            overtaken = results.reading_of(tx, revision.id) is not None
            if outlet_of(tx, uid).reported:
                documents = [(d, ()) for d, _ in documents]
            if not overtaken and (newest is None or newest.number == revision.number):
                self._enqueue(tx, revision, documents)
                for code, words in made.missing:
                    studies.note(tx, uid, "announce", code, words, now=now)
                studies.note(tx, uid, "announce", "announced", f"revision {revision.number}, {flag.priority}", now=now)
            self._queue.complete(tx, job)

    def _holders(self, view: Connection, uid: str, document: StoredDocument, names: tuple[str, ...]) -> tuple[str, ...]:
        """Of these destinations those that have something to be taken back; who has nothing is told nothing."""
        if document.kind in _TAKES_BACK:
            return names
        have = results.holders(view, uid, document.kind)
        return tuple(name for name in names if name in have)


def _of_the_wrong(document: StoredDocument, names: tuple[str, ...], wrong: set[tuple[str, str]]) -> tuple[str, ...]:
    """Who gets it after a person has finished the report: nobody, but those with whom something stands under another patient. What
    takes something back goes to whom it was made for."""
    return tuple(name for name in names if document.kind in _TAKES_BACK or (document.kind, name) in wrong)


def _fate(outlet: Outlet, documents: _Kept, *, withdrawn: bool) -> str:
    if outlet.held:
        return ", held back"
    if withdrawn or not outlet.reported:
        return ""
    if any(names for _, names in documents):
        return ", sent only where something stands under another patient or order"
    return ", sent to nobody"
