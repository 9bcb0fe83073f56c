"""The revisions of a study, as people page through them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from agent.store.schema import reading, study, study_revision
from agent.store.studies import Revision


@dataclass(frozen=True, slots=True)
class RevisionLine:
    """One revision in a list. `outcome` is empty while it has not been read."""

    number: int
    created_at: datetime
    outcome: str
    completed_at: datetime | None


def known(view: Connection, study_instance_uid: str) -> bool:
    """Whether there is such a study."""
    found = view.execute(select(study.c.revision).where(study.c.study_instance_uid == study_instance_uid))
    return found.first() is not None


def numbered(view: Connection, study_instance_uid: str, number: int) -> Revision | None:
    """The revision of that number, if there is one."""
    c = study_revision.c
    row = view.execute(
        select(c.id, c.study_instance_uid, c.number, c.set_key, c.study).where(
            c.study_instance_uid == study_instance_uid, c.number == number
        )
    ).first()
    return None if row is None else Revision(*row)


def of_study(view: Connection, study_instance_uid: str) -> tuple[RevisionLine, ...]:
    """Every revision, newest first."""
    c = study_revision.c
    rows = view.execute(
        select(c.number, c.created_at, reading.c.outcome, reading.c.completed_at)
        .outerjoin(reading, reading.c.revision_id == c.id)
        .where(c.study_instance_uid == study_instance_uid)
        .order_by(c.number.desc())
    )
    return tuple(RevisionLine(r.number, r.created_at, r.outcome or "", r.completed_at) for r in rows)
