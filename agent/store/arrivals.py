"""What the receive stage writes: instances, the studies they belong to, open associations and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from agent.store.schema import instance, open_study, refusal, study
from agent.work.queue import enqueue


@dataclass(frozen=True, slots=True)
class Arrival:
    """One image that lies safely on disk and is about to be acknowledged. `path` is relative to the storage root."""

    sop_instance_uid: str
    version: int
    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    digest: str
    size: int
    data_set_offset: int
    path: str
    calling_ae_title: str
    address: str
    association_id: str
    facts: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A version of an instance that is kept already."""

    version: int
    digest: str
    path: str
    data_set_offset: int
    transfer_syntax_uid: str
    study_instance_uid: str


def kept_versions(view: Connection, sop_instance_uid: str) -> tuple[Kept, ...]:
    """Every kept version of that instance, oldest first."""
    c = instance.c
    rows = view.execute(
        select(c.version, c.digest, c.path, c.data_set_offset, c.transfer_syntax_uid, c.study_instance_uid)
        .where(c.sop_instance_uid == sop_instance_uid)
        .order_by(c.version)
    )
    return tuple(Kept(*row) for row in rows)


def record(tx: Connection, arrivals: Sequence[Arrival], *, now: datetime, quiet: timedelta) -> list[bool]:
    """Write a batch of arrivals and have their studies assembled after the quiet time.

    Returns:
        For each arrival whether it was written; False when another association wrote the same version of the same
        instance first.
    """
    for uid in {a.study_instance_uid for a in arrivals}:
        tx.execute(
            upsert(study)
            .values(study_instance_uid=uid, state="receiving", first_received_at=now, last_received_at=now, revision=0)
            .on_conflict_do_update(
                index_elements=["study_instance_uid"], set_={"last_received_at": now, "state": "receiving"}
            )
        )
        enqueue(tx, "assemble", uid, now=now, run_at=now + quiet)
    for association_id, uid in {(a.association_id, a.study_instance_uid) for a in arrivals}:
        tx.execute(
            upsert(open_study).values(association_id=association_id, study_instance_uid=uid).on_conflict_do_nothing()
        )
    return [_record_one(tx, a, now) for a in arrivals]


def _record_one(tx: Connection, arrival: Arrival, now: datetime) -> bool:
    written = tx.execute(
        upsert(instance)
        .values(
            sop_instance_uid=arrival.sop_instance_uid,
            version=arrival.version,
            study_instance_uid=arrival.study_instance_uid,
            series_instance_uid=arrival.series_instance_uid,
            sop_class_uid=arrival.sop_class_uid,
            transfer_syntax_uid=arrival.transfer_syntax_uid,
            digest=arrival.digest,
            size=arrival.size,
            data_set_offset=arrival.data_set_offset,
            path=arrival.path,
            calling_ae_title=arrival.calling_ae_title,
            address=arrival.address,
            received_at=now,
            facts=arrival.facts,
        )
        .on_conflict_do_nothing()
    )
    return written.rowcount == 1


def association_closed(tx: Connection, association_id: str) -> None:
    """Its studies no longer wait for it."""
    tx.execute(delete(open_study).where(open_study.c.association_id == association_id))


def no_association_is_open(tx: Connection) -> None:
    """A receiver that has just started has none, whatever its predecessor left behind."""
    tx.execute(delete(open_study))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not accepted: an association or an instance. `path` is the quarantined file, relative to the
    storage root."""

    what: str
    calling_ae_title: str
    called_ae_title: str
    address: str
    status: str
    reason: str
    comment: str
    sop_instance_uid: str = ""
    path: str = ""


def refuse(tx: Connection, refused: Refusal, *, now: datetime) -> None:
    """Write the refusal down, so that it can be seen and mended."""
    tx.execute(
        insert(refusal).values(
            at=now,
            what=refused.what,
            calling_ae_title=refused.calling_ae_title[:16],
            called_ae_title=refused.called_ae_title[:16],
            address=refused.address,
            status=refused.status,
            reason=refused.reason,
            comment=refused.comment,
            sop_instance_uid=refused.sop_instance_uid[:64],
            path=refused.path,
        )
    )
