"""Where a ledger lies: what a file of SQLite's and a server of PostgreSQL's have to do alike."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine

from agent.errors import Permanent
from agent.sentence import Sentence

BUSY_TIMEOUT_S = 30.0  # how long a writer waits for its turn, and anybody for a connection


class CopierMissing(Permanent):
    """The program that copies a ledger is not on this machine; those who look after the server have theirs."""


def unfinished(name: str) -> Permanent:
    """Tables without the version of their schema: a backup was not brought back to its end."""
    return Permanent(
        f"the database {name} has tables and does not say of which version: bringing back a backup was broken off. Put an "
        "empty database in its place, then: preread restore",
        code="database-unfinished",
    )


class Place(Protocol):
    """A database that keeps one ledger.

    Attributes:
        name: what messages call it; never with a password.
        engine: where connections come from.
        is_shared: whether other machines can reach it.
        file: where it lies on this machine; None where a server keeps it, whose disk is the server's to watch.
    """

    name: str
    engine: Engine
    is_shared: bool
    file: Path | None

    def start_writing(self, connection: Connection) -> Connection:
        """Begin a transaction that nobody else writes beside; returns the connection to write with."""

    def start_reading(self, connection: Connection) -> Connection:
        """Begin a transaction that sees one state of everything; returns the connection to read with."""

    def check(self) -> None:
        """Raises `Transient` where what is written now would be lost."""

    def mapped(self) -> AbstractContextManager[None]:
        """What the driver raises in the block becomes `Transient` or `Permanent`, in words."""

    def is_there(self) -> bool:
        """Whether a program has kept a ledger there before; looking makes nothing. Raises as `mapped`."""

    def prepare(self) -> None:
        """Make what must be there before a ledger is made. Raises `Permanent`."""

    def described(self, view: Connection) -> str:
        """What keeps the ledger, and its version, for those who look after it."""

    def worries(self, view: Connection) -> list[Sentence]:
        """How the database is set up where that breaks a promise of this program."""
