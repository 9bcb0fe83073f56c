"""Every row of a ledger in another one, under the same keys, whatever database keeps either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import JSON, Connection, RowMapping, Table, func, insert, null, select
from sqlalchemy.exc import DataError, IntegrityError

from agent.errors import Permanent
from agent.store.schema import metadata, schema_version

_AT_ONCE = 1000  # rows


def tables() -> Iterator[Table]:
    """All but the one that says of which version they are, those first that others refer to."""
    return (table for table in metadata.sorted_tables if table is not schema_version)


def counts(view: Connection) -> dict[str, int]:
    """How many rows each table has."""
    return {t.name: int(view.execute(select(func.count()).select_from(t)).scalar_one()) for t in tables()}


def copy(source: Connection, target: Connection) -> None:
    """Write every row of `source` into the tables of `target`, which are empty, and have new rows there numbered behind them.

    Raises:
        Permanent: a row is not what the target can keep. Its values are not said: they may be a patient's.
    """
    for table in tables():
        # JSON has a null of its own, which must not take the place of nothing at all.
        absent = {
            c.name: c.is_(None).label(f"{c.name} is absent") for c in table.c if _may_be_absent(c.type, c.nullable)
        }
        rows = source.execution_options(yield_per=_AT_ONCE).execute(select(table, *absent.values())).mappings()
        for some in rows.partitions():
            _write(target, table, [_values(row, table, absent) for row in some])
        _number_on(target, table)


def _write(target: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    try:
        target.execute(insert(table), rows)
    except (DataError, IntegrityError) as error:
        raise Permanent(
            f"a row of the table {table.name} cannot be kept there ({type(error.orig).__name__}); nothing was moved",
            code="not-moved",
        ) from error


def _may_be_absent(kind: object, nullable: bool | None) -> bool:
    return isinstance(kind, JSON) and bool(nullable)


def _values(row: RowMapping, table: Table, absent: dict[str, Any]) -> dict[str, Any]:
    return {c.name: null() if c.name in absent and row[f"{c.name} is absent"] else row[c.name] for c in table.c}


def _number_on(target: Connection, table: Table) -> None:
    """A file numbers new rows by those that are there; a server by a sequence, which has not seen them."""
    column = table.autoincrement_column
    if target.dialect.name != "postgresql" or column is None:
        return
    last = target.execute(select(func.max(column))).scalar()
    if last is not None:
        target.execute(select(func.setval(func.pg_get_serial_sequence(table.name, column.name), last)))
