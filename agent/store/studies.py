"""What the assemble stage reads and writes: a study's images, and the revisions made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from agent.store.schema import event, image_use, image_use_change, instance, open_study, study, study_revision


@dataclass(frozen=True, slots=True)
class StoredImage:
    """The newest version of one instance of a study. `facts` is the JSON of `InstanceFacts`, `path` is relative to
    the storage root."""

    instance_id: int
    sop_instance_uid: str
    version: int
    digest: str
    path: str
    data_set_offset: int
    transfer_syntax_uid: str
    facts: str


@dataclass(frozen=True, slots=True)
class Use:
    """What a revision does with one stored image."""

    instance_id: int
    used: bool
    role: str
    reason: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Revision:
    """One set of images of a study. `study` is the JSON form of `structured_report.content.Study`."""

    id: int
    study_instance_uid: str
    number: int
    set_key: str
    study: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When a study last grew, and whether an association that brought some of it is still open."""

    last_received_at: datetime
    association_open: bool
    state: str


NEEDS_ATTENTION = "needs-attention"
"""The state of a study about whose patient or order there is a doubt: nothing about it leaves until a person has looked."""
REPORTED = "reported"
"""The state of a study whose report a person has finished: results that come later are made and sent to nobody."""
OVER = ("read", "abstained", "not-analysed")
"""States in which the draft is as far as it gets. Such a study stays in its state when a person finishes the report, and is shown as
reported all the same: `agent.store.identity` keeps what was heard."""


def state_of(view: Connection, study_instance_uid: str) -> str:
    """Where the study stands. The study must exist."""
    found = view.execute(select(study.c.state).where(study.c.study_instance_uid == study_instance_uid))
    return str(found.scalar_one())


def arrivals_of(view: Connection, study_instance_uid: str) -> Arrivals:
    """How a study's arrival stands. The study must exist."""
    row = view.execute(
        select(study.c.last_received_at, study.c.state).where(study.c.study_instance_uid == study_instance_uid)
    ).one()
    waiting = select(func.count()).where(open_study.c.study_instance_uid == study_instance_uid)
    return Arrivals(row.last_received_at, bool(view.execute(waiting).scalar_one()), row.state)


def images_of(view: Connection, study_instance_uid: str) -> tuple[StoredImage, ...]:
    """The newest version of each instance, in the order of SOP Instance UID."""
    c = instance.c
    newest = (
        select(c.sop_instance_uid, func.max(c.version).label("version"))
        .where(c.study_instance_uid == study_instance_uid)
        .group_by(c.sop_instance_uid)
        .subquery()
    )
    rows = view.execute(
        select(c.id, c.sop_instance_uid, c.version, c.digest, c.path, c.data_set_offset, c.transfer_syntax_uid, c.facts)
        .join(newest, (newest.c.sop_instance_uid == c.sop_instance_uid) & (newest.c.version == c.version))
        .order_by(c.sop_instance_uid)
    )
    return tuple(StoredImage(*row) for row in rows)


def set_facts(tx: Connection, instance_id: int, facts: str) -> None:
    """What the header of a kept image says, when it is understood better than before."""
    tx.execute(update(instance).where(instance.c.id == instance_id).values(facts=facts))


def newest_revision(view: Connection, study_instance_uid: str) -> Revision | None:
    """The revision with the highest number, if there is one."""
    c = study_revision.c
    row = view.execute(
        select(c.id, c.study_instance_uid, c.number, c.set_key, c.study)
        .where(c.study_instance_uid == study_instance_uid)
        .order_by(c.number.desc())
        .limit(1)
    ).first()
    return None if row is None else Revision(*row)


def revision(view: Connection, revision_id: int) -> Revision:
    """The revision of that id; it must exist."""
    c = study_revision.c
    row = view.execute(
        select(c.id, c.study_instance_uid, c.number, c.set_key, c.study).where(c.id == revision_id)
    ).one()
    return Revision(*row)


def patient_of(view: Connection, study_instance_uid: str, number: int) -> str:
    """The Patient ID under which that revision was reported; empty when there is none."""
    c = study_revision.c
    about = view.execute(select(c.study).where(c.study_instance_uid == study_instance_uid, c.number == number))
    return str(about.scalar_one()["patient"]["patient_id"])


def images_of_revision(view: Connection, revision_id: int) -> tuple[tuple[StoredImage, Use], ...]:
    """The images of a revision, in the order of SOP Instance UID, with what is done with each, or was."""
    c, u, x = instance.c, image_use.c, image_use_change.c
    uses = [func.coalesce(x[name], u[name]).label(name) for name in ("used", "role", "reason", "explanation")]
    rows = view.execute(
        select(
            c.id, c.sop_instance_uid, c.version, c.digest, c.path, c.data_set_offset, c.transfer_syntax_uid, c.facts, *uses,
        )
        .join(image_use, u.instance_id == c.id)
        .outerjoin(image_use_change, (x.instance_id == c.id) & (x.revision_id == u.revision_id))
        .where(u.revision_id == revision_id)
        .order_by(c.sop_instance_uid)
    )  # fmt: skip
    return tuple(
        (StoredImage(*row[:8]), Use(row.id, bool(row.used), row.role, row.reason, row.explanation)) for row in rows
    )


def add_revision(
    tx: Connection,
    *,
    study_instance_uid: str,
    number: int,
    set_key: str,
    about: dict[str, Any],
    uses: Sequence[Use],
    now: datetime,
) -> int:
    """Write a study revision with what is done with each of its images; returns its id."""
    row = tx.execute(
        insert(study_revision)
        .values(study_instance_uid=study_instance_uid, number=number, set_key=set_key, study=about, created_at=now)
        .returning(study_revision.c.id)
    ).one()
    for use in uses:
        tx.execute(
            insert(image_use).values(
                revision_id=row.id,
                instance_id=use.instance_id,
                used=use.used,
                role=use.role,
                reason=use.reason,
                explanation=use.explanation,
            )
        )
    tx.execute(update(study).where(study.c.study_instance_uid == study_instance_uid).values(revision=number))
    return int(row.id)


def change_uses(tx: Connection, revision_id: int, changes: Sequence[Use]) -> None:
    """Write down where reading could not do with an image what assembly had chosen."""
    for use in changes:
        row = {f: getattr(use, f) for f in Use.__dataclass_fields__}
        tx.execute(insert(image_use_change).values(revision_id=revision_id, **row))


def set_state(tx: Connection, study_instance_uid: str, state: str, *, reason: str = "", explanation: str = "") -> None:
    """Where the study stands, for the people who look."""
    tx.execute(
        update(study)
        .where(study.c.study_instance_uid == study_instance_uid)
        .values(state=state, reason=reason, explanation=explanation)
    )


def note(tx: Connection, study_instance_uid: str, stage: str, code: str, words: str = "", *, now: datetime) -> None:
    """One line of the study's history."""
    tx.execute(insert(event).values(at=now, study_instance_uid=study_instance_uid, stage=stage, code=code, words=words))
