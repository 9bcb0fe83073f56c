"""Letting go of orders and messages that never had a study here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from agent.audit.event import What
from agent.audit.trail import Trail
from agent.clock import Clock
from agent.orders.subjects import subjects
from agent.store import heard, identity, unclaimed
from agent.store.engine import Ledger
from agent.store.unclaimed import AT_ONCE, Row, Rows, Subjects

_TOGETHER = 50  # rows in one transaction
_REST = timedelta(
    hours=1
)  # from when all of a kind has been looked at until it is begun anew: the limit is one of days
_A_DAY = timedelta(days=1)  # what is scheduled is in local time

InTurn = Callable[[Sequence[Sequence[int]]], Iterator[Sequence[int]]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of what was heard. `stays`: what keeps one of it here besides a study; `what`: as the audit trail calls it;
    `tied`: what goes with that row or stays with it."""

    name: str
    rows: Rows
    forget: Callable[[Connection, Sequence[int]], None]
    stays: Callable[[Connection, Row, datetime], bool]
    what: What
    tied: Callable[[Connection, Row], Sequence[Row]] = lambda _, row: (row,)


# In this order: a report is kept by its order, a statement by an order of its patient, a message by all of them.
_KINDS = (
    _Kind(
        "orders",
        unclaimed.old_orders,
        unclaimed.forget_orders,
        lambda _, row, moment: not is_past(row.scheduled_at, moment),
        What.ORDER_DELETED,
    ),
    _Kind(
        "reports",
        unclaimed.old_reports,
        unclaimed.forget_reports,
        lambda view, row, _: unclaimed.has_order(view, row.subjects),
        What.ORDER_DELETED,
    ),
    _Kind(
        "patients",
        unclaimed.old_statements,
        unclaimed.forget_statements,
        lambda view, row, moment: unclaimed.is_spoken_of(view, row.subjects, moment),
        What.PATIENT_DELETED,
        lambda view, row: unclaimed.tied_statements(view, row.subjects),
    ),
    _Kind(
        "messages",
        unclaimed.old_messages,
        unclaimed.empty_messages,
        lambda view, row, _: unclaimed.has_order(view, _subjects(row)),
        What.PATIENT_DELETED,
    ),
)


class Unclaimed:
    """Rounds, each of which looks at a bounded number of rows of every kind, from where the one before it ended."""

    def __init__(self, ledger: Ledger, clock: Clock, trail: Trail, in_turn: InTurn) -> None:
        """Args:
        in_turn: gives one transaction's share after the other, until the line is asked to stop.
        """
        self._ledger, self._clock, self._trail, self._in_turn = ledger, clock, trail, in_turn
        self._after = dict.fromkeys((kind.name for kind in _KINDS), 0)
        self._rests_until: dict[str, datetime] = {}

    def __call__(self, moment: datetime) -> int:
        """Let go of what is older than that and of no study here; returns how many orders, reports, statements and messages
        that was."""
        now = self._clock.now()
        rested = [kind for kind in _KINDS if now >= self._rests_until.get(kind.name, now)]
        return sum(self._some(kind, moment) for kind in rested)

    @property
    def has_more(self) -> bool:
        """Whether there was more of a kind than one round looks at."""
        return any(self._after.values())

    def _some(self, kind: _Kind, moment: datetime) -> int:
        with self._ledger.read() as view:
            rows = kind.rows(view, moment, after=self._after[kind.name])
            ids = [row.id for row in _unclaimed(view, kind, rows, moment)]
        done = sum(
            self._let_go(kind, part, moment)
            for part in self._in_turn([ids[n : n + _TOGETHER] for n in range(0, len(ids), _TOGETHER)])
        )
        self._after[kind.name] = rows[-1].id if len(rows) == AT_ONCE else 0
        if len(rows) < AT_ONCE:
            self._rests_until[kind.name] = self._clock.now() + _REST
        return done

    def _let_go(self, kind: _Kind, ids: Sequence[int], moment: datetime) -> int:
        """These, as far as it still holds of them that nobody has need of them."""
        now = self._clock.now()
        with self._ledger.begin() as tx:
            found = _unclaimed(tx, kind, kind.rows(tx, moment, among=ids), moment)
            rows = list({row.id: row for one in found for row in kind.tied(tx, one)}.values())
            kind.forget(tx, [row.id for row in rows])
            patients = {value for row in rows for named, value in _subjects(row) if named == "patient"}
            for patient in sorted(patients) or ([""] if rows else []):
                self._trail.forgotten(tx, kind.what, patient, now=now)
        return len(rows)


def is_past(scheduled_at: str, moment: datetime) -> bool:
    """Whether that date (digits of a DTM or DA, as far as they are known; local time) is before `moment` wherever this is; what is
    scheduled for no time is past."""
    day = re.sub(r"\D", "", scheduled_at)[:8]
    return not day or day < f"{moment - _A_DAY:%Y%m%d}"[: len(day)]


def _unclaimed(view: Connection, kind: _Kind, rows: Sequence[Row], moment: datetime) -> list[Row]:
    """Those of them of which no study is here, and about which nothing is left to do."""
    if not rows:
        return []
    waiting = unclaimed.arriving(view) | _waiting(view)
    return [
        row
        for row in rows
        if not _subjects(row) & waiting
        and not kind.stays(view, row, moment)
        and not unclaimed.is_claimed(view, _subjects(row))
    ]


def _waiting(view: Connection) -> Subjects:
    """What the messages are about that have not been acted on, and whatever their patients were or are called: one of them may
    be the step that leads to a study."""
    said = frozenset[tuple[str, str]]().union(*(subjects(said) for _, said in heard.waiting_before(view)))
    _, people = identity.statements_about(view, {value for named, value in said if named == "patient"})
    return said | {("patient", number) for number in people}


def _subjects(row: Row) -> Subjects:
    return row.subjects or subjects(row.said)
