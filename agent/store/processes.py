"""What each process says of itself, so that any other, and any person, can see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from agent.store.dialect import upsert
from agent.store.schema import process

ROLES = ("receive", "read", "office")
# Six beats missed.
SILENT_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One role: ``receive``, ``read`` or ``office``; state ``starting``, ``loading``, ``ready``, ``failed`` or
    ``stopped``, with words."""

    role: str
    pid: int
    state: str
    words: str
    started_at: datetime
    beat_at: datetime


def announce(tx: Connection, role: str, pid: int, state: str, words: str, *, now: datetime) -> None:
    """Say what state the role's process is in."""
    values = {"role": role, "pid": pid, "state": state, "words": words, "started_at": now, "beat_at": now}
    tx.execute(upsert(process).values(values).on_conflict_do_update(index_elements=["role"], set_=values))


def beat(tx: Connection, role: str, pid: int, *, now: datetime) -> None:
    """Say that the process lives."""
    tx.execute(update(process).where(process.c.role == role, process.c.pid == pid).values(beat_at=now))


def all_processes(view: Connection) -> tuple[ProcessState, ...]:
    """Every role that has ever run here."""
    return tuple(ProcessState(**row._mapping) for row in view.execute(select(process).order_by(process.c.role)))


def is_silent(role: ProcessState, now: datetime) -> bool:
    """Whether a process that has not stopped gives no sign of life any more."""
    return role.state != "stopped" and (now - role.beat_at).total_seconds() > SILENT_AFTER_S


def does_not_run(role: ProcessState, now: datetime) -> bool:
    """Whether the role has no process: stopped, failed for good, or dead."""
    return role.state in ("stopped", "failed") or is_silent(role, now)
