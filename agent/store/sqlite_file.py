"""A ledger in a file: SQLite that loses nothing and never loses an update."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from agent.errors import Permanent, Transient
from agent.sentence import Sentence

_AS_ITS_USER = "run the command as the user that runs preread, or give that user the file and its folder"
# What SQLite says (sqlite.org/rescode.html), and what the person can do.
_ADVICE = {
    "readonly": _AS_ITS_USER,
    "unable to open": _AS_ITS_USER,
    "disk is full": "free some space on its disk",
    "locked": "another program holds it; end that one, or try again",
    "disk I/O error": "look after its disk; what is damaged comes back from a backup",
}


class SqliteFile:
    """A `Place` of one file with its companions.

    Writing transactions start with ``BEGIN IMMEDIATE``: SQLAlchemy's default lets two connections read the same row and the
    later one overwrite the earlier without any error. ``synchronous=FULL`` makes a commit mean what C-STORE Success means: it
    survives the power cord.
    """

    def __init__(self, url: URL, busy_timeout_s: float) -> None:
        self.name = url.database or ":memory:"
        self.file = file_of(url)
        self.is_shared = False
        self.engine = _engine(url, busy_timeout_s)
        self._opened: tuple[int, int] | None = None

    def start_writing(self, connection: Connection) -> Connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return connection

    def start_reading(self, connection: Connection) -> Connection:
        connection.exec_driver_sql("BEGIN")
        return connection

    def is_there(self) -> bool:
        try:
            return self.file is None or self.file.is_file()
        except OSError as error:
            raise Permanent(
                f"the database {self.name} cannot be looked at ({error.strerror}): {_AS_ITS_USER}",
                code="database-unavailable",
            ) from error

    def prepare(self) -> None:
        if self.file is not None:
            _make_folder(self.file)

    def described(self, view: Connection) -> str:
        return f"SQLite {sqlite3.sqlite_version}, {self.name}"

    def worries(self, view: Connection) -> list[Sentence]:
        return []

    def check(self) -> None:
        """What is written to a file that has been removed or replaced is lost, without any error of SQLite's.

        Raises:
            Transient: the path no longer leads to the file that is open.
        """
        if self.file is None:
            return
        try:
            found = self.file.stat()
            now = (found.st_dev, found.st_ino)
        except OSError:
            now = None
        self._opened = self._opened or now
        if now != self._opened:
            raise Transient(
                f"the database file {self.name} was removed or replaced while the program has it open; put it back, "
                "or stop the program and start it again",
                code="database-gone",
            )

    @contextmanager
    def mapped(self) -> Iterator[None]:
        try:
            yield
        except NoConnectionFree as error:
            # Many associations end at once while another program holds the database, say.
            raise Transient(f"the database {self.name} is in use by everybody at once", code="database-busy") from error
        except OperationalError as error:
            raise Transient(
                f"the database {self.name} cannot be used at the moment: {error.orig}{_advice(str(error.orig))}",
                code="database-unavailable",
            ) from error
        except DatabaseError as error:
            if "malformed" in str(error.orig) or "not a database" in str(error.orig):
                raise Permanent(
                    f"the database {self.name} is damaged: {error.orig}; restore it from a backup",
                    code="database-damaged",
                ) from error
            raise


def _advice(words: str) -> str:
    return next((f"; {advice}" for said, advice in _ADVICE.items() if said in words), "")


def file_of(url: URL) -> Path | None:
    """The file that a ledger of that URL is kept in; None where a server keeps it."""
    held = url.database if url.get_backend_name() == "sqlite" else None
    return Path(held) if held and held != ":memory:" else None


def _make_folder(database: Path) -> None:
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Permanent(
            f"the folder of the database {database} cannot be made ({error.strerror}); give it to the user that runs preread, "
            "or name another database.url",
            code="database-unavailable",
        ) from error


def _engine(url: URL, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
        pool_size=8,
        max_overflow=32,
        pool_timeout=busy_timeout_s,
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        _write_ahead(connection, busy_timeout_s)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _write_ahead(connection: Any, busy_timeout_s: float) -> None:
    """Switch to WAL. Several processes that open a new database at once may meet here, and SQLite does not apply its busy
    timeout to the switch."""
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
