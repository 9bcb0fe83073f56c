"""A copy of the ledger for a backup, and the ledger that is made of one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from agent.store.engine import Ledger
from agent.store.postgres_dump import Dump
from agent.store.postgres_server import PostgresServer
from agent.store.sqlite_copy import FileCopy
from agent.store.sqlite_file import SqliteFile


class Copy(Protocol):
    """How the ledger of one place is copied. `file_name`: what the copy is called in a backup."""

    file_name: str

    def take(self, target: Path) -> AbstractContextManager[Connection]:
        """Write a copy to that file, durably, while others write; in the block there is a view of the very state it holds.

        Raises:
            Transient: the database cannot be used at the moment, or the copy cannot be written.
            CopierMissing: what makes the copy is not installed here.
            Permanent: it is, and is too old for the server.
        """

    def bring_back(self, copy: Path) -> AbstractContextManager[Ledger]:
        """A ledger made of that copy, which nobody takes for one before the block has ended without an error: there its tables
        can be read, and have to be brought up to date.

        Raises:
            Transient: the database cannot be used at the moment.
            Permanent: the copy cannot be used, or not with what is installed here.
            OSError: the disk, of a file.
        """


def copies_of(ledger: Ledger) -> Copy:
    """How the ledger is copied where it lies."""
    place = ledger.place
    if isinstance(place, PostgresServer):
        return Dump(ledger, place)
    assert isinstance(place, SqliteFile)
    return FileCopy(place)
