"""A database of every version that was ever released must come through an upgrade whole: what a site has kept is in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import UniqueConstraint, select, update

from agent.store.engine import Ledger
from agent.store.schema import SCHEMA_VERSION, UPGRADES, metadata, schema_version
from tests.support.site import Site

SCHEMAS = sorted((Path(__file__).parents[1] / "schemas").glob("v*.sql"))


def test_every_released_version_is_here() -> None:
    assert [f.stem for f in SCHEMAS] == [f"v{n}" for n in range(1, SCHEMA_VERSION)]
    assert set(UPGRADES) == set(range(1, SCHEMA_VERSION))


@pytest.fixture(params=SCHEMAS, ids=lambda f: f.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database as that version made it."""
    database = tmp_path / "preread.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(request.param.read_text("utf-8"))
    return database


def columns(database: Path) -> dict[str, set[str]]:
    with closing(sqlite3.connect(database)) as connection:
        tables = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {t: {r[1] for r in connection.execute(f"PRAGMA table_info({t})")} for t in tables}


def indexes(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('index', 'trigger')")
        return {r[0] for r in found if not r[0].startswith("sqlite_autoindex")}


def upgraded(database: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{database}")
    ledger.create()
    return ledger


def _fill(database: Path) -> dict[str, int]:
    """Two rows in every table; returns how many each has."""
    with closing(sqlite3.connect(database)) as connection:
        for table in columns(database):
            if table == "schema_version":
                continue
            info = list(connection.execute(f"PRAGMA table_info({table})"))
            for number in (1, 2):
                values = [_value(kind, number) for _, _, kind, *_ in info]
                marks = ", ".join("?" * len(values))
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)
        connection.commit()
        return {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in columns(database)}


def _value(kind: str, number: int) -> object:
    if kind in ("INTEGER", "BOOLEAN", "FLOAT"):
        return number
    if kind == "JSON":
        return "[]"
    if kind == "VARCHAR(26)":
        return f"2026-01-0{number}T00:00:00.000000"
    return b"x" if kind == "BLOB" else f"text-{number}"


@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
def test_nothing_is_lost_and_it_is_as_if_it_were_new(old: Path, tmp_path: Path, full: bool) -> None:
    before = _fill(old) if full else {}
    upgraded(old).close()
    new = tmp_path / "new.db"
    upgraded(new).close()
    assert columns(old) == columns(new)
    assert indexes(old) == indexes(new)
    with closing(sqlite3.connect(old)) as connection:
        for table, count in before.items():
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == count, table


def test_every_row_can_be_read_by_this_version(old: Path) -> None:
    _fill(old)
    ledger = upgraded(old)
    with ledger.read() as view:
        assert view.execute(select(schema_version.c.version)).scalar_one() == SCHEMA_VERSION
        rows = [row for table in metadata.sorted_tables for row in view.execute(table.select())]
    ledger.close()
    assert len(rows) > 20


def test_an_upgrade_that_is_broken_off_is_not_half_done(old: Path) -> None:
    """A disk that fills up in the middle of it, for one."""
    before = columns(old)
    # What one of the steps makes is there already, as something else.
    steps = ("document_by_revision", "web_session_by_account", "study_stop_by_kind")
    taken = next(name for name in steps if name not in indexes(old))
    with closing(sqlite3.connect(old)) as connection:
        connection.execute(f"CREATE TABLE {taken} (x)")
    ledger = Ledger(f"sqlite:///{old}")
    with pytest.raises(Exception, match=taken):
        ledger.create()
    ledger.close()
    after = columns(old)
    assert {t: c for t, c in after.items() if t in before} == before


@pytest.mark.parametrize(
    ("version", "code", "words"),
    [
        (SCHEMA_VERSION + 1, "database-newer", "install the newer program again"),
        (SCHEMA_VERSION - 1, "database-older", "start the line"),
    ],
)
@pytest.mark.parametrize(
    "arguments", [["studies"], ["purge", "1.2.3", "--yes"], ["backup", "BACKUP"], ["reread", "1.2"]]
)
def test_no_command_works_on_a_ledger_of_another_version(
    site: Site, tmp_path: Path, version: int, code: str, words: str, arguments: list[str]
) -> None:
    """A command that is left over from before an upgrade, or that is there before the line has been started with it."""
    ledger = Ledger(site.settings().database_url)
    site.settings().storage.root.mkdir()
    ledger.create()
    with ledger.begin() as tx:
        tx.execute(update(schema_version).values(version=version))
    ledger.close()
    done = site.run(*(a if a != "BACKUP" else str(tmp_path / "backup") for a in arguments))
    assert (done.returncode, words in done.stderr, f"[{code}]" in done.stderr) == (1, True, True), done.stderr
    assert not (tmp_path / "backup").exists()


def test_a_purge_does_not_take_longer_with_every_study_that_is_kept() -> None:
    """A database looks for whatever refers to a row before it lets go of it; without an index it reads the whole table."""
    unfound = []
    for table in metadata.sorted_tables:
        keys = [*table.indexes, table.primary_key, *(c for c in table.constraints if isinstance(c, UniqueConstraint))]
        first = {key.columns[0].name for key in keys if len(key.columns)}
        unfound += [f"{table.name}.{key.parent.name}" for key in table.foreign_keys if key.parent.name not in first]
    assert unfound == []
