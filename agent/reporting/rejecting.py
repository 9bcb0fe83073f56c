"""Which objects that are out have to be rejected: all, when a result was withdrawn; else those under another patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmread

from agent.reading.build import derived_uid
from agent.store.files import FileStore
from agent.store.rejections import StoredObject
from dicom_nodes.contexts import COMPREHENSIVE_SR
from structured_report.content import Outcome, PreRead
from structured_report.document import file_bytes
from structured_report.identity import Place
from structured_report.rejection_note import SERIES_NUMBER, as_stored, encode_rejection_note
from structured_report.sr import AS_COMPREHENSIVE_SR, SERIES_DESCRIPTION


@dataclass(frozen=True, slots=True)
class Rejection:
    """What one note names, and who is to get it.

    Attributes:
        identifier: SOP Instance UID of the note: one of what it names, so that the same rejection is the same object.
    """

    objects: tuple[StoredObject, ...]
    destinations: tuple[str, ...]

    @property
    def identifier(self) -> str:
        return derived_uid("rejection", *_named(self.objects))


def rejections(out: Iterable[StoredObject], preread: PreRead) -> list[Rejection]:
    """One for each patient under whom objects stand that must not, and for all destinations that have the same ones."""
    person = preread.study.patient
    right = (person.patient_id.strip(), person.issuer.strip())
    by_place: dict[tuple[str, tuple[str, str]], list[StoredObject]] = {}
    for one in out:
        if preread.outcome is Outcome.WITHDRAWN or one.patient != right:
            by_place.setdefault((one.destination, one.patient), []).append(one)
    same: dict[tuple[str, ...], list[list[StoredObject]]] = {}
    for objects in by_place.values():
        same.setdefault(_named(objects), []).append(objects)
    return [Rejection(tuple(group[0]), tuple(objects[0].destination for objects in group)) for group in same.values()]


def encode(rejection: Rejection, preread: PreRead, files: FileStore, *, reason: str) -> bytes:
    """The note as a DICOM file.

    Raises:
        Permanent: the file of an object is gone, or is not the one that was written.
    """
    stored = []
    for one in rejection.objects:
        content = files.verified(one.path, offset=0, digest=one.digest).read_bytes()
        stored.append(as_stored(dcmread(BytesIO(content)), _sop_class(one)))
    uid = rejection.identifier
    place = Place(derived_uid("rejection-series", uid), uid, SERIES_DESCRIPTION, SERIES_NUMBER)
    return file_bytes(encode_rejection_note(stored, preread, place, reason=reason))


def _sop_class(one: StoredObject) -> str:
    """As which it was stored there, where that is not the document's own."""
    return one.sop_class_uid or (COMPREHENSIVE_SR if one.words.endswith(AS_COMPREHENSIVE_SR) else "")


def _named(objects: Sequence[StoredObject]) -> tuple[str, ...]:
    """By instance and by what the archive calls its kind."""
    return tuple(f"{o.identifier} {_sop_class(o)}".strip() for o in objects)
