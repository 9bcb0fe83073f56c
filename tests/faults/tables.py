"""The tables of a site's ledger, read by the database's own driver and by nothing of the program's."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg.rows import dict_row
from sqlalchemy.engine import make_url

Row = Mapping[str, Any]


class Unreadable(Exception):
    """Not at the moment: there are no tables yet, or whoever keeps them does not answer."""


class Tables(Protocol):
    """A ledger's."""

    def rows(self, statement: str, *values: object) -> Sequence[Row]:
        """What a query with ``?`` for each value finds. Raises `Unreadable`."""
        ...

    def holds_open(self, target: str) -> bool:
        """Whether a descriptor of that name is one of the database's."""
        ...


class InFile:
    """Of SQLite, below the storage root."""

    def __init__(self, root: Path) -> None:
        self.path = root / "preread.db"

    def rows(self, statement: str, *values: object) -> Sequence[Row]:
        try:
            with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30.0)) as connection:
                connection.row_factory = sqlite3.Row
                return [dict(row) for row in connection.execute(statement, values)]
        except sqlite3.Error as error:
            raise Unreadable(str(error)) from error

    def holds_open(self, target: str) -> bool:
        return target.startswith(str(self.path))


class OnServer:
    """Of PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    def rows(self, statement: str, *values: object) -> Sequence[Row]:
        query = statement.replace("%", "%%").replace("?", "%s")
        try:
            with psycopg.connect(self._url, connect_timeout=10, autocommit=True) as connection:
                return connection.cursor(row_factory=dict_row).execute(query.encode(), values).fetchall()
        except psycopg.Error as error:
            raise Unreadable(str(error)) from error

    def holds_open(self, target: str) -> bool:
        return False  # a connection looks as any other
