"""What the receive stage writes: instances, the studies they belong to, open associations and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, case, delete, insert, select

from agent.store.dialect import json_text, upsert
from agent.store.doomed import spare
from agent.store.schema import event, instance, open_study, refusal, study
from agent.work.queue import enqueue_all


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


_c = instance.c
_KEPT = (
    select(_c.version, _c.digest, _c.path, _c.data_set_offset, _c.transfer_syntax_uid, _c.study_instance_uid)
    .where(_c.sop_instance_uid == bindparam("uid"))
    .order_by(_c.version)
)


def kept_versions(view: Connection, sop_instance_uid: str) -> tuple[Kept, ...]:
    """Every kept version of that instance, oldest first."""
    return tuple(Kept(*row) for row in view.execute(_KEPT, {"uid": sop_instance_uid}))


# Statements are built once: building them costs more than running them, and every image runs each of them.
_GROWS = upsert(study).values(
    study_instance_uid=bindparam("uid"),
    state="receiving",
    first_received_at=bindparam("now"),
    last_received_at=bindparam("now"),
    revision=0,
)
_STUDY_GROWS = _GROWS.on_conflict_do_update(
    index_elements=["study_instance_uid"],
    set_={
        "last_received_at": _GROWS.excluded.last_received_at,
        # A study that waits for a person goes on waiting until it has been assembled anew.
        "state": case((study.c.state == "needs-attention", study.c.state), else_=_GROWS.excluded.state),
    },
)
_STATES = select(study.c.study_instance_uid, study.c.state).where(
    study.c.study_instance_uid.in_(bindparam("uids", expanding=True))
)
_STUDY_IS_OPEN = upsert(open_study).on_conflict_do_nothing()
_INSTANCE = insert(instance)


def record(tx: Connection, arrivals: Sequence[Arrival], *, now: datetime, quiet: timedelta) -> list[bool]:
    """Write a batch of arrivals and have their studies assembled after the quiet time.

    Returns:
        For each arrival whether it was written; False when another association wrote the same version of the same
        instance first, and then nothing of it is written.
    """
    won = _not_taken(tx, arrivals)
    winners = [a for a, ok in zip(arrivals, won, strict=True) if ok]
    if winners:
        _record_winners(tx, winners, now, quiet)
    return won


_TAKEN = select(_c.sop_instance_uid, _c.version).where(_c.sop_instance_uid.in_(bindparam("uids", expanding=True)))


def _not_taken(tx: Connection, arrivals: Sequence[Arrival]) -> list[bool]:
    """For each arrival whether its version of its instance is still free, also from those before it in the batch."""
    taken = {tuple(row) for row in tx.execute(_TAKEN, {"uids": [a.sop_instance_uid for a in arrivals]})}
    free = []
    for arrival in arrivals:
        key = (arrival.sop_instance_uid, arrival.version)
        free.append(key not in taken)
        taken.add(key)
    return free


def _record_winners(tx: Connection, arrivals: Sequence[Arrival], now: datetime, quiet: timedelta) -> None:
    spare(tx, [a.path for a in arrivals])
    uids = sorted({a.study_instance_uid for a in arrivals})
    _note_beginnings(tx, arrivals, uids, now)
    tx.execute(_STUDY_GROWS, [{"uid": uid, "now": now} for uid in uids])
    enqueue_all(tx, "assemble", uids, now=now, run_at=now + quiet)
    opened = sorted({(a.association_id, a.study_instance_uid) for a in arrivals})
    tx.execute(_STUDY_IS_OPEN, [{"association_id": a, "study_instance_uid": uid} for a, uid in opened])
    tx.execute(_INSTANCE, [{**{f: getattr(a, f) for f in _COLUMNS}, "received_at": now} for a in arrivals])


def _note_beginnings(tx: Connection, arrivals: Sequence[Arrival], uids: Sequence[str], now: datetime) -> None:
    """One line in the history when a study begins to arrive, or to grow again; not one for each image."""
    states = {str(r.study_instance_uid): str(r.state) for r in tx.execute(_STATES, {"uids": uids})}
    senders = {a.study_instance_uid: a.calling_ae_title for a in arrivals}
    begun = [
        {"at": now, "study_instance_uid": uid, "stage": "receive", "code": code, "words": f"from {senders[uid]}"}
        for uid in uids
        if (code := {None: "arriving", "receiving": ""}.get(states.get(uid), "growing"))
    ]
    if begun:
        tx.execute(insert(event), begun)


_COLUMNS = tuple(f.name for f in fields(Arrival) if f.name != "association_id")


def association_closed(tx: Connection, association_id: str) -> None:
    """Its studies no longer wait for it."""
    tx.execute(delete(open_study).where(open_study.c.association_id == association_id))


@dataclass(frozen=True, slots=True)
class CutOff:
    """What an association had brought of a study when the receiver died: whose it is and who sent it."""

    study_instance_uid: str
    patient_id: str
    calling_ae_title: str
    address: str


def no_association_is_open(tx: Connection) -> list[CutOff]:
    """A receiver that has just started has none, whatever its predecessor left behind; returns what that was."""
    c = instance.c
    rows = tx.execute(
        select(
            c.study_instance_uid,
            json_text(c.facts, "patient_id").label("patient_id"),
            c.calling_ae_title,
            c.address,
        )
        .where(c.study_instance_uid.in_(select(open_study.c.study_instance_uid)))
        .distinct()
        .order_by(c.study_instance_uid)
    )
    cut = [CutOff(*row) for row in rows]
    tx.execute(delete(open_study))
    return cut


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


def is_refused(view: Connection, refused: Refusal, *, at: datetime) -> bool:
    """Whether that very refusal is written down."""
    found = select(refusal.c.id).where(
        refusal.c.at == at,
        refusal.c.what == refused.what,
        refusal.c.calling_ae_title == refused.calling_ae_title[:16],
        refusal.c.reason == refused.reason,
        refusal.c.sop_instance_uid == refused.sop_instance_uid[:64],
    )
    return view.execute(found.limit(1)).first() is not None


def refuse(tx: Connection, refused: Refusal, *, now: datetime) -> None:
    """Write the refusal down, so that it can be seen and mended."""
    if refused.path:
        spare(tx, [refused.path])
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
