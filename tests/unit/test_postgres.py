"""On a server the ledger gives what the file gives: nothing that was answered is lost, and who looks after it is told the truth."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, text, update
from sqlalchemy.exc import DatabaseError

from agent.audit.trail import Trail
from agent.errors import Permanent, PrereadError, Transient
from agent.in_words import english
from agent.service import open_store
from agent.settings import Settings
from agent.store import audit, engine, overview, restored, schema, studies
from agent.store.engine import Ledger
from agent.store.schema import SCHEMA_VERSION, UPGRADES, schema_version
from tests.support.planted_ledger import PlantedLedger
from tests.support.postgres import PASSWORD, Cluster
from tests.support.site import until

NOW = datetime(2026, 1, 3, 10, tzinfo=UTC)


@pytest.fixture
def server(postgres: Cluster) -> Iterator[Ledger]:
    made = Ledger(postgres.ledger())
    yield made
    made.close()


def test_a_commit_is_on_the_disk_and_a_reader_sees_one_moment(server: Ledger) -> None:
    with server.begin() as tx:
        assert tx.execute(text("SHOW synchronous_commit")).scalar() == "on"
        assert tx.execute(text("SHOW transaction_isolation")).scalar() == "read committed"
    with server.read() as view:
        before = view.execute(select(schema_version.c.version)).scalar_one()
        with server.begin() as tx:
            tx.execute(update(schema_version).values(version=before + 1))
        assert view.execute(select(schema_version.c.version)).scalar_one() == before
    with pytest.raises(Transient, match="read-only"), server.read() as view:
        view.execute(update(schema_version).values(version=1))


def test_who_writes_sees_what_the_writer_before_it_wrote(server: Ledger) -> None:
    """A snapshot that is as old as the wait for the turn would not have it."""
    waits, seen = threading.Event(), list[int]()

    def second() -> None:
        waits.set()
        with server.begin() as tx:
            seen.append(tx.execute(select(schema_version.c.version)).scalar_one())

    with server.begin() as tx:
        tx.execute(update(schema_version).values(version=77))
        thread = threading.Thread(target=second)
        thread.start()
        waits.wait()
        queued = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        until(lambda: tx.execute(queued).scalar(), what="the second writer waits for its turn")
    thread.join()
    assert seen == [77]


def test_a_writer_that_never_ends_is_something_that_passes(postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.2)
    ledger = Ledger(postgres.ledger())
    with ledger.begin(), pytest.raises(Transient, match="another writer holds") as refused, ledger.begin():
        pass
    assert refused.value.code == "database-busy"
    with ledger.begin():
        pass
    ledger.close()


@pytest.mark.parametrize(
    ("user", "password", "database", "code", "said"),
    [
        ("preread", "wrong", "", "database-refused", "database.password_file"),
        ("nobody", PASSWORD, "", "database-refused", "pg_hba.conf"),
        ("preread", PASSWORD, "no_such_ledger", "database-missing", "createdb"),
    ],
)
def test_what_a_person_has_to_put_right_is_said_without_the_password(
    postgres: Cluster, server: Ledger, user: str, password: str, database: str, code: str, said: str
) -> None:
    name = database or server.name.split()[0]
    ledger = Ledger(postgres.url(name, user=user, password=password))
    for ask in (ledger.create, ledger.is_there):
        with pytest.raises(Permanent, match=said) as refused:
            ask()
        assert refused.value.code == code
        assert f"{name} on 127.0.0.1:{postgres.port}" in str(refused.value)
        assert password not in str(refused.value)
    ledger.close()


def test_a_user_that_may_not_write_is_told_to_own_the_database(postgres: Cluster, server: Ledger) -> None:
    name = server.name.split()[0]
    with server.begin() as tx:
        tx.execute(text("CREATE ROLE guest LOGIN PASSWORD 'guest-word'"))
    guest = Ledger(postgres.url(name, user="guest", password="guest-word"))
    with pytest.raises(Permanent, match=r"guest may not do that .* owner of the database"), guest.begin() as tx:
        tx.execute(update(schema_version).values(version=1))
    guest.close()


def test_a_server_that_is_gone_passes_and_its_connections_are_not_used_again(postgres_own: Cluster) -> None:
    ledger = Ledger(postgres_own.ledger())
    with ledger.begin() as tx:
        tx.execute(update(schema_version).values(version=SCHEMA_VERSION))
    where = f"127.0.0.1:{postgres_own.port}"
    with pytest.raises(Transient, match=where), ledger.begin() as tx:
        postgres_own.stop("immediate")
        tx.execute(update(schema_version).values(version=1))
    with pytest.raises(Transient, match=f"{where} cannot be used at the moment") as refused, ledger.read():
        pass
    assert refused.value.code == "database-unavailable"
    assert PASSWORD not in str(refused.value)
    postgres_own.start()
    with ledger.read() as view:
        assert view.execute(select(schema_version.c.version)).scalar_one() == SCHEMA_VERSION, "it was rolled back"
    ledger.close()


@pytest.mark.parametrize("statement", ["UPDATE audit SET message = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
def test_the_server_refuses_to_change_the_trail(server: Ledger, statement: str) -> None:
    with server.begin() as tx:
        Trail("PREREAD", "host").started(tx, "office", now=NOW)
    with pytest.raises(DatabaseError, match="only ever added to"), server.begin() as tx:
        tx.exec_driver_sql(statement)


def test_the_trail_has_no_gaps_where_a_transaction_came_to_nothing(server: Ledger) -> None:
    trail = Trail("PREREAD", "host")
    for fails in (False, True, False):
        try:
            with server.begin() as tx:
                trail.started(tx, "office", now=NOW)
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    with server.read() as view:
        assert [row.id for row in audit.rows(view)] == [1, 2]
        assert audit.verify(view)[2] is None


def test_texts_are_kept_whole_and_sort_by_their_bytes(server: Ledger, tmp_path: Path) -> None:
    """The server's own collation sorts as people do, and a column with a width would refuse what the file keeps."""
    uids = ["1.2.10", "1.2.2", "1.2-9", "1.2." + "9" * 90]
    with server.begin() as tx:
        for uid in uids:
            values = {"state": "x" * 200, "first_received_at": NOW, "last_received_at": NOW}
            tx.execute(schema.study.insert().values(study_instance_uid=uid, **values))
    with server.read() as view:
        column = schema.study.c.study_instance_uid
        assert list(view.execute(select(column).order_by(column)).scalars()) == sorted(uids)
        assert view.execute(select(column).where(column < "1.2.1")).scalars().all() == ["1.2-9"]


@pytest.mark.parametrize("odd", ["a\x00b", '\\u0000 "', "\U0001f600", "\\\\u0000\x00"])
def test_a_header_that_the_server_has_no_text_for_does_not_stop_the_line(
    server: Ledger, tmp_path: Path, odd: str
) -> None:
    """One patient's name with a NUL in it would make every question about all headers fail."""
    url = str(server.place.engine.url.render_as_string(hide_password=False))
    planted = PlantedLedger(Settings(storage={"root": tmp_path, "reserve_gb": 0.0}, database={"url": url}))
    planted.everything("1.2.3", patient_id="P1", name=odd, accession="ACC-1")
    kept = odd.replace("\x00", "\ufffd")
    with server.read() as view:
        assert overview.find_study(view, "ACC-1") == ("1.2.3",)
        revision = studies.newest_revision(view, "1.2.3")
        assert revision is not None
        assert revision.study["patient"]["name"] == kept
        assert overview.deliveries(view, "1.2.3")[0]["words"] == kept
    planted.close()


def test_a_ledger_of_every_version_comes_up_to_this_one(postgres: Cluster) -> None:
    """The steps that were written for the file do on the server, too."""
    ledger = Ledger(postgres.ledger())
    added = [
        s.split() for step in UPGRADES.values() for s in step if s.startswith("ALTER TABLE") and " ADD COLUMN " in s
    ]
    with ledger.begin() as tx:
        made = {i["name"] for i in inspect(tx).get_indexes("document")}
        for words in added:
            tx.exec_driver_sql(f"ALTER TABLE {words[2]} DROP COLUMN {words[5]}")
        tx.exec_driver_sql("DROP INDEX document_by_revision")
        tx.execute(update(schema_version).values(version=1))
    ledger.create()
    new = Ledger(postgres.ledger())
    with ledger.read() as view, new.read() as other:
        for table in schema.metadata.tables:
            assert columns(view, table) == columns(other, table)
        assert {i["name"] for i in inspect(view).get_indexes("document")} == made
        assert view.execute(select(schema_version.c.version)).scalar_one() == SCHEMA_VERSION
    ledger.close()
    new.close()


def columns(view: object, table: str) -> dict[str, str]:
    return {c["name"]: f"{c['type']!r} {c['nullable']}" for c in inspect(view).get_columns(table)}  # type: ignore[attr-defined]


def test_a_ledger_that_was_brought_back_by_half_is_not_taken_for_one(server: Ledger) -> None:
    with server.begin() as tx:
        tx.execute(schema_version.delete())
    for ask in (server.create, server.is_there):
        with pytest.raises(Permanent, match="broken off"):
            ask()


def test_two_lines_do_not_work_on_one_ledger(postgres: Cluster, tmp_path: Path) -> None:
    """They would take each other's jobs and look for each other's files."""
    url = postgres.ledger()

    def line(root: str) -> Settings:
        return Settings(storage={"root": tmp_path / root, "reserve_gb": 0.0}, database={"url": url})

    for root in ("one", "one"):
        open_store(line(root))[0].close()
    with pytest.raises(Permanent, match="database of its own") as refused:
        open_store(line("other"))
    assert refused.value.code == "storage-differs"
    (tmp_path / "one").rename(tmp_path / "moved")
    ledger, _ = open_store(line("moved"))
    with ledger.begin() as tx:
        restored.mark_doubt(tx, NOW, now=NOW)
    ledger.close()
    open_store(line("other"))[0].close()


def test_a_server_that_may_lose_what_was_committed_is_reported(postgres_own: Cluster) -> None:
    postgres_own.stop()
    with (postgres_own.data / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write("fsync = off\n")
    postgres_own.start()
    ledger = Ledger(postgres_own.ledger())
    with ledger.read() as view:
        (worry,) = ledger.place.worries(view)
        assert ledger.place.described(view).startswith("PostgreSQL 1")
    assert "fsync is off" in english(worry)
    ledger.close()


def test_without_its_driver_a_server_is_refused_with_what_to_install(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(PrereadError, match=r"pip install 'cxr-preread\[postgres\]'") as refused:
        Ledger(postgres.url("any"))
    assert PASSWORD not in str(refused.value)
