"""What an archive has of a study that a rejection note (Key Object Selection) may have to name."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from agent.store.results import NOTE, OBJECTS, may_have_it
from agent.store.schema import commitment, delivery, document, report_shortfall, study_revision


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that a destination has, or may have.

    Attributes:
        path: relative to the storage root.
        patient: (Patient ID, issuer) that it stands under.
        words: the destination's own, with which it was taken.
        sop_class_uid: as which it was stored; empty where only the words say so.
    """

    destination: str
    identifier: str
    path: str
    digest: str
    patient: tuple[str, str]
    words: str
    sop_class_uid: str


def not_rejected(view: Connection, study_instance_uid: str, before_revision: int) -> tuple[StoredObject, ...]:
    """The objects of earlier revisions that are out and that no earlier note has had before it, in their order; where not all could be
    made that should have been, some of them again."""
    c, noted = study_revision.c, study_revision.alias()
    note, sent = document.alias(), delivery.alias()
    newest_note = (
        select(func.max(noted.c.number))
        .select_from(note)
        .join(noted, noted.c.id == note.c.revision_id)
        .join(sent, sent.c.document_id == note.c.id)
        .where(
            noted.c.study_instance_uid == study_instance_uid,
            noted.c.number < before_revision,
            note.c.kind == NOTE,
            noted.c.id.not_in(select(report_shortfall.c.revision_id)),  # another note of it may not have been made
            sent.c.destination == delivery.c.destination,
        )
        .scalar_subquery()
    )
    rows = view.execute(
        select(
            delivery.c.destination,
            document.c.identifier,
            document.c.path,
            document.c.digest,
            c.study,
            delivery.c.words,
            commitment.c.sop_class_uid,
        )
        .select_from(delivery)
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, c.id == document.c.revision_id)
        .outerjoin(commitment, commitment.c.delivery_id == delivery.c.id)
        .where(
            c.study_instance_uid == study_instance_uid,
            c.number < before_revision,
            document.c.kind.in_(OBJECTS),
            may_have_it(),
            or_(newest_note.is_(None), c.number >= newest_note),
        )
        .order_by(c.number, document.c.id, delivery.c.id)
    )
    return tuple(
        StoredObject(
            r.destination, r.identifier, r.path, r.digest, _number(r.study["patient"]), r.words, r.sop_class_uid or ""
        )
        for r in rows
    )


def _number(patient: dict[str, str]) -> tuple[str, str]:
    return patient["patient_id"].strip(), patient["issuer"].strip()
