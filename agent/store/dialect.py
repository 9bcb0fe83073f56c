"""What SQLite and PostgreSQL say differently, in one place: everything else in the program speaks to both in the same words.

Texts on PostgreSQL have no width and sort by their bytes, as they do on SQLite: a width that only one of the two enforces, or
a collation that the server was made with, must not decide what is kept and what comes first.
"""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import DDL, Column, Index, String, Table, Text, event, literal_column, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

__all__ = ["JsonText", "append_only", "json_text", "partial_index", "step_for", "storable", "storable_json", "upsert"]
# `upsert` is INSERT with .on_conflict_do_nothing() and .on_conflict_do_update(): PostgreSQL's clause, which SQLite took over
# word for word, so that SQLAlchemy's compiler for SQLite writes this one as it writes its own (tests/unit/test_dialect.py).

_BYTEWISE = 'TEXT COLLATE "C"'


class _JsonText(FunctionElement[str]):
    inherit_cache = True
    type = Text()


def json_text(column: Any, path: str) -> Any:
    """The text at a path of keys, ``a.b``, in a column of JSON or of text that holds JSON; NULL where there is nothing."""
    if not re.fullmatch(r"\w+(\.\w+)*", path):
        raise ValueError(f"{path!r} is no path of keys")
    return _JsonText(column, literal_column(f"'{path}'"))


@compiles(_JsonText, "sqlite")
def _json_text_sqlite(element: _JsonText, compiler: Any, **kw: Any) -> str:
    column, path = element.clauses
    return f"json_extract({compiler.process(column, **kw)}, '$.{compiler.process(path, **kw)[1:-1]}')"


@compiles(_JsonText, "postgresql")
def _json_text_postgresql(element: _JsonText, compiler: Any, **kw: Any) -> str:
    column, path = element.clauses
    return f"(CAST({compiler.process(column, **kw)} AS JSON) #>> string_to_array({compiler.process(path, **kw)}, '.'))"


def partial_index(name: str, *columns: str, where: str) -> Index:
    """A unique index over the rows for which that holds."""
    return Index(name, *columns, unique=True, sqlite_where=text(where), postgresql_where=text(where))


def append_only(table: Table, words: str) -> None:
    """The database itself refuses to change or delete a row of that table, in those words."""
    name = table.name
    ways = [(w, "sqlite", _REFUSED_BY_SQLITE) for w in ("UPDATE", "DELETE")]
    ways.append(("", "postgresql", _REFUSING))
    ways += [(w, "postgresql", _REFUSED_BY_POSTGRESQL) for w in ("UPDATE", "DELETE", "TRUNCATE")]
    for what, dialect, statement in ways:
        said = statement.format(table=name, what=what, lower=what.lower(), words=words)
        event.listen(table, "after_create", DDL(said).execute_if(dialect=dialect))  # type: ignore[no-untyped-call]


_REFUSED_BY_SQLITE = (
    "CREATE TRIGGER {table}_no_{lower} BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, '{words}'); END"
)
_REFUSING = (
    "CREATE OR REPLACE FUNCTION {table}_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '{words}'; END $$"
)
_REFUSED_BY_POSTGRESQL = (
    "CREATE TRIGGER {table}_no_{lower} BEFORE {what} ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_only_added_to()"
)

_TYPE_OF_TEXT = re.compile(r"\bADD COLUMN (\w+) (?:VARCHAR\(\d+\)|TEXT\b)")


def step_for(dialect: str, statement: str) -> str:
    """A statement of `UPGRADES`, which are written for SQLite, for that database."""
    if dialect != "postgresql":
        return statement
    return _TYPE_OF_TEXT.sub(rf"ADD COLUMN \1 {_BYTEWISE}", statement).replace(" BLOB", " BYTEA")


@compiles(String, "postgresql")
@compiles(Text, "postgresql")
def _text_postgresql(_type: Any, _compiler: Any, **kw: Any) -> str:
    return _BYTEWISE if isinstance(kw.get("type_expression"), Column) else "TEXT"


_NOT_IN_JSON = re.compile("[\x00\ud800-\udfff]")


def storable(value: str) -> str:
    """Text that PostgreSQL can keep: U+FFFD stands in it for NUL, which it has no place for."""
    return value.replace("\x00", "\ufffd")


def storable_json(written: str) -> str:
    """JSON that PostgreSQL can look into: a NUL, or half of a surrogate pair, stands in it as U+FFFD.

    One such row would make every query that looks into the column fail, not only those about it.
    """
    if "\\u" not in written and not _NOT_IN_JSON.search(written):
        return written
    return json.dumps(_whole(json.loads(written)), ensure_ascii=False)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return _NOT_IN_JSON.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_whole(k): _whole(v) for k, v in value.items()}
    return [_whole(v) for v in value] if isinstance(value, list) else value


class JsonText(TypeDecorator[str]):
    """Text that holds JSON, kept exactly as it was written where the database can look into it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return storable_json(value) if value is not None and dialect.name == "postgresql" else value
