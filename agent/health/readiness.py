"""Whether the line takes images and does something with them: every role beats, the ledger answers, there is room."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from agent.clock import Clock
from agent.errors import PrereadError
from agent.health.trouble import Trouble
from agent.store import processes
from agent.store.engine import Ledger
from agent.store.files import FileStore


def unready(ledger: Ledger, files: FileStore, clock: Clock) -> tuple[Trouble, ...]:
    """What keeps the line from being ready; nothing when it is."""
    try:
        with ledger.read() as view:
            found = quiet_roles(view, clock.now())
    except PrereadError:
        found = [Trouble("ledger-unanswered")]
    return (*found, *disk(files))


def quiet_roles(view: Connection, now: datetime) -> list[Trouble]:
    """The roles that do not beat. Asked by a process of the line, so all of them ought to run."""
    said = {p.role: p for p in processes.all_processes(view)}
    found = []
    for role in processes.ROLES:
        if role not in said:
            found.append(Trouble("process-missing", role))
        elif said[role].state == "stopped":
            found.append(Trouble("process-stopped", role))
        elif processes.is_silent(said[role], now):
            found.append(Trouble("process-silent", role))
    return found


def disk(files: FileStore) -> list[Trouble]:
    """Where there is less room than the reserve. A root that is gone has none."""
    try:
        return [Trouble("disk-low", room.about) for room in files.rooms() if room.free < files.reserve_bytes]
    except OSError:
        return [Trouble("disk-low")]
