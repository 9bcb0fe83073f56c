"""Who mends, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from agent.audit.event import About, What
from agent.audit.trail import Trail
from agent.clock import Clock
from agent.intake.assembly import Assembly, assembly_of
from agent.settings import Settings
from agent.store import overview, processes, studies
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.work.queue import Queue

_OF_READ = ("flag", "read")  # the jobs of the process that has the model; all others are the office's


@dataclass(frozen=True, slots=True)
class Hand:
    """Somebody at a command or at a page. `who`: the account of the page; empty at a command."""

    settings: Settings
    ledger: Ledger
    files: FileStore
    clock: Clock
    trail: Trail
    who: str = ""

    @classmethod
    def of(cls, settings: Settings, ledger: Ledger, files: FileStore, clock: Clock) -> Hand:
        """The user of a command."""
        return cls(settings, ledger, files, clock, Trail.of(settings))

    def assembly(self, what: str) -> Assembly:
        """Assembly as the settings have it; `what` names the queue's owner."""
        return assembly_of(self.settings, self.ledger, Queue(self.ledger, self.clock, what), self.clock)

    def write_down(self, tx: Connection, uid: str, action: str, code: str, words: str, *, now: datetime) -> None:
        """Into the audit trail and into the history of the study, in the transaction of what was done."""
        self.trail.by_hand(tx, What.ACCESSED, action, About(uid), now=now)
        studies.note(tx, uid, action, code, self.signed(words), now=now)

    def signed(self, words: str) -> str:
        """With the account that did it, where that is known."""
        return f"{words} ({self.who})" if self.who else words


def one_line(text: str) -> str:
    """What a person gave as a reason, for a line of a list."""
    return " ".join(text.split())


def idle_roles(view: Connection, uid: str, now: datetime) -> list[str]:
    """The roles that have something to do about that study, and no process at the moment that would do it."""
    wanted = {"read" if kind in _OF_READ else "office" for kind in overview.open_jobs(view, uid)}
    running = {r.role for r in processes.all_processes(view) if not processes.does_not_run(r, now)}
    return [role for role in ("read", "office") if role in wanted - running]
