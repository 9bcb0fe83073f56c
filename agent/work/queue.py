"""The durable queue for one box: a table, enqueued in the caller's transaction.

A job is claimed under a lease that its worker keeps alive; when the worker dies, the lease ends and another claims
the job. Every claim raises the job's *fence*: a worker that lost its lease finds that out when it completes, and its
transaction is rolled back. At most one job of a kind and key waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, or_, select, text, update

from agent.clock import Clock
from agent.errors import Transient
from agent.store.dialect import upsert
from agent.store.engine import Ledger
from agent.store.schema import job as table

LEASE = timedelta(seconds=30)
# One step of priority counts like so much time spent waiting; so everything that waits long enough gets its turn.
PRIORITY_STEP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job. `claims` counts how often it was handed out, this time included; `failures` how often a worker
    said that it failed."""

    id: int
    kind: str
    lane: str
    key: str
    fence: int
    claims: int
    failures: int
    error: str
    priority: int = 0


class LeaseLost(Transient):
    """Another worker has claimed the job since; what this one did must be rolled back."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"the lease on job {job.kind} {job.key} was lost", code="lease-lost")


class Queue:
    """Claim, keep and finish jobs. `owner` names the worker, for example ``office``."""

    def __init__(self, ledger: Ledger, clock: Clock, owner: str) -> None:
        self._ledger, self._clock, self._owner = ledger, clock, owner

    def claim(self, kind: str, lane: str = "") -> Job | None:
        """The next job of that kind that is due, leased to this worker; None when there is none."""
        now = self._clock.now()
        due = and_(
            table.c.kind == kind,
            table.c.lane == lane,
            or_(
                and_(table.c.state == "waiting", table.c.run_at <= now),
                and_(table.c.state == "running", table.c.lease_until < now),
            ),
        )
        first = select(table.c.id).where(due).order_by(table.c.rank_at, table.c.id).limit(1)
        with self._ledger.read() as view:
            if view.execute(first).first() is None:
                return None  # looking costs readers and writers nothing; claiming takes the write lock
        with self._ledger.begin() as tx:
            row = tx.execute(
                update(table)
                .where(table.c.id == first.scalar_subquery())
                .values(
                    state="running",
                    owner=self._owner,
                    lease_until=now + LEASE,
                    fence=table.c.fence + 1,
                    claims=table.c.claims + 1,
                )
                .returning(table)
            ).first()
        return None if row is None else Job(**{name: getattr(row, name) for name in Job.__dataclass_fields__})

    def heartbeat(self, jobs: Sequence[Job]) -> None:
        """Keep the leases of running jobs alive."""
        if not jobs:
            return
        until = self._clock.now() + LEASE
        with self._ledger.begin() as tx:
            for held in jobs:
                tx.execute(update(table).where(_held(held)).values(lease_until=until))

    def complete(self, tx: Connection, job: Job) -> None:
        """Finish the job in the transaction that writes its result. Raises `LeaseLost`, so that the result is rolled
        back too."""
        if tx.execute(delete(table).where(_held(job))).rowcount != 1:
            raise LeaseLost(job)

    def postpone(
        self,
        tx: Connection,
        job: Job,
        run_at: datetime,
        *,
        failed: bool = False,
        counted: bool = True,
        error: str = "",
    ) -> None:
        """Put the job back to run at that time, in the rank that its priority gives it, or drop it when another of the same
        key waits already. Raises `LeaseLost`.

        Args:
            failed: count a failure. counted: False takes back the claim too, as if the job had not been handed out.
        """
        other = select(table.c.id).where(table.c.kind == job.kind, table.c.key == job.key, table.c.state == "waiting")
        if tx.execute(other).first() is not None:
            self.complete(tx, job)
            return
        changed = tx.execute(
            update(table)
            .where(_held(job))
            .values(
                state="waiting",
                run_at=run_at,
                rank_at=run_at - job.priority * PRIORITY_STEP,
                owner="",
                lease_until=None,
                failures=table.c.failures + int(failed),
                claims=table.c.claims - int(not counted),
                error=error or table.c.error,
            )
        )
        if changed.rowcount != 1:
            raise LeaseLost(job)

    def park(self, tx: Connection, job: Job, error: str) -> None:
        """Keep the job where an operator sees it; only `preread retry` moves it. Raises `LeaseLost`."""
        changed = tx.execute(
            update(table)
            .where(_held(job))
            .values(state="parked", owner="", lease_until=None, error=error, failures=table.c.failures + 1)
        )
        if changed.rowcount != 1:
            raise LeaseLost(job)

    def release_own(self) -> int:
        """End the leases of an earlier process of the same owner. Call only while holding the role's lock: then it is
        dead."""
        with self._ledger.begin() as tx:
            done = tx.execute(
                update(table)
                .where(table.c.state == "running", table.c.owner == self._owner)
                .values(lease_until=self._clock.now() - timedelta(microseconds=1))
            )
            return int(done.rowcount)


_WANTED = upsert(table).values(
    kind=bindparam("kind"),
    lane=bindparam("lane"),
    key=bindparam("key"),
    state="waiting",
    priority=bindparam("priority"),
    run_at=bindparam("run_at"),
    rank_at=bindparam("rank_at"),
    created_at=bindparam("created_at"),
)
_ENQUEUE = _WANTED.on_conflict_do_update(
    index_elements=[table.c.kind, table.c.key],
    index_where=text("state = 'waiting'"),
    set_={"run_at": _WANTED.excluded.run_at, "rank_at": _WANTED.excluded.rank_at},
)


def enqueue_all(
    tx: Connection,
    kind: str,
    keys: Sequence[str],
    *,
    now: datetime,
    run_at: datetime | None = None,
    lane: str = "",
    priority: int = 0,
) -> None:
    """Add a job for each key in the caller's transaction. When one of the same kind and key waits already, only its
    time is moved to `run_at`."""
    due = run_at or now
    common = {"kind": kind, "lane": lane, "priority": priority, "run_at": due, "created_at": now}
    tx.execute(_ENQUEUE, [{**common, "key": key, "rank_at": due - priority * PRIORITY_STEP} for key in keys])


def enqueue(
    tx: Connection,
    kind: str,
    key: str,
    *,
    now: datetime,
    run_at: datetime | None = None,
    lane: str = "",
    priority: int = 0,
) -> None:
    """Add one job, as :func:`enqueue_all` does."""
    enqueue_all(tx, kind, [key], now=now, run_at=run_at, lane=lane, priority=priority)


def reschedule(tx: Connection, kind: str, key: str, run_at: datetime) -> None:
    """Move the waiting job of that kind and key, if there is one, to that time, in the rank that its priority gives it."""
    waiting = (table.c.kind == kind, table.c.key == key, table.c.state == "waiting")
    found = tx.execute(select(table.c.id, table.c.priority).where(*waiting)).first()
    if found is not None:
        rank_at = run_at - found.priority * PRIORITY_STEP
        tx.execute(update(table).where(table.c.id == found.id).values(run_at=run_at, rank_at=rank_at))


def bring_forward(tx: Connection, by: timedelta, *, now: datetime) -> int:
    """What waits for a later moment waits so much less, but no less than until now; returns how many jobs that were. For a
    clock that was set back."""
    later = select(table.c.id, table.c.run_at, table.c.rank_at).where(table.c.state == "waiting", table.c.run_at > now)
    rows = tx.execute(later).all()
    for row in rows:
        sooner = min(by, row.run_at - now)
        values = {"run_at": row.run_at - sooner, "rank_at": row.rank_at - sooner}
        tx.execute(update(table).where(table.c.id == row.id).values(values))
    return len(rows)


def hurry(tx: Connection, kind: str, key: str, priority: int) -> None:
    """Raise the priority of the waiting job of that kind and key, if there is one; a lower one changes nothing."""
    waiting = (table.c.kind == kind, table.c.key == key, table.c.state == "waiting", table.c.priority < priority)
    found = tx.execute(select(table.c.id, table.c.run_at).where(*waiting)).first()
    if found is not None:
        rank_at = found.run_at - priority * PRIORITY_STEP
        tx.execute(update(table).where(table.c.id == found.id).values(priority=priority, rank_at=rank_at))


def is_wanted(view: Connection, kind: str, key: str) -> bool:
    """Whether a job of that kind and key waits or runs."""
    query = select(table.c.id).where(
        table.c.kind == kind, table.c.key == key, table.c.state.in_(("waiting", "running"))
    )
    return view.execute(query).first() is not None


def revive(tx: Connection, kind: str, key: str, *, now: datetime, lane: str = "") -> None:
    """Run a parked or missing job again, from a clean slate but for its priority; a waiting one runs at once, a running one
    is left alone."""
    same = (table.c.kind == kind, table.c.key == key, table.c.state.in_(("parked", "waiting")))
    priority = tx.execute(select(func.max(table.c.priority)).where(*same)).scalar() or 0
    tx.execute(delete(table).where(table.c.kind == kind, table.c.key == key, table.c.state == "parked"))
    enqueue(tx, kind, key, now=now, lane=lane, priority=priority)


def _held(job: Job) -> ColumnElement[bool]:
    return and_(table.c.id == job.id, table.c.fence == job.fence, table.c.state == "running")


__all__ = [
    "LEASE",
    "Job",
    "LeaseLost",
    "Queue",
    "bring_forward",
    "enqueue",
    "enqueue_all",
    "hurry",
    "is_wanted",
    "reschedule",
    "revive",
]
