"""A ledger that is moved to a server is there as it was, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Table, inspect, null, select, update

from agent.audit.trail import Trail
from agent.store import schema
from agent.store.engine import Ledger
from agent.store.moved import tables
from agent.work.role import RoleLock
from tests.support.planted_ledger import NOW, PlantedLedger
from tests.support.postgres import PASSWORD, Cluster
from tests.support.site import Site

UID = "1.2.840.1.111"
Opening = Callable[[Site], Ledger]


@pytest.fixture
def file(site: Site) -> Iterator[PlantedLedger]:
    """The ledger of a site as it began, in a file."""
    planted = PlantedLedger(site.settings())
    planted.everything(UID, patient_id="PAT-1", name="One^Una", accession="ACC-1")
    with planted.ledger.begin() as tx:
        for number in range(3):
            Trail.of(site.settings()).started(tx, f"office {number}", now=NOW)
    yield planted
    planted.close()


def contents(ledger: Ledger) -> dict[str, list[str]]:
    """Every row of every table, with what is absent told from a null in JSON."""

    def rows(table: Table) -> list[str]:
        absent = [c.is_(None) for c in table.c if c.nullable]
        return sorted(repr(tuple(row)) for row in view.execute(select(table, *absent)))

    with ledger.read() as view:
        return {table.name: rows(table) for table in tables()}


@pytest.fixture
def server_of() -> Iterator[Opening]:
    """The ledger that the settings name."""
    with ExitStack() as stack:

        def opened(site: Site) -> Ledger:
            ledger = Ledger(site.settings().database_url)
            stack.callback(ledger.close)
            return ledger

        yield opened


@pytest.mark.parametrize("made_before", [False, True])
def test_every_row_comes_over_and_the_line_goes_on_there(
    site: Site, file: PlantedLedger, postgres: Cluster, server_of: Opening, made_before: bool
) -> None:
    with file.ledger.begin() as tx:
        tx.execute(update(schema.patient_statement).values(gone=null()))
    before = contents(file.ledger)
    assert sum(bool(rows) for rows in before.values()) > 30
    site.set("database", url=postgres.ledger() if made_before else postgres.empty())
    done = site.run("move")
    assert (done.returncode, "3 messages, whole" in done.stdout) == (0, True), done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert contents(file.ledger) == before, "the file was only read"
    server = server_of(site)
    there = contents(server)
    (new,) = set(there["audit"]) - set(before["audit"])
    assert "moved-to-another-database" in new
    assert {**there, "audit": before["audit"]} == before
    assert site.run("audit", "verify").stdout.startswith("4 messages, whole")
    moved = PlantedLedger(site.settings())  # what is new is numbered behind what came
    moved.everything("1.2.840.1.112", patient_id="PAT-2", name="Two^Tom", accession="ACC-2")
    moved.close()


def test_nothing_is_moved_to_where_something_is(
    site: Site, file: PlantedLedger, postgres: Cluster, server_of: Opening
) -> None:
    site.set("database", url=postgres.ledger())
    assert site.run("move").returncode == 0
    server = server_of(site)
    before = contents(server)
    again = site.run("move")
    assert (again.returncode, "is not empty" in again.stderr) == (1, True)
    assert contents(server) == before


@pytest.mark.parametrize("role", ["receive", "read", "office"])
def test_a_line_that_runs_is_not_moved(
    site: Site, file: PlantedLedger, postgres: Cluster, server_of: Opening, role: str
) -> None:
    site.set("database", url=postgres.empty())
    with RoleLock(site.settings().storage.root, role):
        done = site.run("move")
    assert (done.returncode, "another process has the role" in done.stderr) == (1, True)
    assert not server_of(site).is_there()


def test_the_file_of_another_line_that_runs_is_not_moved(
    site: Site, file: PlantedLedger, postgres: Cluster, server_of: Opening, tmp_path: Path
) -> None:
    """What that line writes afterwards would be in the file alone, and its studies in two places."""
    file.process("receive", "ready")
    ledger = site.settings().storage.root / "preread.db"
    (tmp_path / "another").mkdir()
    site.set("database", url=postgres.empty())
    site.set("storage", root=str(tmp_path / "another"))
    done = site.run("move", str(ledger))
    assert (done.returncode, "stop the line first" in done.stderr) == (1, True), done.stderr
    assert not server_of(site).is_there()


@pytest.mark.parametrize("which", ["file", "server"])
@pytest.mark.parametrize("by", [-1, 1])
def test_a_ledger_of_another_version_is_not_moved(
    site: Site, file: PlantedLedger, postgres: Cluster, server_of: Opening, which: str, by: int
) -> None:
    site.set("database", url=postgres.ledger())
    server = server_of(site)
    with (file.ledger if which == "file" else server).begin() as tx:
        tx.execute(update(schema.schema_version).values(version=schema.SCHEMA_VERSION + by))
    done = site.run("move")
    assert (done.returncode, "database-older" in done.stderr or "database-newer" in done.stderr) == (1, True), (
        done.stderr
    )
    assert all(rows == [] for rows in contents(server).values())


def test_what_does_not_arrive_whole_does_not_arrive(
    site: Site, file: PlantedLedger, postgres: Cluster, server_of: Opening
) -> None:
    """A file keeps what is no number where a number belongs; a server does not. Nothing of the others is there either."""
    with file.ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE delivery SET attempts = 'Una'")
    site.set("database", url=postgres.empty())
    done = site.run("move")
    assert (done.returncode, "a row of the table delivery cannot be kept" in done.stderr) == (1, True), done.stderr
    assert "Una" not in done.stdout + done.stderr
    with server_of(site).read() as view:
        assert inspect(view).get_table_names() == []


_LOSES = """
CREATE FUNCTION loses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; END $$;
CREATE TRIGGER loses BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION loses()
"""


@pytest.mark.parametrize(
    ("table", "does", "words"),
    [
        ("event", "RETURN NULL", "event: 1 rows, 0 arrived"),
        ("audit", "NEW.message := 'another'; RETURN NEW", "and there message 1: "),
    ],
)
def test_a_server_that_keeps_something_else_than_it_is_sent_is_found_out(
    site: Site, file: PlantedLedger, postgres: Cluster, server_of: Opening, table: str, does: str, words: str
) -> None:
    site.set("database", url=postgres.ledger())
    with server_of(site).begin() as tx:
        tx.exec_driver_sql(_LOSES.format(table=table, does=does))
    done = site.run("move")
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert all(rows == [] for rows in contents(server_of(site)).values())


def test_a_trail_that_was_changed_is_moved_as_it_is_and_said_to_be(
    site: Site, file: PlantedLedger, postgres: Cluster, server_of: Opening
) -> None:
    with file.ledger.begin() as tx:
        tx.exec_driver_sql("DROP TRIGGER audit_no_update")
        tx.exec_driver_sql("UPDATE audit SET message = 'another' WHERE id = 2")
    site.set("database", url=postgres.empty())
    done = site.run("move")
    assert (done.returncode, "breaks at message 2" in done.stderr) == (1, True), done.stderr
    assert server_of(site).is_there()


def test_it_is_said_what_is_missing(site: Site, postgres: Cluster) -> None:
    assert "names no PostgreSQL server" in site.run("move").stderr
    site.set("database", url=postgres.empty())
    done = site.run("move")
    assert (done.returncode, "there is no ledger at" in done.stderr) == (1, True)
    assert list(site.settings().storage.root.glob("*")) == [], "looking makes nothing"


def test_a_root_that_was_mistyped_is_not_made(
    site: Site, file: PlantedLedger, postgres: Cluster, server_of: Opening, tmp_path: Path
) -> None:
    """Other users could look into it, and the line would find no image of its ledger there."""
    ledger = site.settings().storage.root / "preread.db"
    site.set("database", url=postgres.empty())
    site.set("storage", root=str(tmp_path / "mistyped"))
    done = site.run("move", str(ledger))
    assert (done.returncode, "mistyped is not there" in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "mistyped").exists()
    assert not server_of(site).is_there()
