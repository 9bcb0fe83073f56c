"""A copy of a ledger in a file, by SQLite's online backup."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from agent.errors import Transient
from agent.store.engine import Ledger
from agent.store.files import copy_file, sync_folder
from agent.store.sqlite_file import SqliteFile


class FileCopy:
    """See `agent.store.copies.Copy`."""

    file_name = "ledger.db"

    def __init__(self, place: SqliteFile) -> None:
        self._place = place

    @contextmanager
    def take(self, target: Path) -> Iterator[Connection]:
        target.unlink(missing_ok=True)
        self._copy_to(target)
        with _opened(target) as copy, copy.read() as view:
            yield view

    def _copy_to(self, target: Path) -> None:
        copy = sqlite3.connect(target)
        try:
            with self._place.mapped(), self._place.engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                driver.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without companions
        except sqlite3.Error as error:
            raise Transient(
                f"the ledger could not be copied to {target} ({error}); nothing is lost here", code="backup-failed"
            ) from error
        finally:
            copy.close()

    @contextmanager
    def bring_back(self, copy: Path) -> Iterator[Ledger]:
        """Beside the place where the ledger is to lie; at the end it gets its name."""
        database = Path(self._place.name)
        fresh = database.with_name(database.name + ".restoring")
        copy_file(copy, fresh)  # nothing is written to the backup, which may be on something read-only
        with _opened(fresh) as ledger:
            yield ledger
        fresh.replace(database)
        sync_folder(database.parent)


@contextmanager
def _opened(file: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{file}")
    try:
        yield ledger
    finally:
        ledger.close()
        # The last connection to end has brought everything into the one file; what is left beside it holds nothing.
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
