"""The database engine: SQLite that loses nothing and never loses an update."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from agent.errors import Permanent, Transient
from agent.store import schema

BUSY_TIMEOUT_S = 30.0


class Ledger:
    """One database, many short transactions.

    Writing transactions start with ``BEGIN IMMEDIATE``: SQLAlchemy's default lets two connections read the same row
        and the later one
    overwrite the earlier without any error. ``synchronous=FULL`` makes a commit mean what C-STORE Success means: it
    survives the power cord.
    """

    def __init__(self, url: str) -> None:
        path = make_url(url).database
        self._path = path or ":memory:"
        self._on_disk = Path(path) if path and path != ":memory:" else None
        if self._on_disk is not None:
            _make_folder(self._on_disk)
        self._engine = _sqlite_engine(url)
        self._file: tuple[int, int] | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A writing transaction: committed at the end of the block, rolled back when it raises.

        Raises:
            Transient: the database is busy, full or cannot be written at the moment; its path is in the message.
        """
        self._check_file()
        with _mapped(self._path), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                self._check_file()
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading; it neither waits for writers nor holds them up."""
        with _mapped(self._path), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    def create(self) -> None:
        """Make the tables where there are none, bring older ones up to date, and refuse a database of a newer program.

        Raises:
            Permanent: the schema is newer than this program.
        """
        with self.begin() as tx:
            schema.metadata.create_all(tx)
            version = tx.execute(select(schema.schema_version.c.version)).scalar()
            if version is None:
                tx.execute(insert(schema.schema_version).values(version=schema.SCHEMA_VERSION))
            elif version > schema.SCHEMA_VERSION:
                raise Permanent(
                    f"the database {self._path} has schema {version}, "
                    f"this program knows {schema.SCHEMA_VERSION}: install the newer program again",
                    code="database-newer",
                )
            else:
                for step in range(version, schema.SCHEMA_VERSION):
                    for statement in schema.UPGRADES[step]:
                        tx.exec_driver_sql(statement)
                tx.execute(update(schema.schema_version).values(version=schema.SCHEMA_VERSION))

    def copy_to(self, target: Path) -> None:
        """A consistent copy, made while others write (SQLite's online backup), and durable.

        Raises:
            Transient: the database, or the copy, cannot be used at the moment.
        """
        copy = sqlite3.connect(target)
        try:
            with _mapped(self._path), self._engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                driver.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without companions
        except sqlite3.Error as error:
            raise Transient(
                f"the ledger could not be copied to {target} ({error}); nothing is lost here", code="backup-failed"
            ) from error
        finally:
            copy.close()

    def _check_file(self) -> None:
        """What is written to a file that has been removed or replaced is lost, without any error of SQLite's.

        Raises:
            Transient: the path no longer leads to the file that is open.
        """
        if self._on_disk is None:
            return
        try:
            found = self._on_disk.stat()
            now = (found.st_dev, found.st_ino)
        except OSError:
            now = None
        self._file = self._file or now
        if now != self._file:
            raise Transient(
                f"the database file {self._path} was removed or replaced while the program has it open; put it back, "
                "or stop the program and start it again",
                code="database-gone",
            )

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()


def _make_folder(database: Path) -> None:
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Permanent(
            f"the folder of the database {database} cannot be made ({error.strerror}); give it to the user that runs preread, "
            "or name another database.url",
            code="database-unavailable",
        ) from error


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        pool_size=8,
        max_overflow=32,
        pool_timeout=BUSY_TIMEOUT_S,
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        _write_ahead(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _write_ahead(connection: Any) -> None:
    """Switch to WAL. Several processes that open a new database at once may meet here, and SQLite does not apply its busy
    timeout to the switch."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


@contextmanager
def _mapped(path: str) -> Iterator[None]:
    try:
        yield
    except NoConnectionFree as error:
        # Many associations end at once while another program holds the database, say.
        raise Transient(f"the database {path} is in use by everybody at once", code="database-busy") from error
    except OperationalError as error:
        raise Transient(
            f"the database {path} cannot be used at the moment: {error.orig}", code="database-unavailable"
        ) from error
    except DatabaseError as error:
        if "malformed" in str(error.orig) or "not a database" in str(error.orig):
            raise Permanent(
                f"the database {path} is damaged: {error.orig}; restore it from a backup", code="database-damaged"
            ) from error
        raise
