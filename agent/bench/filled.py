"""A ledger with very many studies, made once in a folder and used again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Table, insert, text
from sqlalchemy.engine import make_url

from agent.bench.many_studies import MadeStudy, Rows, blocks, made_study
from agent.bench.real_films import put_films
from agent.clock import SystemClock
from agent.errors import Permanent
from agent.numbers.count import Counting
from agent.settings import Settings
from agent.store import listing_progress, listing_rows, schema
from agent.store.engine import Ledger

SEED = 1
WITH_FILMS = 8
_MARK = "made.json"
_SAY_EVERY = 100_000
_COUNTED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Filled:
    """A site with so many studies, the newest of which came at that moment. The `WITH_FILMS` newest that were read have films."""

    settings: Settings
    count: int
    newest: datetime

    def study(self, number: int) -> MadeStudy:
        """One of them; 0 is the oldest, -1 the newest."""
        return made_study(number % self.count, self.count, self.newest)

    def with_film(self, number: int) -> MadeStudy:
        """One of those with films, whatever the number."""
        return self.study(-3 - number % WITH_FILMS)


def filled(settings: Settings, folder: Path, count: int, *, now: datetime, say: Callable[[str], None]) -> Filled:
    """The site of those settings with so many studies: the one that lies in the folder, or a new one.

    Raises:
        Permanent: the folder holds something else.
    """
    mark = folder / _MARK
    wanted = {"studies": count, "seed": SEED, "tables": _shape()}
    if mark.is_file():
        held = json.loads(mark.read_text("utf-8"))
        newest = datetime.fromisoformat(held.pop("newest"))
        if held != wanted:
            raise Permanent(f"{folder} holds a ledger of another program or size; remove it", code="bench-other")
        say(f"{count:,} studies of {newest:%Y-%m-%d %H:%M} in {folder}")
        return Filled(settings, count, newest)
    ledger = Ledger(settings.database_url)
    try:
        ledger.create()
        with ledger.begin() as tx:
            if tx.execute(schema.study.select().limit(1)).first() is not None:
                raise Permanent(
                    f"the ledger for {folder} holds studies that no bench has finished making; name another folder or database",
                    code="bench-other",
                )
        _fill(ledger, settings.database_url, count, now, say)
        last = range(count - 2 - WITH_FILMS, count - 2)  # the last two have not been read
        put_films(settings, ledger, [made_study(number, count, now) for number in last])
    finally:
        ledger.close()
    mark.write_text(json.dumps({**wanted, "newest": now.isoformat()}), "utf-8")
    return Filled(settings, count, now)


def _shape() -> str:
    """What a ledger that was made by another program differs in."""
    return ",".join(sorted(f"{t.name}:{len(t.columns)}" for t in schema.metadata.sorted_tables))


def _fill(ledger: Ledger, url: str, count: int, now: datetime, say: Callable[[str], None]) -> None:
    is_sqlite = make_url(url).get_backend_name() == "sqlite"
    counting, done = Counting(ledger, SystemClock(), UTC), 0
    with closing(_Sqlite(str(make_url(url).database)) if is_sqlite else _Postgres(ledger)) as into:
        for rows in blocks(count, now, seed=SEED):
            into.write(rows)
            _list(ledger, [row["study_instance_uid"] for row in rows["study"]], now)
            while counting.count(_COUNTED_AT_ONCE):
                pass
            done += len(rows["study"])
            if done % _SAY_EVERY == 0 or done == count:
                say(f"made {done:,} of {count:,} studies")
        into.finish()
    with ledger.begin() as tx:
        listing_progress.begin(tx)
        listing_progress.walked_to(tx, "")


def _list(ledger: Ledger, uids: list[str], now: datetime) -> None:
    """The rows of the worklist, as the office makes them."""
    with ledger.begin() as tx:
        for part in listing_rows.batched(uids, listing_rows.MOST_AT_ONCE):
            rows = list(listing_rows.projected(tx, part, now=now).values())
            tx.execute(insert(schema.listing), rows)
            found = {
                (row["study_instance_uid"], chip["concept"]): row["position"]
                for row in rows
                for chip in row["findings"]
            }
            said = [{"study_instance_uid": uid, "concept": c, "position": at} for (uid, c), at in found.items()]
            if said:
                tx.execute(insert(schema.listing_finding), said)


def _tuples(table: Table, rows: list[dict[str, Any]]) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Names of columns, and the rows in that order; what a row does not say is the default of the column."""
    defaults: Mapping[str, Any] = {c.name: _default(c) for c in table.columns}
    names = [c.name for c in table.columns if c.name in rows[0] or defaults[c.name] is not None]
    return names, (tuple(row[n] if n in row else defaults[n] for n in names) for row in rows)


def _default(column: Any) -> Any:
    if column.default is None:
        return None
    return column.default.arg if column.default.is_scalar else "[]"  # lists, which are JSON


class _Sqlite:
    """Nobody else has the file, and one that is not finished is thrown away: nothing has to be durable on the way."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("synchronous=OFF", "cache_size=-400000", "foreign_keys=OFF"):
            self._connection.execute(f"PRAGMA {pragma}")

    def write(self, rows: Rows) -> None:
        self._connection.execute("BEGIN")
        for name, made in rows.items():
            names, values = _tuples(schema.metadata.tables[name], made)
            marks = ", ".join("?" * len(names))
            self._connection.executemany(f"INSERT INTO {name} ({', '.join(names)}) VALUES ({marks})", values)  # noqa: S608  names of our own tables
        self._connection.execute("COMMIT")

    def finish(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._connection.close()


class _Postgres:
    """By COPY; afterwards what the server does by itself sooner or later, so that it has not to be waited for."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def write(self, rows: Rows) -> None:
        with self._ledger.begin() as tx:
            driver: Any = tx.connection.driver_connection
            with driver.cursor() as cursor:
                for name, made in rows.items():
                    names, values = _tuples(schema.metadata.tables[name], made)
                    with cursor.copy(f"COPY {name} ({', '.join(names)}) FROM STDIN") as copy:
                        for row in values:
                            copy.write_row(row)

    def finish(self) -> None:
        with self._ledger.begin() as tx:
            for table in schema.metadata.sorted_tables:
                if "id" in table.columns and table.columns["id"].type.python_type is int:
                    sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
                    newest = f"(SELECT coalesce(max(id), 1) FROM {table.name})"  # noqa: S608  names of our own tables
                    tx.execute(text(f"SELECT setval({sequence}, {newest}) WHERE {sequence} IS NOT NULL"))
            tx.execute(text("ANALYZE"))

    def close(self) -> None:
        return
