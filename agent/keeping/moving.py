"""The ledger from the file where a site began to a server: the one time that it changes from one kind of database to another.

Everything happens in one transaction of the server's, which ends only when what is there has been counted and the audit trail proved: a
move that is broken off has moved nothing. The file is only read, and nobody writes to it meanwhile.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from agent.audit.trail import Trail
from agent.errors import Permanent
from agent.store import audit_checks, moved, processes
from agent.store.audit_checks import AuditCheck
from agent.store.engine import Ledger
from agent.work.role import RoleLock


@dataclass(frozen=True, slots=True)
class Moved:
    """What came over. `proof`: of the audit trail, as it stands in both."""

    rows: int
    proof: AuditCheck


def move(source: Ledger, target: Ledger, root: Path, trail: Trail, *, now: datetime) -> Moved:
    """Copy the ledger of the line with that storage root into a database on a server that has none, or an empty one.

    Args:
        trail: where it is written down, behind all that the trail holds already.

    Raises:
        RoleTaken: the line runs.
        Permanent: there is no such ledger, or a line still works with it; one of the two is of another version than this program,
            or the target has something in it already; what arrived is not what was sent.
        Transient: one of them cannot be used at the moment.
    """
    _must_be_whole(source)
    if not root.is_dir():
        raise Permanent(f"storage.root {root} is not there; name the one that the line works with", code="no-root")
    with ExitStack() as stack:
        for role in ("receive", "read", "office"):
            stack.enter_context(RoleLock(root, role))
        if target.is_there():
            target.must_be_of_this_program()
        with source.begin() as view, target.begin() as tx:
            _must_be_at_rest(source, view, now)
            target.bring_up_to_date(tx)
            _must_be_empty(target, tx)
            moved.copy(view, tx)
            rows, proof = _compared(source, view, tx, now)
            trail.moved(tx, now=now)
    return Moved(rows, proof)


def _must_be_whole(source: Ledger) -> None:
    if not source.is_there():
        raise Permanent(
            f"there is no ledger at {source.name}; name the file that the line has worked with", code="no-ledger"
        )
    source.must_be_of_this_program()


def _must_be_at_rest(source: Ledger, view: Connection, now: datetime) -> None:
    """The locks are those of a storage root, and the file may be that of another line."""
    alive = [p.role for p in processes.all_processes(view) if not processes.does_not_run(p, now)]
    if alive:
        raise Permanent(
            f"processes that work with {source.name} gave a sign of life just now ({', '.join(sorted(alive))}); stop the line first, or "
            f"wait {processes.SILENT_AFTER_S:.0f} s after it was killed",
            code="line-runs",
        )


def _must_be_empty(target: Ledger, tx: Connection) -> None:
    if full := [name for name, count in moved.counts(tx).items() if count]:
        raise Permanent(
            f"the ledger at {target.name} is not empty ({', '.join(full[:3])}); a ledger never takes the place of another. Have an "
            "empty database made, and name it in database.url",
            code="ledger-exists",
        )


def _compared(source: Ledger, view: Connection, tx: Connection, now: datetime) -> tuple[int, AuditCheck]:
    """How many rows there are on both sides, and what the audit trail proves on both."""
    sent, arrived = moved.counts(view), moved.counts(tx)
    odd = [f"{name}: {sent[name]} rows, {arrived[name]} arrived" for name in sent if sent[name] != arrived[name]]
    before, after = (audit_checks.proved(one, "", now=now) for one in (view, tx))
    if before != after:
        odd.append(f"audit: {before.broken or before.head}, and there {after.broken or after.head}")
    if odd:
        raise Permanent(
            f"what arrived is not what {source.name} holds ({'; '.join(odd)}); nothing was moved", code="not-moved"
        )
    return sum(arrived.values()), after
