"""What a person should look at: parked work, studies that stand still or were not reported, files nobody knows.
Only reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, and_, cast, func, or_, select, union

from agent.imaging.facts import PHANTOM, QC_MARK
from agent.store.dialect import json_text
from agent.store.schema import delivery, document, event, instance, job, refusal, study, study_revision

STANDING_STILL = ("needs-attention", "not-analysed", "abstained")
# Codes of the notes that say that a document is missing.
NOT_MADE = ("sr-not-made", "oru-not-made", "json-not-made")
_MANY = 500  # names in one query; SQLite allows some thousands


@dataclass(frozen=True, slots=True)
class Parked:
    """A delivery that nobody tries any more. `words`: why, as the destination or this program said it."""

    study_instance_uid: str
    kind: str
    destination: str
    words: str


@dataclass(frozen=True, slots=True)
class ParkedJob:
    """A stage that nobody tries any more."""

    kind: str
    key: str
    error: str


def _deliveries() -> Any:
    return delivery.join(document, document.c.id == delivery.c.document_id).join(
        study_revision, study_revision.c.id == document.c.revision_id
    )


def _in_trouble() -> Select[Any]:
    """UIDs of the studies that a person should look at."""
    uid = study_revision.c.study_instance_uid
    failing = or_(delivery.c.state == "parked", (delivery.c.state == "waiting") & (delivery.c.attempts > 0))
    undelivered = select(uid).select_from(_deliveries()).where(failing)
    unasked = (  # a peer that was sent a report and cannot be asked to commit it
        select(uid)
        .select_from(_deliveries().join(job, job.c.key == cast(delivery.c.id, String)))
        .where(job.c.kind == "commit", job.c.error != "")
    )
    stages = (
        select(uid)
        .join(job, job.c.key == cast(study_revision.c.id, String))
        .where(job.c.kind.in_(("flag", "read", "report", "announce")), job.c.error != "")
    )
    assembly = select(job.c.key).where(job.c.kind == "assemble", job.c.error != "")
    # What became of a film of the constancy test is said by the test, and nobody waits for it.
    own = select(instance.c.id).where(instance.c.study_instance_uid == study.c.study_instance_uid)
    drawn = own.exists() & ~own.where(~is_of_constancy_test()).exists()
    standing = select(study.c.study_instance_uid).where(
        or_(study.c.state.in_(STANDING_STILL), study.c.reason.in_(NOT_MADE)), ~drawn
    )
    found = union(undelivered, unasked, stages, assembly, standing, _unreported()).subquery()
    return select(found.c[0])


def is_of_constancy_test() -> ColumnElement[bool]:
    """`InstanceFacts.is_of_constancy_test` of a row of `instance`."""

    def fact(name: str) -> Any:
        return func.coalesce(json_text(instance.c.facts, name), "")

    made_by = zip(("manufacturer", "manufacturer_model_name"), PHANTOM, strict=True)
    marked = [func.substr(fact(name), 1, len(QC_MARK)) == QC_MARK for name in ("patient_id", "accession_number")]
    return and_(*(fact(name) == value for name, value in made_by), *marked)


def _unreported() -> Select[Any]:
    """Studies of which a document could not be made and that nothing has been assembled of since."""
    newer = study_revision.c.study_instance_uid == event.c.study_instance_uid
    since = select(study_revision.c.id).where(newer, study_revision.c.created_at > event.c.at).exists()
    return select(event.c.study_instance_uid).where(event.c.code.in_(NOT_MADE), ~since)


def count_studies(view: Connection, *, only_trouble: bool = False) -> int:
    """How many studies there are, or are in trouble."""
    query = select(func.count()).select_from(study)
    if only_trouble:
        query = query.where(study.c.study_instance_uid.in_(_in_trouble()))
    return int(view.execute(query).scalar_one())


def newest_in_trouble(view: Connection, limit: int) -> tuple[str, ...]:
    """UIDs of the studies in trouble that grew last."""
    query = select(study.c.study_instance_uid).where(study.c.study_instance_uid.in_(_in_trouble()))
    return tuple(view.execute(query.order_by(study.c.last_received_at.desc()).limit(limit)).scalars())


def count_refusals(view: Connection) -> int:
    """How many refusals were written down."""
    return int(view.execute(select(func.count()).select_from(refusal)).scalar_one())


def parked_deliveries(view: Connection, uids: Sequence[str] | None = None) -> dict[str, list[Parked]]:
    """The parked deliveries of these studies, or of all, by study, oldest first."""
    query = (
        select(study_revision.c.study_instance_uid, document.c.kind, delivery.c.destination, delivery.c.words)
        .select_from(_deliveries())
        .where(delivery.c.state == "parked")
        .order_by(delivery.c.id)
    )
    parts = [None] if uids is None else [uids[n : n + _MANY] for n in range(0, len(uids), _MANY)]
    found: dict[str, list[Parked]] = {}
    for part in parts:
        rows = view.execute(query if part is None else query.where(study_revision.c.study_instance_uid.in_(part)))
        for row in rows:
            found.setdefault(str(row.study_instance_uid), []).append(Parked(*row))
    return found


def last_words(view: Connection) -> dict[str, str]:
    """Destination -> why the last of its parked deliveries was parked."""
    c = delivery.c
    newest = select(func.max(c.id)).where(c.state == "parked").group_by(c.destination)
    rows = view.execute(select(c.destination, c.words).where(c.id.in_(newest)))
    return {str(name): str(words) for name, words in rows}


def parked_stages(view: Connection) -> list[ParkedJob]:
    """Every parked job, oldest first."""
    rows = view.execute(select(job.c.kind, job.c.key, job.c.error).where(job.c.state == "parked").order_by(job.c.id))
    return [ParkedJob(*row) for row in rows]


def unreported(view: Connection) -> list[tuple[str, str]]:
    """(study UID, code) of the studies whose SR or ORU could not be made, oldest first."""
    uids = set(view.execute(_unreported()).scalars())
    rows = view.execute(
        select(event.c.study_instance_uid, event.c.code).where(event.c.code.in_(NOT_MADE)).order_by(event.c.id)
    )
    return list(dict.fromkeys((str(u), str(code)) for u, code in rows if u in uids))


def waiting_since(view: Connection) -> datetime | None:
    """When the oldest work that is due came in; None when nothing waits."""
    return view.execute(select(func.min(job.c.created_at)).where(job.c.state.in_(("waiting", "running")))).scalar()


def kept_paths(view: Connection) -> set[str]:
    """Relative paths of every image that the ledger knows."""
    return set(view.execute(select(instance.c.path)).scalars())
