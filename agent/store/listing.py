"""The worklist as it is read: by the page, by the interface and by the bench. However many studies there are, a question is answered
from one index, in pages that follow a key (`Cursor`), never by counting or sorting all of them.

A :class:`Row` is what the table `listing` says of one study (agent.store.schema.listing has a comment on each column); the rows are
made by `agent.store.listing_rows` and kept up to date by `agent.keeping.projector`.

- `page(view, wanted, after=...)` answers a :class:`Wanted` (filters; nothing set: everything in the order of the worklist).
- `rows_of(view, uids)` gives the rows of these studies, `waiting(view)` how many wait, `scanners(view)` who sends.
- `where_is(view, wanted, uid)` says whether one study is among what is wanted.

Order: what waits comes first, critical before urgent before the rest, in each who waits longest; then what is finished, newest first.
With a range of dates, the newest study comes first. With a search, by what was searched for: accession number, then Patient ID, then
name.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, literal, select, tuple_

from agent.store.listing_rows import MOST_AT_ONCE, bands, batched, folded
from agent.store.schema import listing, listing_finding

PAGE = 50
LOOKED_AT = 4000
"""So many rows at most are looked at for one page; where the filters leave few of them, the page says how to go on."""
COUNTED = 1000
"""Counts stop here: there are more."""
_END = "\U0010ffff"
_KEYS = ("accession_key", "id_key", "name_key", "other_name_key")


@dataclass(frozen=True, slots=True)
class Row:
    """One study of the worklist; names and meanings are those of the columns of `listing`."""

    study_instance_uid: str
    version: int
    position: int
    patient_name: str
    patient_id: str
    birth_date: str
    sex: str
    accession_number: str
    study_date: str
    study_time: str
    description: str
    modality: str
    scanner: str
    scanner_model: str
    images: int
    constancy: bool
    state: str
    reason: str
    explanation: str
    standing: str
    revision: int
    priority: str
    reasons: list[str]
    flag: str
    flag_trouble: str
    flagged_at: datetime | None
    outcome: str
    read_at: datetime | None
    findings: list[dict[str, Any]]
    delivered: int
    waiting: int
    parked: int
    held: int
    failing: str
    trouble: bool
    reported_at: datetime | None
    verdict: str | None
    verdict_by: str | None
    reviewed: bool
    arrived_at: datetime
    last_received_at: datetime
    changed_at: datetime

    @property
    def is_waiting(self) -> bool:
        """Whether it is among those that wait for a person."""
        return self.position < bands()["finished"][0]


_COLUMNS = [listing.c[name] for name in Row.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; empty or None: whatever it is.

    Attributes:
        text: beginning of an accession number, a Patient ID or a patient's name.
        standing: one of `agent.store.listing_rows.STANDINGS`.
        priority: ``critical``, ``urgent`` or ``routine``.
        finding: key of the vocabulary; among the chips.
        scanner: calling AE title.
        since, until: first and last study date, YYYYMMDD.
        failing: one of `agent.store.listing_rows.STAGES`.
        unreviewed: only what nobody has judged as a whole or in every finding that the draft states; a review that was begun is none.
        trouble, waiting: only what a person should look at, what waits.
    """

    text: str = ""
    standing: str = ""
    priority: str = ""
    finding: str = ""
    scanner: str = ""
    since: str = ""
    until: str = ""
    failing: str = ""
    unreviewed: bool = False
    trouble: bool = False
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """After which row a page begins. `part`: which of several keys is being searched."""

    key: int | str
    uid: str
    part: int = 0

    def text(self) -> str:
        """For an address. A cursor of a search holds what was found, and belongs in none: see `cursor_at`."""
        return base64.urlsafe_b64encode(json.dumps([self.part, self.key, self.uid]).encode()).decode().rstrip("=")

    @classmethod
    def of(cls, text: str) -> Cursor | None:
        """What `text` said; None for anything else."""
        try:
            part, key, uid = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, TypeError):
            return None
        ok = type(part) is int and 0 <= part < len(_KEYS) and type(key) in (int, str) and isinstance(uid, str)
        ok = ok and (not isinstance(key, int) or abs(key) < 2**63) and _is_text(f"{key}{uid}")
        return cls(key, uid[:64], part) if ok else None


def _is_text(value: str) -> bool:
    """Whether a database can be asked for it: no NUL, and no half of a pair of surrogates."""
    return "\0" not in value and value.encode("utf-8", "ignore").decode("utf-8") == value


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what is wanted, in order. `after`: where to go on, None at the end; `partly`: more was looked through than is
    shown, and going on may find more."""

    rows: tuple[Row, ...]
    after: Cursor | None
    partly: bool = False


def page(view: Connection, wanted: Wanted, *, after: Cursor | None = None, size: int = PAGE) -> Page:
    """The next rows of what is wanted."""
    ways = _ways(wanted)
    part = after.part if after is not None else 0
    rows, seen = list[Row](), 0
    for number in range(part, len(ways)):
        start = after if number == part else None
        if start is not None and not ways[number].holds(start):
            return Page((), None)
        found = _along(view, ways[number], start, size - len(rows), LOOKED_AT - seen)
        rows += found.rows
        seen += found.seen
        if found.stopped_at is not None:
            key, uid = found.stopped_at
            return Page(tuple(rows), Cursor(key, uid, number), partly=len(rows) < size)
        if len(rows) >= size or seen >= LOOKED_AT:
            rest = number + 1 < len(ways)
            return Page(tuple(rows), Cursor("", "", number + 1) if rest else None, partly=rest and len(rows) < size)
    return Page(tuple(rows), None)


def cursor_at(view: Connection, part: int, uid: str) -> Cursor | None:
    """The cursor of a search that stands at that study: an address holds this, and not what was found. None when it is gone."""
    if not 0 <= part < len(_KEYS):
        return None
    key = view.execute(select(listing.c[_KEYS[part]]).where(listing.c.study_instance_uid == uid)).scalar()
    if key is None:
        return Cursor("", "", part) if not uid else None
    return Cursor(str(key), uid, part)


def where_is(view: Connection, wanted: Wanted, uids: Collection[str]) -> set[str]:
    """Those of these studies that are among what is wanted."""
    found = set[str]()
    for way in _ways(wanted):
        for part in batched(sorted(uids), MOST_AT_ONCE):
            query = select(listing.c.study_instance_uid).where(
                listing.c.study_instance_uid.in_(part), *way.everything()
            )
            found |= {str(u) for u in view.execute(query).scalars()}
    return found


def rows_of(view: Connection, uids: Sequence[str]) -> dict[str, Row]:
    """The rows of these studies, by UID; none for a study that is not there."""
    found: dict[str, Row] = {}
    for part in batched(list(uids), MOST_AT_ONCE):
        query = select(*_COLUMNS).where(listing.c.study_instance_uid.in_(part))
        found |= {str(row.study_instance_uid): Row(*row) for row in view.execute(query)}
    return found


def waiting(view: Connection) -> dict[str, int]:
    """How many studies wait: ``critical``, ``urgent``, ``waiting`` (the rest); each at most `COUNTED` + 1, which means more."""
    c, counted = listing.c, dict[str, int]()
    for name in ("critical", "urgent", "waiting"):
        start, end = bands()[name]
        some = select(literal(1)).where(c.position >= start, c.position < end).limit(COUNTED + 1).subquery()
        counted[name] = int(view.execute(select(func.count()).select_from(some)).scalar_one())
    return counted


def scanners(view: Connection, *, most: int = 200) -> tuple[str, ...]:
    """Calling AE titles of everybody who has sent a study, in order. One step in the index for each, not for each study."""
    c, found = listing.c, [""]
    while len(found) <= most:
        following = view.execute(select(func.min(c.scanner)).where(c.scanner > found[-1])).scalar()
        if following is None:
            break
        found.append(str(following))
    return tuple(found[1:])


@dataclass(frozen=True, slots=True)
class _Way:
    """One index along which rows are found: what is equal in all of them, from where to where its key goes, and what is left to be
    looked at in each row. Of two bounds on one side a planner takes either, so that there is never more than one."""

    key: Any
    uid: Any
    leading: tuple[ColumnElement[bool], ...]
    rest: tuple[ColumnElement[bool], ...]
    start: Any = None  # least key
    end: Any = None  # the key before which it ends
    newest_first: bool = False
    kind: type = int
    table: Any = listing

    def beyond(self, key: Any, uid: str) -> ColumnElement[bool]:
        """Rows after that one."""
        here, there = tuple_(self.key, self.uid), tuple_(literal(key, self.key.type), literal(uid, self.uid.type))
        return here < there if self.newest_first else here > there

    def bounds(self, after: Cursor | None, edge: tuple[Any, str] | None) -> list[ColumnElement[bool]]:
        """After the one row, and up to the other."""
        here = self.beyond(after.key, after.uid) if after is not None and after.uid else None
        there = ~self.beyond(*edge) if edge is not None else None
        lower, upper = (there, here) if self.newest_first else (here, there)
        if lower is None and self.start is not None:
            lower = self.key >= self.start
        if upper is None and self.end is not None:
            upper = self.key < self.end
        return [bound for bound in (lower, upper) if bound is not None]

    def holds(self, cursor: Cursor) -> bool:
        """Whether the cursor is of this way, and within it."""
        if not cursor.uid:
            return True
        if not isinstance(cursor.key, self.kind):
            return False
        return (self.start is None or cursor.key >= self.start) and (self.end is None or cursor.key < self.end)

    def order(self) -> tuple[Any, Any]:
        return (self.key.desc(), self.uid.desc()) if self.newest_first else (self.key.asc(), self.uid.asc())

    def everything(self) -> tuple[ColumnElement[bool], ...]:
        along = (*self.leading, *self.bounds(None, None))
        if self.table is listing:
            return (*along, *self.rest)
        return (exists().where(self.uid == listing.c.study_instance_uid, *along), *self.rest)


@dataclass(frozen=True, slots=True)
class _Found:
    """`stopped_at`: the last row that was looked at, where there may be more."""

    rows: list[Row]
    seen: int
    stopped_at: tuple[Any, str] | None


def _along(view: Connection, way: _Way, after: Cursor | None, size: int, most: int) -> _Found:
    """Rows along one way: at most `size`, from at most `most` that are looked at."""
    if not way.rest:
        rows = _rows(view, way, way.bounds(after, None), size + 1)
        more = len(rows) > size
        return _Found(rows[:size], min(len(rows), size), _place(view, way, rows[size - 1]) if more else None)
    if way.table is not listing:
        return _along_keys(view, way, after, size, most)
    # The last row that may be looked at: found in the index alone.
    edge = view.execute(
        select(way.key, way.uid)
        .where(*way.leading, *way.bounds(after, None))
        .order_by(*way.order())
        .limit(1)
        .offset(most - 1)
    ).first()
    last = None if edge is None else (edge[0], str(edge[1]))
    rows = _rows(view, way, [*way.bounds(after, last), *way.rest], size + 1)
    if len(rows) > size:
        return _Found(rows[:size], size, _place(view, way, rows[size - 1]))
    return _Found(rows, len(rows) if last is None else most, last)


def _rows(view: Connection, way: _Way, conditions: Sequence[ColumnElement[bool]], size: int) -> list[Row]:
    query = select(*_COLUMNS).where(*way.leading, *conditions).order_by(*way.order()).limit(size)
    if way.table is not listing:
        query = query.join(way.table, way.uid == listing.c.study_instance_uid)
    return [Row(*row) for row in view.execute(query)]


def _along_keys(view: Connection, way: _Way, after: Cursor | None, size: int, most: int) -> _Found:
    """The same where the keys are in another table: first which studies may be looked at, then those. As one question a planner that
    thinks little of the rest of the filters would read all rows, and join that."""
    first = select(way.key, way.uid).where(*way.leading, *way.bounds(after, None)).order_by(*way.order()).limit(most)
    keys, rows = [(row[0], str(row[1])) for row in view.execute(first)], list[Row]()
    for part in batched(keys, 2 * MOST_AT_ONCE):
        query = select(*_COLUMNS).where(listing.c.study_instance_uid.in_([uid for _, uid in part]), *way.rest)
        found = {str(row.study_instance_uid): Row(*row) for row in view.execute(query)}
        rows += [found[uid] for _, uid in part if uid in found]
        if len(rows) > size:
            last = rows[size - 1]
            return _Found(rows[:size], size, (last.position, last.study_instance_uid))
    return _Found(rows, len(keys), keys[-1] if len(keys) == most else None)


def _place(view: Connection, way: _Way, row: Row) -> tuple[Any, str]:
    uid = row.study_instance_uid
    if way.key.name == "position":
        return row.position, uid
    return view.execute(select(way.key).where(listing.c.study_instance_uid == uid)).scalar_one(), uid


def _ways(wanted: Wanted) -> list[_Way]:
    """Along which indexes what is wanted is found, one after another. The rest of the filters is hidden from the planner behind
    `coalesce`: it would take one of their indexes, and lose the order."""
    c, tests = listing.c, _tests(wanted)
    if text := folded(wanted.text):
        return _search_ways(text, list(tests.values()))
    if wanted.since or wanted.until:
        start, end = wanted.since or "0", (wanted.until or "9") + "~"
        rest = tuple(tests.values())
        return [_Way(c.study_moment, c.study_instance_uid, (), rest, start, end, newest_first=True, kind=str)]
    end_of_list = bands()["finished"][0] if wanted.waiting else None
    if wanted.finding:
        f = listing_finding.c
        rest = tuple(test for name, test in tests.items() if name not in ("finding", "waiting"))
        of_it = (f.concept == wanted.finding,)
        return [_Way(f.position, f.study_instance_uid, of_it, rest, end=end_of_list, table=listing_finding)]
    exact = (
        ("scanner", c.scanner, wanted.scanner),
        ("failing", c.failing, wanted.failing),
        ("trouble", c.trouble, wanted.trouble),
        ("standing", c.standing, wanted.standing),
        ("priority", c.priority, wanted.priority),
    )
    leading_by = next(((name, column == value) for name, column, value in exact if value), None)
    leading = [] if leading_by is None else [leading_by[1]]
    if leading_by is None and wanted.unreviewed:
        leading_by = ("unreviewed", c.reviewed.is_(False))
        leading = [c.reviewed == False]  # noqa: E712  a comparison that both databases answer from the index
    rest = tuple(
        test for name, test in tests.items() if name != "waiting" and (leading_by is None or name != leading_by[0])
    )
    return [_Way(c.position, c.study_instance_uid, tuple(leading), rest, end=end_of_list)]


def _tests(wanted: Wanted) -> dict[str, ColumnElement[bool]]:
    """Every filter as a look at the row."""
    c = listing.c

    def plain(column: Any, nothing: Any = "") -> Any:
        return func.coalesce(column, nothing)

    of_it = listing_finding.c.study_instance_uid == c.study_instance_uid
    every = {
        "standing": wanted.standing and plain(c.standing) == wanted.standing,
        "priority": wanted.priority and plain(c.priority) == wanted.priority,
        "scanner": wanted.scanner and plain(c.scanner) == wanted.scanner,
        "failing": wanted.failing and plain(c.failing) == wanted.failing,
        "finding": wanted.finding and exists().where(of_it, listing_finding.c.concept == wanted.finding),
        "trouble": wanted.trouble and plain(c.trouble, False).is_(True),
        "unreviewed": wanted.unreviewed and plain(c.reviewed, False).is_(False),
        "waiting": wanted.waiting and plain(c.position, 0) < bands()["finished"][0],
    }
    if wanted.text and (wanted.since or wanted.until):
        every["since"] = plain(c.study_moment) >= (wanted.since or "0")
        every["until"] = plain(c.study_moment) < (wanted.until or "9") + "~"
    return {name: test for name, test in every.items() if test is not False and not isinstance(test, str)}


def _search_ways(text: str, tests: Sequence[ColumnElement[bool]]) -> list[_Way]:
    """Each key in turn; what an earlier one has found is not found again."""
    c, ways = listing.c, list[_Way]()
    for number, name in enumerate(_KEYS):
        column = c[name]
        before = [func.substr(c[other], 1, len(text)) != text for other in _KEYS[:number]]
        ways.append(_Way(column, c.study_instance_uid, (), (*before, *tests), text, text + _END, kind=str))
    return ways
