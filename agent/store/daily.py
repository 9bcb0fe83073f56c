"""What the line did, counted by day of the site: written by `agent.numbers.count`, which reads each new row of the tables that
only grow once; read by whoever shows numbers, for a million studies as for one.

What is counted (`what`, `about`, `place`):

========== ================================ ===========================
study      hour of its first image, 00-23
image                                       scanner
bytes      (bytes of images)
flag       priority, or ``none``            scanner
outcome    `structured_report.Outcome`      scanner
reason     code                             outcome
found      concept, where it is present     scanner
took-WHAT  number of a bucket of seconds    destination
judged     finding, or ``-``: the whole     verdict of a radiologist; the newest counts, on its day
========== ================================ ===========================

Each stands there twice: for its day, and for its month, so that a long period is read as months with days at its ends.
A scanner is manufacturer and model of the study's first image. Films of the constancy test are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select

from agent.store.dialect import upsert
from agent.store.schema import (
    counted_up_to,
    daily_count,
    event,
    flag,
    instance,
    reading,
    review,
    study_revision,
    turnaround,
)

TOOK = "took-"


class Counted(NamedTuple):
    """What is counted: the key of a row."""

    day: str
    what: str
    about: str
    place: str


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of one table that have not been counted: those after one id, up to another. `was`: up to which it was counted."""

    name: str
    was: int
    after: int
    up_to: int


_SOURCES = {"instance": instance.c.id, "event": event.c.id, "turnaround": turnaround.c.id, "review": review.c.id}


def uncounted(view: Connection, name: str, most: int) -> Span:
    """The next rows of that table; none when `after` is `up_to`. After a purge of the newest it goes on with the numbers that are given
    again."""
    column = _SOURCES[name]
    after = _up_to(view, name)
    newest = int(view.execute(select(func.max(column))).scalar() or 0)
    if newest < after:
        return Span(name, after, newest, newest)
    ids = select(column.label("id")).where(column > after).order_by(column).limit(most).subquery()
    return Span(name, after, after, int(view.execute(select(func.max(ids.c.id))).scalar() or after))


def write(tx: Connection, span: Span, counts: Mapping[Counted, int]) -> bool:
    """Add the counts of those rows; False, and nothing is written, when somebody else has counted them meanwhile."""
    if _up_to(tx, span.name) != span.was:
        return False
    tx.execute(delete(counted_up_to).where(counted_up_to.c.name == span.name))
    tx.execute(insert(counted_up_to).values(name=span.name, up_to=span.up_to))
    if counts:
        made = upsert(daily_count)
        adding = made.on_conflict_do_update(
            index_elements=[daily_count.c[name] for name in Counted._fields],
            set_={"n": daily_count.c.n + made.excluded.n},
        )
        every = Counter(counts)
        for key, n in counts.items():
            every[key._replace(day=key.day[:_MONTH])] += n
        tx.execute(adding, [{**key._asdict(), "n": n} for key, n in every.items()])
    return True


def _up_to(view: Connection, name: str) -> int:
    found = view.execute(select(counted_up_to.c.up_to).where(counted_up_to.c.name == name)).scalar()
    return int(found or 0)


def images(view: Connection, span: Span) -> Sequence[Any]:
    """(id, study_instance_uid, received_at, size, facts) of those images."""
    c = instance.c
    return view.execute(
        select(c.id, c.study_instance_uid, c.received_at, c.size, c.facts).where(c.id > span.after, c.id <= span.up_to)
    ).all()


def first_images(view: Connection, uids: Sequence[str]) -> dict[str, int]:
    """Study Instance UID -> id of its first image."""
    c = instance.c
    rows = view.execute(
        select(c.study_instance_uid, func.min(c.id))
        .where(c.study_instance_uid.in_(uids))
        .group_by(c.study_instance_uid)
    )
    return {str(uid): int(number) for uid, number in rows}


def facts_of_first_images(view: Connection, uids: Sequence[str]) -> dict[str, str]:
    """Study Instance UID -> JSON of the facts of its first image."""
    c = instance.c
    rows = view.execute(select(c.study_instance_uid, c.facts).where(c.id.in_(first_images(view, uids).values())))
    return {str(uid): str(facts) for uid, facts in rows}


def events(view: Connection, span: Span) -> Sequence[Any]:
    """(at, study_instance_uid, stage, code, words) of those events that tell of a flag or a reading."""
    c = event.c
    stages = ("flag", "read", "assemble", "withdraw")
    return view.execute(
        select(c.at, c.study_instance_uid, c.stage, c.code, c.words)
        .where(c.id > span.after, c.id <= span.up_to, c.stage.in_(stages))
        .order_by(c.id)
    ).all()


def flags_of(view: Connection, uids: Sequence[str]) -> dict[tuple[str, datetime], str]:
    """(Study Instance UID, moment) -> priority of every flag of these studies."""
    c = study_revision.c
    rows = view.execute(
        select(c.study_instance_uid, flag.c.flagged_at, flag.c.priority)
        .join(study_revision, c.id == flag.c.revision_id)
        .where(c.study_instance_uid.in_(uids))
    )
    return {(str(uid), at): str(priority) for uid, at, priority in rows}


def readings_of(view: Connection, uids: Sequence[str]) -> dict[tuple[str, int], tuple[str, str, list[dict[str, Any]]]]:
    """(Study Instance UID, revision) -> outcome, reason and findings of every reading of these studies."""
    c = study_revision.c
    rows = view.execute(
        select(c.study_instance_uid, c.number, reading.c.outcome, reading.c.reason, reading.c.findings)
        .join(study_revision, c.id == reading.c.revision_id)
        .where(c.study_instance_uid.in_(uids))
    )
    return {(str(r[0]), int(r[1])): (str(r[2]), str(r[3]), list(r[4])) for r in rows}


def times(view: Connection, span: Span) -> Sequence[Any]:
    """(at, what, destination, seconds) of those turn-around times."""
    c = turnaround.c
    return view.execute(
        select(c.at, c.what, c.destination, c.seconds).where(c.id > span.after, c.id <= span.up_to)
    ).all()


def judgements(view: Connection, span: Span) -> Sequence[Any]:
    """(study_instance_uid, finding, verdict, at, verdict_before, at_before) of those judgements: each with the one about the same
    thing that it took the place of, None where there was none."""
    c, before, older = review.c, review.alias(), review.alias()
    same = (
        older.c.study_instance_uid == c.study_instance_uid,
        older.c.revision == c.revision,
        older.c.finding == c.finding,
    )
    newest = select(func.max(older.c.id)).where(*same, older.c.id < c.id).correlate(review).scalar_subquery()
    return view.execute(
        select(
            c.study_instance_uid, c.finding, c.verdict, c.at, before.c.verdict.label("verdict_before"), before.c.at.label("at_before"),
        )
        .select_from(review.outerjoin(before, before.c.id == newest))
        .where(c.id > span.after, c.id <= span.up_to)
        .order_by(c.id)
    ).all()  # fmt: skip


def by_day(view: Connection, what: str, first: date, last: date) -> list[tuple[date, str, int]]:
    """(day, about, n) of what was counted on these days, both included, wherever it was."""
    c = daily_count.c
    days = _is_day(), c.day >= first.isoformat(), c.day <= last.isoformat()
    rows = view.execute(
        select(c.day, c.about, func.sum(c.n)).where(c.what == what, *days).group_by(c.day, c.about).order_by(c.day)
    )
    return [(date.fromisoformat(day), str(about), int(n)) for day, about, n in rows]


def by_step(view: Connection, what: str, first: date, last: date, *, months: bool) -> list[tuple[date, str, str, int]]:
    """(first day of the step, about, place, n) of these days, both included: day by day, or month by month, of which the first
    and the last may lack days."""
    c = daily_count.c
    which = _parts(first, last) if months else _days(first, last)
    rows = view.execute(select(c.day, c.about, c.place, c.n).where(c.what == what, which))
    step = (lambda day: date.fromisoformat(f"{day[:_MONTH]}-01")) if months else date.fromisoformat
    return [(step(day), str(about), str(place), int(n)) for day, about, place, n in rows]


def summed(view: Connection, what: str, first: date, last: date) -> dict[tuple[str, str], int]:
    """(about, place) -> n of these days together, both included."""
    c = daily_count.c
    rows = view.execute(
        select(c.about, c.place, func.sum(c.n)).where(c.what == what, _parts(first, last)).group_by(c.about, c.place)
    )
    return {(str(about), str(place)): int(n) for about, place, n in rows}


_MONTH = len("YYYY-MM")


def _is_day() -> ColumnElement[bool]:
    return func.length(daily_count.c.day) > _MONTH


def _days(first: date, last: date) -> ColumnElement[bool]:
    c = daily_count.c
    return and_(c.day >= first.isoformat(), c.day <= last.isoformat(), _is_day())


def _parts(first: date, last: date) -> ColumnElement[bool]:
    """The whole months of the period, and the days before and after them."""
    if (first.year, first.month) == (last.year, last.month):
        return _days(first, last)
    start = first if first.day == 1 else _next_month(first)
    end = last if _is_last_of_month(last) else last.replace(day=1) - timedelta(days=1)
    if start > end:
        return _days(first, last)
    c, parts = daily_count.c, []
    if first < start:
        parts.append(_days(first, start - timedelta(days=1)))
    months = [start]
    while (following := _next_month(months[-1])) <= end:
        months.append(following)
    parts.append(c.day.in_([month.isoformat()[:_MONTH] for month in months]))
    if end < last:
        parts.append(_days(end + timedelta(days=1), last))
    return or_(*parts)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _is_last_of_month(day: date) -> bool:
    return (day + timedelta(days=1)).day == 1


def first_day(view: Connection) -> date | None:
    """The first day on which an image came."""
    found = view.execute(select(func.min(daily_count.c.day)).where(daily_count.c.what == "bytes", _is_day())).scalar()
    return None if found is None else date.fromisoformat(found)


def bytes_a_day(view: Connection, zone: tzinfo | None, now: datetime, days: int) -> int:
    """How many bytes of images came a day, over so many days before today, or over the fewer that there are."""
    today = now.astimezone(zone).date()
    begun, since = first_day(view), today - timedelta(days=days)
    if begun is None or begun >= today:
        return 0
    first = max(begun, since)
    total = sum(summed(view, "bytes", first, today - timedelta(days=1)).values())
    return total // (today - first).days
