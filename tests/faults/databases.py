"""What can be wrong with a database for a while, a file's and a server's."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from tests.support.postgres import Cluster

_LONGER_THAN_ANYBODY_WAITS_S = 32.0
_LOCKED = ("job", "study", "delivery")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong.

    Attributes:
        during: it is wrong while the block runs. restarts: it is for a process to find that starts meanwhile; whoever has the
            database open does not see it.
    """

    words: str
    seconds: float
    during: Callable[[], AbstractContextManager[None]]
    restarts: bool = False


def of_file(path: Path, chance: random.Random) -> Trouble:
    """Of SQLite: it is locked, or its files are read-only."""
    if chance.random() < 0.5:
        seconds = _for_some_time(chance)
        return Trouble(f"database locked by another writer for {seconds:.1f} s", seconds, lambda: _file_locked(path))
    seconds = chance.uniform(0.5, 3.0)
    return Trouble(
        f"database files read-only for {seconds:.1f} s", seconds, lambda: _files_read_only(path), restarts=True
    )


def of_server(server: Cluster, url: str, chance: random.Random) -> Trouble:
    """Of PostgreSQL: a table is locked, the database takes no changes, its connections end, the server loses its power."""
    kind, seconds = chance.choice(("locked", "read-only", "ended", "power", "power")), chance.uniform(0.3, 4.0)
    if kind == "locked":
        table, seconds = chance.choice(_LOCKED), _for_some_time(chance)
        words = f"table {table} locked by another session for {seconds:.1f} s"
        return Trouble(words, seconds, lambda: _table_locked(url, table))
    if kind == "read-only":
        return Trouble(f"database read-only for {seconds:.1f} s", seconds, lambda: _database_read_only(url))
    if kind == "ended":
        return Trouble(f"every connection ended, twice in {seconds:.1f} s", seconds, lambda: _connections_ended(url))
    return Trouble(f"server without power for {seconds:.1f} s", seconds, lambda: _without_power(server))


def _for_some_time(chance: random.Random) -> float:
    return _LONGER_THAN_ANYBODY_WAITS_S if chance.random() < 0.05 else chance.uniform(0.3, 4.0)


@contextmanager
def _file_locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, timeout=60.0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def _files_read_only(path: Path) -> Iterator[None]:
    files = sorted(path.parent.glob(f"{path.name}*"))
    for file in files:
        file.chmod(0o444)
    try:
        yield
    finally:
        for file in files:
            if file.exists():
                file.chmod(0o644)


def _session(url: str, database: str = "") -> psycopg.Connection:
    made = make_url(url).set(drivername="postgresql")
    made = made.set(database=database) if database else made
    return psycopg.connect(made.render_as_string(hide_password=False), autocommit=True)


@contextmanager
def _table_locked(url: str, table: str) -> Iterator[None]:
    with _session(url) as other, other.transaction():
        other.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
        yield


@contextmanager
def _database_read_only(url: str) -> Iterator[None]:
    """For every session from now on; those that are there are ended."""
    name = sql.Identifier(str(make_url(url).database))
    with _session(url, "postgres") as other:
        other.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        _end_sessions(other, url)
        try:
            yield
        finally:
            other.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
            _end_sessions(other, url)


@contextmanager
def _connections_ended(url: str) -> Iterator[None]:
    with _session(url, "postgres") as other:
        _end_sessions(other, url)
        yield
        _end_sessions(other, url)


def _end_sessions(other: psycopg.Connection, url: str) -> None:
    other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [str(make_url(url).database)]
    )


@contextmanager
def _without_power(server: Cluster) -> Iterator[None]:
    server.stop("immediate")  # as a power cut leaves it: what was not committed is gone
    try:
        yield
    finally:
        server.start()
