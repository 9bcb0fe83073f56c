"""How far the rows of the worklist follow the history, and what there is still to be followed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, or_, select, update

from agent.store.listing_rows import MOST_AT_ONCE, STAGES, VERSION, batched, failing_stages
from agent.store.schema import event, listing, listing_progress, study

_ID = 1
_MANY = 5000


@dataclass(frozen=True, slots=True)
class Progress:
    """`event_id`: every event up to that one is in the rows. `version`: of what made all rows, negative while they are being made;
    `walked_to`: the study up to which they were looked at."""

    event_id: int
    version: int
    walked_to: str

    @property
    def is_whole(self) -> bool:
        """Whether every study has its row."""
        return self.version == VERSION


@dataclass(frozen=True, slots=True)
class Noted:
    """One line of the history of a study. Without a study: one was taken out."""

    id: int
    study_instance_uid: str
    stage: str
    code: str
    at: datetime


def progress(view: Connection) -> Progress | None:
    """How far it is; None before the first row was made."""
    c = listing_progress.c
    row = view.execute(select(c.event_id, c.version, c.walked_to).where(c.id == _ID)).first()
    return None if row is None else Progress(*row)


def begin(tx: Connection) -> None:
    """All rows are to be made (anew). What happens from now on is followed meanwhile."""
    values = {"event_id": newest_event(tx), "version": -VERSION, "walked_to": ""}
    if progress(tx) is None:
        tx.execute(insert(listing_progress).values(id=_ID, **values))
    else:
        tx.execute(update(listing_progress).where(listing_progress.c.id == _ID).values(**values))


def followed_to(tx: Connection, event_id: int) -> None:
    """Every event up to there is in the rows."""
    tx.execute(update(listing_progress).where(listing_progress.c.id == _ID).values(event_id=event_id))


def walked_to(tx: Connection, uid: str) -> None:
    """The studies up to that one were looked at; empty: all were, and it begins anew."""
    values: dict[str, object] = {"walked_to": uid}
    if not uid:
        values["version"] = VERSION
    tx.execute(update(listing_progress).where(listing_progress.c.id == _ID).values(**values))


def newest_event(view: Connection) -> int:
    """Number of the newest event; 0 when there is none."""
    return int(view.execute(select(func.max(event.c.id))).scalar() or 0)


def events_between(view: Connection, after: int, up_to: int | None = None, *, most: int) -> list[Noted]:
    """What was noted after that event, and up to another, oldest first."""
    c = event.c
    query = select(c.id, c.study_instance_uid, c.stage, c.code, c.at).where(c.id > after)
    if up_to is not None:
        query = query.where(c.id <= up_to)
    return [Noted(*row) for row in view.execute(query.order_by(c.id).limit(most))]


def late_since(view: Connection) -> datetime | None:
    """When the oldest thing was noted that the rows do not say yet; None when they say everything."""
    known = progress(view)
    if known is None:
        return None
    c = event.c
    query = select(c.at).where(c.id > known.event_id, c.study_instance_uid != "").order_by(c.id).limit(1)
    found: datetime | None = view.execute(query).scalar()
    return found


def grown_since(view: Connection, moment: datetime, *, most: int) -> list[str]:
    """Studies that have grown since then, and whose rows do not say so; newest first. Every image makes its study grow, and not
    every one is noted."""
    c, kept = study.c, listing.c
    query = (
        select(c.study_instance_uid)
        .outerjoin(listing, kept.study_instance_uid == c.study_instance_uid)
        .where(
            c.last_received_at >= moment,
            or_(
                kept.study_instance_uid.is_(None),
                kept.last_received_at != c.last_received_at,
                kept.state != c.state,
                kept.revision != c.revision,
            ),
        )
        .order_by(c.last_received_at.desc())
        .limit(most)
    )
    return [str(u) for u in view.execute(query).scalars()]


def failing_otherwise(view: Connection, *, most: int) -> list[str]:
    """Studies of which a stage has failed, or does no longer, and whose rows do not say so. Of deliveries every try is noted."""
    c, found = listing.c, list[str]()
    failing = {uid for _, uid in failing_stages(view)}
    for part in batched(sorted(failing), MOST_AT_ONCE):
        unsaid = select(c.study_instance_uid).where(c.study_instance_uid.in_(part), func.coalesce(c.failing, "") == "")
        found += [str(u) for u in view.execute(unsaid).scalars()]
    by_job = [stage for stage in STAGES if stage != "deliver"]
    said = view.execute(select(c.study_instance_uid).where(c.failing.in_(by_job)).limit(_MANY)).scalars()
    found += [uid for uid in said if uid not in failing]
    return found[:most]


def studies_after(view: Connection, uid: str, *, most: int) -> list[str]:
    """The next studies in the order of their UIDs."""
    c = study.c
    query = select(c.study_instance_uid).where(c.study_instance_uid > uid).order_by(c.study_instance_uid).limit(most)
    return [str(u) for u in view.execute(query).scalars()]
