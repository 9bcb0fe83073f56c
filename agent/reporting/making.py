"""What is made of a revision: the bytes of every document, and who is to get them. Nothing is kept, and nothing is sent.

The report stage keeps and enqueues what is made here; `preread preview` shows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog
from pydicom import Dataset
from sqlalchemy import Connection

from agent.errors import Permanent, Transient
from agent.imaging.facts import InstanceFacts
from agent.imaging.headers import header_from, load_header
from agent.imaging.render import Rendered, render_file
from agent.reading.build import derived_control_id
from agent.reporting import beside, rejecting
from agent.reporting.compose import compose, compose_flag
from agent.reporting.messages import control_id_for, message_for
from agent.reporting.rejecting import Rejection
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
from agent.store import flags, messages, priors, rejections, results, retention, studies
from agent.store.files import FileStore
from agent.store.messages import SentMessage
from agent.store.rejections import StoredObject
from agent.store.results import StoredReading
from agent.store.studies import Revision, StoredImage, Use
from structured_report.content import Outcome, PreRead
from structured_report.result_json import encode_result
from structured_report.retraction import is_about, retraction_of
from structured_report.sr import encode_sr, file_bytes

_TAKES_DICOM = (DicomDestinationSettings, StowDestinationSettings, FolderDestinationSettings)
_TAKES_HL7 = (Hl7DestinationSettings, FolderDestinationSettings)

_CORRECTED = (
    "the patient or the order of the study was corrected; where a new result is sent, it stands under the right one"
)
_SUFFIX = {"sr": ".dcm", results.NOTE: ".dcm", "json": ".json", **dict.fromkeys(beside.KINDS, ".dcm")}
_T = TypeVar("_T")

Images = Sequence[tuple[StoredImage, Use]]


@dataclass(frozen=True, slots=True)
class MadeDocument:
    """One finished document, in memory, and the names of the destinations that are to get it."""

    kind: str
    identifier: str
    content: bytes
    destinations: tuple[str, ...]

    @property
    def file_name(self) -> str:
        return f"{self.identifier}{_SUFFIX.get(self.kind, '.hl7')}"

    @property
    def digest(self) -> str:
        """sha256 hex of the content."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(slots=True)
class Made:
    """The documents of a revision in the order in which they are to be sent, and (code, words) of what could not be made.

    Attributes:
        kept_here: nobody gets any of them: they are about films of the constancy test.
    """

    documents: list[MadeDocument] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    kept_here: bool = False

    def keep_here(self) -> None:
        """Nobody gets any of them."""
        self.documents = [replace(d, destinations=()) for d in self.documents]
        self.kept_here = True


@dataclass(frozen=True, slots=True)
class Material:
    """What the ledger knows of a revision that has been read.

    Attributes:
        sent: what each receiver of messages has of the study, or may have.
        earlier: SOP Instance UID of what stands beside an earlier report and is out, by kind.
        holders: names of the destinations that have, or may have, a document of that kind about the study, by kind.
        standing: those with whom a result of it stands, that is, with whom it was not taken back since.
        let_go: paths of images that are not here any more because of their age.
        out: the objects of earlier revisions that destinations have, or may have, and that no note has rejected.
    """

    reading: StoredReading
    images: Images
    preread: PreRead
    sent: dict[str, SentMessage | None]
    earlier: dict[str, str | None]
    holders: dict[str, set[str]]
    standing: set[str]
    let_go: set[str]
    out: tuple[StoredObject, ...]


class Making:
    """Makes the documents of a revision for the destinations of the settings."""

    def __init__(self, files: FileStore, settings: Settings) -> None:
        self._files = files
        self._destinations = settings.destinations
        self._receivers = [d for d in settings.destinations if isinstance(d, _TAKES_HL7)]
        self._told_by_notes = {d.name for d in settings.destinations if isinstance(d, Beside) and d.rejection_note}
        self._undeclared = settings.intake.undeclared_character_set
        self._send_not_analysed, self._send_qc = settings.report.send_not_analysed, settings.qc.send
        self._log = structlog.get_logger()

    def material(self, view: Connection, revision: Revision) -> Material | None:
        """What the documents are made from; None when the revision has not been read."""
        reading = results.reading_of(view, revision.id)
        if reading is None:
            return None
        images = studies.images_of_revision(view, revision.id)
        uid, number = revision.study_instance_uid, revision.number
        superseded = results.newest_sent_sr(view, uid, number)
        earlier = {kind: results.newest_sent(view, uid, number, kind) for kind in beside.KINDS}
        flag, prior = flags.flag_of(view, revision.id), priors.used_by(view, revision.id)
        preread = compose(revision, images, reading, superseded, flag, prior)
        holders = {kind: results.holders(view, uid, kind) for kind in beside.KINDS}
        standing = results.with_a_result(view, uid)
        let_go = retention.paths_let_go(view, uid)
        sent, out = self.sent(view, revision), self.out(view, revision)
        return Material(reading, images, preread, sent, earlier, holders, standing, let_go, out)

    def sent(self, view: Connection, revision: Revision) -> dict[str, SentMessage | None]:
        """What each receiver of messages has of the study, or may have."""
        uid = revision.study_instance_uid
        return {d.name: messages.newest_sent(view, uid, d.name, revision.number) for d in self._receivers}

    def out(self, view: Connection, revision: Revision) -> tuple[StoredObject, ...]:
        """The objects that whoever is told by rejection notes has, or may have, and that none has rejected."""
        if not self._told_by_notes:
            return ()
        found = rejections.not_rejected(view, revision.study_instance_uid, revision.number)
        return tuple(one for one in found if one.destination in self._told_by_notes)

    def result(self, material: Material) -> Made:
        """The documents about a revision that has been read.

        Whoever has something of the study gets what takes its place, though the settings would send nobody such a thing any more:
        else what is wrong by now would go on standing there.
        """
        made, preread = Made(), material.preread
        for receiver in self._receivers:
            self._retract(made, preread, receiver, material.sent[receiver.name])
        self._reject(made, material)
        silent = preread.outcome is Outcome.NOT_ANALYSED and not self._send_not_analysed
        wanted = [d for d in self._destinations if not silent or d.name in material.standing]
        self._sr(made, material, tuple(d.name for d in wanted if isinstance(d, _TAKES_DICOM)))
        for kind in beside.KINDS:
            takers = tuple(d.name for d in wanted if _gets(d, kind, material))
            if takers:
                self._beside(made, kind, material, takers)
        for destination in wanted:
            if isinstance(destination, _TAKES_HL7):
                if preread.outcome is not Outcome.WITHDRAWN:  # that is what the retraction says
                    self._oru(made, "oru", preread, destination)
            elif isinstance(destination, WebhookDestinationSettings):
                self._json(made, preread, destination)
        return self._sent_or_kept(made, material.images)

    def flag(self, view: Connection, revision: Revision) -> Made | None:
        """The messages about a revision that has only been flagged, for those who want them before the report; None when it
        has not been."""
        flag = flags.flag_of(view, revision.id)
        if flag is None:
            return None
        images = studies.images_of_revision(view, revision.id)
        preread, made = compose_flag(revision, images, flag), Made()
        for d in self._receivers:
            if isinstance(d, Hl7DestinationSettings) and d.send_flag:
                self._oru(made, "flag", preread, d)
        return self._sent_or_kept(made, images)

    def _sent_or_kept(self, made: Made, images: Images) -> Made:
        """Results of the constancy test stay here, where every image of the study is of it; those of anything else are sent."""
        drawn = bool(images) and all(InstanceFacts.from_json(i.facts).is_of_constancy_test for i, _ in images)
        if drawn and not self._send_qc:
            made.keep_here()
        return made

    def _retract(
        self, made: Made, preread: PreRead, destination: DestinationSettings, sent: SentMessage | None
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
            made.documents.append(MadeDocument(messages.RETRACTION, control_id, content, (destination.name,)))

    def _reject(self, made: Made, material: Material) -> None:
        """Tell archives that hide what is rejected which objects they must not show any more."""
        preread = material.preread
        reason = preread.explanation if preread.outcome is Outcome.WITHDRAWN else _CORRECTED
        for one in rejecting.rejections(material.out, preread):
            words = f"no rejection note could be made for {' and '.join(one.destinations)}"

            def encode(one: Rejection = one) -> bytes:
                return rejecting.encode(one, preread, self._files, reason=reason)

            content = self._attempt(made, ("rejection-not-made", words), preread, encode)
            if content is not None:
                made.documents.append(MadeDocument(results.NOTE, one.identifier, content, one.destinations))

    def _oru(self, made: Made, kind: str, preread: PreRead, destination: DestinationSettings) -> None:
        missing = (
            "oru-not-made",
            f"no HL7 message for {destination.name} could be made from the headers of this study",
        )
        content = self._attempt(made, missing, preread, lambda: message_for(preread, destination))
        if content is not None:
            control_id = control_id_for(preread, destination)
            made.documents.append(MadeDocument(kind, control_id, content, (destination.name,)))

    def _json(self, made: Made, preread: PreRead, destination: WebhookDestinationSettings) -> None:
        identifier = control_id_for(preread, destination)
        missing = ("json-not-made", f"no result for {destination.name} could be made of this study")
        content = self._attempt(made, missing, preread, lambda: encode_result(replace(preread, control_id=identifier)))
        if content is not None:
            made.documents.append(MadeDocument("json", identifier, content, (destination.name,)))

    def _sr(self, made: Made, material: Material, takers: tuple[str, ...]) -> None:
        preread = material.preread

        def encode() -> bytes:
            return file_bytes(encode_sr(preread, self._evidence(material)))

        missing = ("sr-not-made", "no Structured Report could be made from the headers of this study")
        content = self._attempt(made, missing, preread, encode)
        if content is not None:
            made.documents.append(MadeDocument("sr", preread.sr_instance_uid, content, takers))

    def _beside(self, made: Made, kind: str, material: Material, takers: tuple[str, ...]) -> None:
        """A document for viewers that do not show the report; without it, they still get theirs."""
        preread, images = material.preread, material.images

        def render(sop_instance_uid: str) -> Rendered:
            image = next(i for i, _ in images if i.sop_instance_uid == sop_instance_uid)
            path = self._files.path(image.path)
            if not path.is_file():
                raise Permanent(
                    f"the file of image {sop_instance_uid} is gone, so that it cannot be shown", code="file-lost"
                )
            return render_file(path)

        def encode() -> list[tuple[str, bytes]]:
            return beside.make(kind, preread, self._evidence(material), render, material.earlier[kind])

        for uid, content in self._attempt(made, beside.MISSING[kind], preread, encode) or ():
            made.documents.append(MadeDocument(kind, uid, content, takers))

    def _evidence(self, material: Material) -> list[Dataset]:
        """The headers of the images. Of what was let go, and of whatever is gone when a result is taken back, what the ledger knows
        of them is enough: what stands under a wrong patient, or was withdrawn, must not stand on for want of a file."""
        withdrawn = material.preread.outcome is Outcome.WITHDRAWN
        return [self._header(i, by_facts=withdrawn or i.path in material.let_go) for i, _ in material.images]

    def _header(self, image: StoredImage, *, by_facts: bool) -> Dataset:
        path = self._files.path(image.path)
        try:
            if path.is_file():
                return load_header(path, undeclared=self._undeclared)
        except Permanent:
            if not by_facts:
                raise
        if by_facts:
            return header_from(InstanceFacts.from_json(image.facts))
        words = f"the file of image {image.sop_instance_uid} is gone, so no Structured Report was made"
        raise Permanent(f"{words}; send the study again, or restore {image.path} and: preread retry", code="file-lost")

    def _attempt(self, made: Made, missing: tuple[str, str], preread: PreRead, encode: Callable[[], _T]) -> _T | None:
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


def _gets(destination: DestinationSettings, kind: str, material: Material) -> bool:
    """Whether a destination gets that kind of document beside the report: it is switched on, or one that it has is to be replaced.
    Of films that were let go nobody gets a first one."""
    if not isinstance(destination, Beside):
        return False
    return destination.name in material.holders[kind] or (kind in destination.kinds() and not material.let_go)
