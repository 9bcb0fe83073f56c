"""What people look at: studies, one study's way, refusals, backlog. Only reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, String, and_, cast, func, or_, select

from agent.store import commitments, heard, identity, qc
from agent.store.dialect import json_text
from agent.store.schema import (
    delivery,
    document,
    event,
    flag,
    instance,
    job,
    reading,
    refusal,
    study,
    study_revision,
    study_stop,
    urgency,
)


@dataclass(frozen=True, slots=True)
class StudyLine:
    """One study in a list. `deliveries` counts by state, `waiting_for` says why it stands still, if it does."""

    study_instance_uid: str
    state: str
    reason: str
    explanation: str
    revision: int
    images: int
    first_received_at: datetime
    last_received_at: datetime
    about: dict[str, Any]
    deliveries: dict[str, int]
    error: str
    priority: str
    reasons: tuple[str, ...]


def studies(view: Connection, *, limit: int = 100, only: Sequence[str] = ()) -> tuple[StudyLine, ...]:
    """The studies that grew last, newest first; `only` names study UIDs."""
    query = select(study).order_by(study.c.last_received_at.desc()).limit(limit)
    if only:
        query = query.where(study.c.study_instance_uid.in_(only))
    return tuple(_line(view, row) for row in view.execute(query).all())


def _line(view: Connection, row: Any) -> StudyLine:
    uid = row.study_instance_uid
    images = view.execute(
        select(func.count(func.distinct(instance.c.sop_instance_uid))).where(instance.c.study_instance_uid == uid)
    ).scalar_one()
    about = view.execute(
        select(study_revision.c.study).where(
            study_revision.c.study_instance_uid == uid, study_revision.c.number == row.revision
        )
    ).scalar()
    counts = view.execute(
        select(delivery.c.state, func.count())
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(study_revision.c.study_instance_uid == uid)
        .group_by(delivery.c.state)
    )
    errors = view.execute(
        select(job.c.error).where(jobs_of(uid), job.c.error != "").order_by(job.c.id.desc()).limit(1)
    ).scalar()
    rank = view.execute(
        select(urgency.c.priority, urgency.c.reasons).where(urgency.c.study_instance_uid == uid)
    ).first()
    return StudyLine(
        uid,
        row.state,
        row.reason,
        row.explanation,
        row.revision,
        int(images),
        row.first_received_at,
        row.last_received_at,
        about or {},
        {state: int(n) for state, n in counts},
        errors or "",
        rank.priority if rank else "",
        tuple(rank.reasons) if rank else (),
    )


_KEYED_BY = {
    **dict.fromkeys(("assemble", "worklist"), "study"),
    **dict.fromkeys(("prior", "flag", "read", "report", "announce"), "revision"),
    **dict.fromkeys(("deliver", "commit"), "delivery"),
}
"""Kind of the jobs that are about a study, and what their keys name."""
_MANY = 500  # names in one query; SQLite allows some thousands


def _kinds_by(what: str) -> list[str]:
    return [kind for kind, named in _KEYED_BY.items() if named == what]


def jobs_of(uid: str) -> Any:
    """The condition that a job is about that study."""
    revisions = select(study_revision.c.id).where(study_revision.c.study_instance_uid == uid)
    deliveries = (
        select(cast(delivery.c.id, String))
        .join(document, document.c.id == delivery.c.document_id)
        .where(document.c.revision_id.in_(revisions))
    )
    keys = select(cast(study_revision.c.id, String)).where(study_revision.c.study_instance_uid == uid)
    return or_(
        and_(job.c.kind.in_(_kinds_by("study")), job.c.key == uid),
        and_(job.c.kind.in_(_kinds_by("revision")), job.c.key.in_(keys)),
        and_(job.c.kind.in_(_kinds_by("delivery")), job.c.key.in_(deliveries)),
    )


def read_since(view: Connection, since: datetime) -> list[str]:
    """UIDs of the studies that arrived since then and were assembled, oldest first; none that a person withdrew, and no film of
    the constancy test."""
    c = study.c
    withdrawn = select(study_stop.c.study_instance_uid).where(study_stop.c.kind == identity.WITHDRAWN)
    uids = view.execute(
        select(c.study_instance_uid)
        .where(c.last_received_at >= since, c.revision > 0, c.study_instance_uid.not_in(withdrawn))
        .order_by(c.first_received_at)
    ).scalars()
    drawn = qc.films_since(view, since)
    return [str(u) for u in uids if u not in drawn]


def any_job_of(view: Connection, uid: str) -> bool:
    """Whether anything is still to be done, or has failed to be done, about that study."""
    return view.execute(select(job.c.id).where(jobs_of(uid)).limit(1)).first() is not None


def studies_with_jobs(view: Connection) -> set[str]:
    """UIDs of all the studies that `any_job_of` is true of."""
    keys: dict[str, set[str]] = {}
    for kind, key in view.execute(select(job.c.kind, job.c.key)):
        keys.setdefault(_KEYED_BY.get(kind, ""), set()).add(str(key))
    by_revision = select(study_revision.c.study_instance_uid)
    by_delivery = (
        by_revision.join(document, document.c.revision_id == study_revision.c.id)
        .join(delivery, delivery.c.document_id == document.c.id)
    )  # fmt: skip
    found = keys.get("study", set())
    for query, column, what in (
        (by_revision, study_revision.c.id, "revision"),
        (by_delivery, delivery.c.id, "delivery"),
    ):
        ids = sorted(int(key) for key in keys.get(what, ()) if key.isdecimal())
        for first in range(0, len(ids), _MANY):
            rows = view.execute(query.where(column.in_(ids[first : first + _MANY])))
            found |= {str(uid) for uid in rows.scalars()}
    return found


def find_study(view: Connection, text: str) -> tuple[str, ...]:
    """UIDs of the studies a person may mean: by Study Instance UID, by its end, or by an accession number of one of its
    images, not yet assembled ones included."""
    exact = view.execute(select(study.c.study_instance_uid).where(study.c.study_instance_uid == text)).scalar()
    if exact:
        return (str(exact),)
    by_accession = select(instance.c.study_instance_uid).where(json_text(instance.c.facts, "accession_number") == text)
    by_end = select(study.c.study_instance_uid).where(study.c.study_instance_uid.endswith(text, autoescape=True))
    found = {str(u) for u in view.execute(by_accession).scalars()} | {str(u) for u in view.execute(by_end).scalars()}
    return tuple(sorted(found))


def history(view: Connection, uid: str) -> list[dict[str, Any]]:
    """Every event of a study, oldest first."""
    rows = view.execute(select(event).where(event.c.study_instance_uid == uid).order_by(event.c.id))
    return [dict(r._mapping) for r in rows]


def deliveries(view: Connection, uid: str) -> list[dict[str, Any]]:
    """Every delivery of a study, oldest first, with its document."""
    rows = view.execute(
        select(
            delivery.c.id, delivery.c.destination, delivery.c.state, delivery.c.attempts, delivery.c.words, delivery.c.next_try_at,
            delivery.c.finished_at, document.c.kind, document.c.identifier, document.c.path, study_revision.c.number.label("revision"),
        )
        .join(document, document.c.id == delivery.c.document_id)
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(study_revision.c.study_instance_uid == uid)
        .order_by(delivery.c.id)
    )  # fmt: skip
    return [dict(r._mapping) for r in rows]


def documents(view: Connection, uid: str) -> list[dict[str, Any]]:
    """Every document about a study, oldest first, with the number of deliveries that were asked for it."""
    asked = select(func.count()).where(delivery.c.document_id == document.c.id).scalar_subquery().label("deliveries")
    rows = view.execute(
        select(
            document.c.kind, document.c.identifier, document.c.path, document.c.created_at,
            study_revision.c.number.label("revision"), asked,
        )
        .join(study_revision, study_revision.c.id == document.c.revision_id)
        .where(study_revision.c.study_instance_uid == uid)
        .order_by(document.c.id)
    )  # fmt: skip
    return [dict(r._mapping) for r in rows]


def refusals(view: Connection, *, limit: int = 50, before: int = 0) -> list[dict[str, Any]]:
    """What was refused, newest first; `before`: only what was refused earlier than the refusal of that id."""
    query = select(refusal).order_by(refusal.c.id.desc()).limit(limit)
    rows = view.execute(query.where(refusal.c.id < before) if before else query)
    return [dict(r._mapping) for r in rows]


def backlog(view: Connection) -> list[dict[str, Any]]:
    """Jobs by kind, lane and state, with the time of the oldest."""
    rows = view.execute(
        select(
            job.c.kind, job.c.lane, job.c.state, func.count().label("count"), func.min(job.c.created_at).label("oldest")
        ).group_by(job.c.kind, job.c.lane, job.c.state)
    )
    return [dict(r._mapping) for r in rows]


def parked_jobs(view: Connection, uid: str) -> list[tuple[str, str, str]]:
    """(kind, key, lane) of the parked jobs of a study."""
    parked = select(job.c.kind, job.c.key, job.c.lane).where(jobs_of(uid), job.c.state == "parked").order_by(job.c.id)
    rows = view.execute(parked)
    return [(str(r.kind), str(r.key), str(r.lane)) for r in rows]


def failing_jobs(view: Connection, uid: str) -> list[tuple[str, str, str]]:
    """(kind, state, error) of the jobs about a study that failed when they were last tried."""
    failed = select(job.c.kind, job.c.state, job.c.error).where(jobs_of(uid), job.c.error != "").order_by(job.c.id)
    rows = view.execute(failed)
    return [(str(r.kind), str(r.state), str(r.error)) for r in rows]


def open_jobs(view: Connection, uid: str) -> set[str]:
    """Kinds of the jobs about a study that wait or are being done, the acting on messages not among them."""
    rows = view.execute(select(job.c.kind).where(jobs_of(uid), job.c.state.in_(("waiting", "running"))).distinct())
    return {str(kind) for kind in rows.scalars()}


def unfinished_deliveries(view: Connection) -> int:
    """How many deliveries wait."""
    return int(view.execute(select(func.count()).where(delivery.c.state == "waiting")).scalar_one())


def waiting_destinations(view: Connection) -> set[str]:
    """Names of the destinations for which deliveries wait."""
    return set(view.execute(select(delivery.c.destination).where(delivery.c.state == "waiting").distinct()).scalars())


def without_job(view: Connection) -> list[tuple[str, str, str]]:
    """(kind, key, lane) of work that the tables call for and no job stands for."""

    def has_job(kind: str, key: Any) -> Any:
        return select(job.c.id).where(job.c.kind == kind, job.c.key == cast(key, String)).exists()

    missing: list[tuple[str, str, str]] = []
    missing += [
        ("assemble", u, "")
        for u in identity.unsettled(view)
        if view.execute(select(1).where(~has_job("assemble", u))).first()
    ]
    missing += [
        ("orders", str(n), "")
        for n in heard.waiting(view)
        if view.execute(select(1).where(~has_job("orders", n))).first()
    ]
    growing = select(study.c.study_instance_uid).where(
        study.c.state == "receiving", ~has_job("assemble", study.c.study_instance_uid)
    )
    missing += [("assemble", str(u), "") for u in view.execute(growing).scalars()]
    newest = study_revision.join(
        study,
        (study.c.study_instance_uid == study_revision.c.study_instance_uid)
        & (study.c.revision == study_revision.c.number),
    )
    unread = (
        select(study_revision.c.id)
        .select_from(newest.outerjoin(reading, reading.c.revision_id == study_revision.c.id))
        .where(
            reading.c.revision_id.is_(None),
            ~has_job("flag", study_revision.c.id),
            ~has_job("read", study_revision.c.id),
        )
    )
    unread_ids = list(view.execute(unread).scalars())
    flagged = set(view.execute(select(flag.c.revision_id).where(flag.c.revision_id.in_(unread_ids))).scalars())
    missing += [("read" if i in flagged else "flag", str(i), "") for i in unread_ids]
    unreported = (
        select(study_revision.c.id)
        .select_from(
            newest.join(reading, reading.c.revision_id == study_revision.c.id).outerjoin(
                document, document.c.revision_id == study_revision.c.id
            )
        )
        .where(document.c.id.is_(None), ~has_job("report", study_revision.c.id))
    )
    missing += [("report", str(i), "") for i in view.execute(unreported).scalars()]
    unsent = select(delivery.c.id, delivery.c.destination).where(
        delivery.c.state == "waiting", ~has_job("deliver", delivery.c.id)
    )
    missing += [("deliver", str(r.id), str(r.destination)) for r in view.execute(unsent)]
    missing += [("commit", str(i), lane) for i, lane in commitments.without_job(view)]
    return missing
