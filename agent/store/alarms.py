"""What is wrong with the line, written down once while it lasts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from agent.store.schema import alarm, job

TELL = "tell"  # kind of the jobs that tell one teller of one alarm


@dataclass(frozen=True, slots=True)
class Alarm:
    """One row of `alarm`. `about`: a destination, a role, a stage or a key of the settings; may be empty."""

    id: int
    code: str
    about: str
    count: int
    raised_at: datetime
    told_at: datetime | None
    recovered_at: datetime | None
    recovery_told_at: datetime | None


def raised(view: Connection) -> tuple[Alarm, ...]:
    """What is wrong now, oldest first."""
    return _alarms(view, alarm.c.recovered_at.is_(None))


def alarm_of(view: Connection, alarm_id: int) -> Alarm | None:
    """The alarm of that id, if there is one."""
    found = _alarms(view, alarm.c.id == alarm_id)
    return found[0] if found else None


def newest(view: Connection, limit: int) -> tuple[Alarm, ...]:
    """What was raised last, newest first."""
    rows = view.execute(select(alarm).order_by(alarm.c.id.desc()).limit(limit))
    return tuple(Alarm(**row._mapping) for row in rows)


def raise_alarm(tx: Connection, code: str, about: str, count: int, *, now: datetime) -> int:
    """Write it down and return its id; it must not be raised already."""
    made = tx.execute(insert(alarm).values(code=code, about=about, count=count, raised_at=now).returning(alarm.c.id))
    return int(made.scalar_one())


def recover(tx: Connection, alarm_id: int, *, now: datetime) -> None:
    """It is over."""
    tx.execute(update(alarm).where(alarm.c.id == alarm_id).values(recovered_at=now))


def told(tx: Connection, alarm_id: int, *, recovery: bool, now: datetime) -> None:
    """Somebody was told; the first time counts."""
    column = alarm.c.recovery_told_at if recovery else alarm.c.told_at
    tx.execute(update(alarm).where(alarm.c.id == alarm_id, column.is_(None)).values({column: now}))


def untold(view: Connection) -> dict[str, str]:
    """Teller -> why it could not be told, of those that could not; the words of the newest attempt."""
    rows = view.execute(select(job.c.lane, job.c.error).where(job.c.kind == TELL, job.c.error != "").order_by(job.c.id))
    return {str(lane): str(error) for lane, error in rows}


def forget_tellers(tx: Connection, known: Collection[str]) -> None:
    """What was to be told to those whom the settings do not name any more is not."""
    tx.execute(delete(job).where(job.c.kind == TELL, job.c.lane.not_in(list(known))))


def _alarms(view: Connection, which: ColumnElement[bool]) -> tuple[Alarm, ...]:
    rows = view.execute(select(alarm).where(which).order_by(alarm.c.id))
    return tuple(Alarm(**row._mapping) for row in rows)
