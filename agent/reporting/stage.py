"""The report stage: a reading goes in; documents come out, with an outbox row for each destination in the same
transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog
from pydicom import Dataset
from sqlalchemy import Connection

from agent.clock import Clock
from agent.errors import Permanent, Transient
from agent.imaging.facts import InstanceFacts
from agent.imaging.headers import load_header
from agent.imaging.render import Rendered, render_file
from agent.reading.build import derived_control_id
from agent.reporting import beside
from agent.reporting.compose import compose, compose_flag
from agent.reporting.messages import control_id_for, message_for
from agent.settings import (
    Beside,
    DestinationSettings,
    DicomDestinationSettings,
    FolderDestinationSettings,
    Hl7DestinationSettings,
    Settings,
    StowDestinationSettings,
    WebhookDestinationSettings,
)
from agent.store import flags, messages, priors, results, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.messages import SentMessage
from agent.store.outlet import outlet_of
from agent.store.results import StoredDocument, StoredReading
from agent.store.studies import Revision, StoredImage, Use
from agent.work.queue import Job, Queue, enqueue
from structured_report.content import Outcome, PreRead
from structured_report.result_json import encode_result
from structured_report.retraction import is_about, retraction_of
from structured_report.sr import encode_sr, file_bytes

_TAKES_DICOM = (DicomDestinationSettings, StowDestinationSettings, FolderDestinationSettings)
_TAKES_HL7 = (Hl7DestinationSettings, FolderDestinationSettings)
_T = TypeVar("_T")
_KEPT_HERE = "films of the constancy test: the documents are made, kept here and sent nowhere (qc.send)"

_CORRECTED = (
    "the patient or the order of the study was corrected; where a new result is sent, it stands under the right one"
)


@dataclass(slots=True)
class _Made:
    """The documents of a revision with the destinations of each, and (code, words) of what could not be made."""

    documents: list[tuple[StoredDocument, list[str]]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)

    def keep_here(self) -> None:
        """Nobody gets any of them."""
        self.documents = [(document, []) for document, _ in self.documents]


class Reporting:
    """Writes the documents of the revision whose id is the job's key."""

    def __init__(self, ledger: Ledger, files: FileStore, queue: Queue, clock: Clock, settings: Settings) -> None:
        self._ledger, self._files, self._queue, self._clock = ledger, files, queue, clock
        self._destinations = settings.destinations
        self._receivers = [d for d in settings.destinations if isinstance(d, Hl7DestinationSettings)]
        self._undeclared = settings.intake.undeclared_character_set
        self._send_not_analysed, self._send_qc = settings.report.send_not_analysed, settings.qc.send
        self._log = structlog.get_logger()

    def __call__(self, job: Job) -> None:
        with self._ledger.read() as view:
            revision = studies.revision(view, int(job.key))
            images = studies.images_of_revision(view, revision.id)
            reading = results.reading_of(view, revision.id)
            uid = revision.study_instance_uid
            superseded = results.newest_sent_sr(view, uid, revision.number)
            earlier = {k: results.newest_sent(view, uid, revision.number, k) for k in beside.KINDS}
            flag = flags.flag_of(view, revision.id)
            sent = self._sent(view, revision)
            prior = priors.used_by(view, revision.id)
        if reading is None:  # cannot be: the job is enqueued in the transaction that writes the reading
            raise LookupError(f"revision {revision.id} has a report job and no reading")
        preread = compose(revision, images, reading, superseded, flag, prior)
        made = self._make(preread, images, earlier)
        for destination in self._receivers:
            self._retract(made, preread, destination, sent[destination.name])
        if kept_here := self._is_kept_here(images):
            made.keep_here()
        now = self._clock.now()
        withdrawn = preread.outcome is Outcome.WITHDRAWN
        with self._ledger.begin() as tx:
            newest = studies.newest_revision(tx, uid)
            if newest is not None and newest.number > revision.number:
                # What is newer may be out already, perhaps under a corrected identity: this one must not follow it.
                words = f"revision {revision.number} was superseded by revision {newest.number} before it was reported"
                studies.note(tx, uid, "report", "superseded", words, now=now)
            elif self._sent(tx, revision) != sent:
                raise Transient("an older message left while this was reported", code="overtaken", blames_work=False)
            else:
                self._write(tx, revision, made.documents, withdrawn=withdrawn)
                if kept_here:
                    studies.note(tx, uid, "report", "qc-not-sent", _KEPT_HERE, now=now)
                self._say_what_is_missing(tx, reading, uid, made.missing)
                results.set_shortfall(tx, revision.id, [code for code, _ in made.missing])
            self._queue.complete(tx, job)
        self._log.info("reported", study=uid, revision=revision.number, documents=len(made.documents))

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

    def _write(
        self,
        tx: Connection,
        revision: Revision,
        documents: Sequence[tuple[StoredDocument, list[str]]],
        *,
        withdrawn: bool,
    ) -> None:
        now, uid = self._clock.now(), revision.study_instance_uid
        outlet = outlet_of(tx, uid)
        if withdrawn:
            documents = [(d, self._holders(tx, uid, d, names)) for d, names in documents]
        elif outlet.reported:
            documents = [(d, names if d.kind == messages.RETRACTION else []) for d, names in documents]
        results.supersede_undelivered(tx, uid, revision.number, now=now)
        results.supersede_undelivered(tx, uid, revision.number + 1, kinds=("flag",), now=now)
        self._enqueue(tx, revision, documents)
        fate = ", held back" if outlet.held else ", sent to nobody" if outlet.reported and not withdrawn else ""
        words = f"revision {revision.number}, {len(documents)} documents{fate}"
        studies.note(tx, uid, "report", "reported", words, now=now)

    def _enqueue(
        self, tx: Connection, revision: Revision, documents: Sequence[tuple[StoredDocument, list[str]]]
    ) -> None:
        """Outbox rows, in the transaction that writes the documents down; held back while there is a doubt about the
        patient."""
        now, rank = self._clock.now(), flags.urgency_of(tx, revision.study_instance_uid)
        outlet = outlet_of(tx, revision.study_instance_uid)
        steps = 0 if rank is None else rank.priority.rank
        for document, destinations in documents:
            document_id = results.add_document(tx, revision.id, document, now=now)
            hold = outlet.holds(document.kind)
            for name in destinations:
                if document.kind in messages.RESULTS:
                    if messages.is_out(tx, revision.id, document.kind, name):
                        continue  # perhaps in another form: the settings have changed since, and nothing is sent twice
                    messages.replace_undelivered(tx, revision.id, document.kind, name, document.identifier, now=now)
                delivery_id = results.add_delivery(tx, document_id, name, hold=hold, now=now)
                if delivery_id is not None and not hold:
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
        made = _Made()
        for d in self._destinations:
            if isinstance(d, Hl7DestinationSettings) and d.send_flag:
                self._oru(made, "flag", preread, d)
        if self._is_kept_here(images):
            made.keep_here()
        now, uid = self._clock.now(), revision.study_instance_uid
        with self._ledger.begin() as tx:
            newest = studies.newest_revision(tx, uid)
            overtaken = results.reading_of(tx, revision.id) is not None
            if outlet_of(tx, uid).reported:
                made.keep_here()
            if not overtaken and (newest is None or newest.number == revision.number):
                self._enqueue(tx, revision, made.documents)
                for code, words in made.missing:
                    studies.note(tx, uid, "announce", code, words, now=now)
                studies.note(tx, uid, "announce", "announced", f"revision {revision.number}, {flag.priority}", now=now)
            self._queue.complete(tx, job)

    def _holders(self, view: Connection, uid: str, document: StoredDocument, names: list[str]) -> list[str]:
        """Of these destinations those that have something to be taken back; who has nothing is told nothing."""
        if document.kind == messages.RETRACTION:
            return names
        have = results.holders(view, uid, document.kind)
        return [name for name in names if name in have]

    def _is_kept_here(self, images: Sequence[tuple[StoredImage, Use]]) -> bool:
        """Whether every image of the study is of the constancy test; results of anything else are sent."""
        drawn = bool(images) and all(InstanceFacts.from_json(i.facts).is_of_constancy_test for i, _ in images)
        return drawn and not self._send_qc

    def _make(
        self, preread: PreRead, images: Sequence[tuple[StoredImage, Use]], earlier: Mapping[str, str | None]
    ) -> _Made:
        silent = preread.outcome is Outcome.NOT_ANALYSED and not self._send_not_analysed
        wanted = () if silent else self._destinations
        made = _Made()
        self._sr(made, preread, images, [d.name for d in wanted if isinstance(d, _TAKES_DICOM)])
        for kind in beside.KINDS:
            takers = [d.name for d in wanted if isinstance(d, Beside) and kind in d.kinds()]
            if takers:
                self._beside(made, kind, preread, images, earlier[kind], takers)
        for destination in wanted:
            taken_back = preread.outcome is Outcome.WITHDRAWN and isinstance(destination, Hl7DestinationSettings)
            if isinstance(destination, _TAKES_HL7) and not taken_back:
                self._oru(made, "oru", preread, destination)
            elif isinstance(destination, WebhookDestinationSettings):
                self._json(made, preread, destination)
        return made

    def _sent(self, view: Connection, revision: Revision) -> dict[str, SentMessage | None]:
        """What each receiver of messages has of the study, or may have."""
        uid = revision.study_instance_uid
        return {d.name: messages.newest_sent(view, uid, d.name, revision.number) for d in self._receivers}

    def _retract(
        self, made: _Made, preread: PreRead, destination: Hl7DestinationSettings, sent: SentMessage | None
    ) -> None:
        """Take back what a receiver has, before it gets anything new: a person withdrew it, or it stands under a patient
        or an order that is not that of the study."""
        if sent is None:
            return

        def encode() -> bytes:
            old = self._files.verified(sent.path, offset=0, digest=sent.digest).read_bytes()
            if preread.outcome is not Outcome.WITHDRAWN and is_about(old, preread):
                return b""
            withdrawn = preread.outcome is Outcome.WITHDRAWN
            reason = preread.explanation if withdrawn else _CORRECTED
            return retraction_of(old, control_id=control_id, at=preread.analysed_at, reason=reason)

        control_id = derived_control_id("retraction", sent.identifier)
        words = f"what {destination.name} has could not be taken back"
        content = self._attempt(made, ("retraction-not-made", words), preread, encode)
        if content:
            document = self._keep(messages.RETRACTION, control_id, f"{control_id}.hl7", content)
            made.documents.insert(0, (document, [destination.name]))

    def _oru(self, made: _Made, kind: str, preread: PreRead, destination: DestinationSettings) -> None:
        control_id = control_id_for(preread, destination)
        missing = (
            "oru-not-made",
            f"no HL7 message for {destination.name} could be made from the headers of this study",
        )
        content = self._attempt(made, missing, preread, lambda: message_for(preread, destination))
        if content is not None:
            document = self._keep(kind, control_id, f"{control_id}.hl7", content)
            made.documents.append((document, [destination.name]))

    def _json(self, made: _Made, preread: PreRead, destination: WebhookDestinationSettings) -> None:
        identifier = control_id_for(preread, destination)
        missing = ("json-not-made", f"no result for {destination.name} could be made of this study")
        content = self._attempt(made, missing, preread, lambda: encode_result(replace(preread, control_id=identifier)))
        if content is not None:
            document = self._keep("json", identifier, f"{identifier}.json", content)
            made.documents.append((document, [destination.name]))

    def _sr(self, made: _Made, preread: PreRead, images: Sequence[tuple[StoredImage, Use]], takers: list[str]) -> None:
        def encode() -> bytes:
            return file_bytes(encode_sr(preread, [self._evidence(image) for image, _ in images]))

        missing = ("sr-not-made", "no Structured Report could be made from the headers of this study")
        content = self._attempt(made, missing, preread, encode)
        if content is not None:
            uid = preread.sr_instance_uid
            made.documents.append((self._keep("sr", uid, f"{uid}.dcm", content), takers))

    def _beside(
        self,
        made: _Made,
        kind: str,
        preread: PreRead,
        images: Sequence[tuple[StoredImage, Use]],
        earlier: str | None,
        takers: list[str],
    ) -> None:
        """A document for viewers that do not show the report; without it, they still get theirs."""

        def render(sop_instance_uid: str) -> Rendered:
            image = next(i for i, _ in images if i.sop_instance_uid == sop_instance_uid)
            return render_file(self._files.path(image.path))

        def encode() -> list[tuple[str, bytes]]:
            return beside.make(kind, preread, [self._evidence(image) for image, _ in images], render, earlier)

        for uid, content in self._attempt(made, beside.MISSING[kind], preread, encode) or ():
            made.documents.append((self._keep(kind, uid, f"{uid}.dcm", content), list(takers)))

    def _evidence(self, image: StoredImage) -> Dataset:
        path = self._files.path(image.path)
        if not path.is_file():
            words = f"the file of image {image.sop_instance_uid} is gone, so no Structured Report was made"
            raise Permanent(
                f"{words}; send the study again, or restore {image.path} and: preread retry", code="file-lost"
            )
        return load_header(path, undeclared=self._undeclared)

    def _attempt(self, made: _Made, missing: tuple[str, str], preread: PreRead, encode: Callable[[], _T]) -> _T | None:
        """What one kind of document came to; None, and said why, when it cannot be made: that costs nobody else theirs."""
        try:
            return encode()
        except Transient:
            raise
        except Permanent as error:
            made.missing.append((error.code, str(error)))
        except Exception as error:  # noqa: BLE001  our defect on a header nobody thought of: said in the study's history, and in the log
            code, words = missing
            self._log.error(
                code, study=preread.study.study_instance_uid, error_type=type(error).__name__, exc_info=True
            )
            made.missing.append((code, f"{words}; see the log of the office"))
        return None

    def _keep(self, kind: str, identifier: str, name: str, content: bytes) -> StoredDocument:
        path = self._files.put_document(content, name)
        return StoredDocument(kind, identifier, path, hashlib.sha256(content).hexdigest())
