"""A ledger on a server comes back from a backup with every file it names, or it is said that it does not."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from agent.store import overview
from agent.store.engine import Ledger
from agent.store.schema import delivery, metadata, schema_version, unanswered
from tests.support.planted_ledger import PlantedLedger
from tests.support.postgres import PASSWORD, Cluster, programs
from tests.support.site import Site

UID = "1.2.840.1.111"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs of the very server, whatever else is on the search path."""
    monkeypatch.setenv("PATH", f"{programs()}:{os.environ['PATH']}")


@pytest.fixture
def kept(site: Site, postgres: Cluster) -> Iterator[Site]:
    """A site with a study of which a report waits."""
    site.set("database", url=postgres.ledger())
    planted = PlantedLedger(site.settings())
    revision = planted.everything(UID, patient_id="PAT-1", name="One^Una", accession="ACC-1")
    planted.delivery(revision, state="waiting")
    with planted.ledger.begin() as tx:
        tx.execute(unanswered.delete())
    planted.close()
    yield site


def contents(url: str) -> dict[str, list[str]]:
    """Every row, but for what is different after a restore."""
    changed = {"audit", "delivery", "event", "home", "process", "unanswered"}
    ledger = Ledger(url)
    with ledger.read() as view:
        tables = [t for t in metadata.sorted_tables if t.name not in changed]
        found = {t.name: sorted(repr(row) for row in view.execute(t.select())) for t in tables}
    ledger.close()
    return found


def test_everything_comes_back_and_what_waited_is_in_doubt(kept: Site, postgres: Cluster, tmp_path: Path) -> None:
    before = contents(kept.settings().database_url)
    backup, root = tmp_path / "backup", kept.settings().storage.root
    kept.run("backup", str(backup))
    assert (backup / "ledger.dump").is_file()
    assert PASSWORD.encode() not in b"".join(p.read_bytes() for p in backup.rglob("*") if p.is_file())
    files = {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.suffix in (".dcm", ".hl7")}
    shutil.rmtree(root)

    assert "there is a ledger at" in kept.run("restore", str(backup)).stderr, "a backup never takes the place of one"
    kept.set("database", url=postgres.empty())
    back = kept.run("restore", str(backup))
    assert "restored the backup of" in back.stdout, back.stderr
    assert "1 deliveries may have been made since" in back.stdout
    assert contents(kept.settings().database_url) == before
    assert all((root / name).read_bytes() == content for name, content in files.items() if (root / name).is_file())
    ledger = Ledger(kept.settings().database_url)
    with ledger.read() as view:
        attempts = view.execute(select(delivery.c.attempts).where(delivery.c.state == "waiting")).scalars().all()
        assert attempts
        assert all(n >= 1 for n in attempts)
        assert overview.history(view, UID)[-1]["code"] == "restored"
    with pytest.raises(Exception, match="only ever added to"), ledger.begin() as tx:
        tx.exec_driver_sql("DELETE FROM audit")
    ledger.close()


def test_a_restore_that_is_broken_off_is_no_ledger(
    kept: Site, postgres: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are not all back, and what waited is not in doubt: a line on it would do things twice."""
    backup = tmp_path / "backup"
    kept.run("backup", str(backup))
    kept.set("database", url=postgres.empty())
    broken = tmp_path / "bin"
    broken.mkdir()
    program = broken / "pg_restore"
    program.write_text(
        f'#!/bin/sh\n{programs()}/pg_restore "$@" || exit 1\necho "the machine was switched off" >&2\nexit 1\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{broken}:{os.environ['PATH']}")
    assert "the machine was switched off" in kept.run("restore", str(backup)).stderr
    refused = kept.run("serve", "--role", "office")
    assert refused.returncode == 78
    assert "bringing back a backup was broken off" in refused.stderr


def test_the_password_is_on_no_command_line(kept: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "bin"
    told.mkdir()
    program = told / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\nexec {programs()}/pg_dump "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{told}:{os.environ['PATH']}")
    kept.run("backup", str(tmp_path / "backup"))
    assert (tmp_path / "backup" / "ledger.dump").is_file()
    said = (tmp_path / "said").read_text("utf-8")
    assert "--dbname=postgresql://preread@127.0.0.1" in said
    assert PASSWORD not in said


def test_without_pg_dump_the_files_are_copied_and_it_is_said_what_to_do(
    kept: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    backup = tmp_path / "backup"
    refused = kept.run("backup", str(backup))
    assert refused.returncode == 1
    assert "pg_dump is not installed here" in refused.stderr
    assert "docs/keeping.md" in refused.stderr
    assert [p for p in (backup / "files").rglob("*") if p.is_file()], "the files are there"
    assert not (backup / "manifest.json").exists(), "it is no backup by itself"


def test_a_backup_of_a_file_is_not_brought_back_to_a_server(site: Site, postgres: Cluster, tmp_path: Path) -> None:
    planted = PlantedLedger(site.settings())
    planted.close()
    backup = tmp_path / "backup"
    assert site.run("backup", str(backup)).returncode == 0
    site.set("database", url=postgres.empty())
    refused = site.run("restore", str(backup))
    assert refused.returncode == 1
    assert "another kind of database" in refused.stderr
    ledger = Ledger(site.settings().database_url)
    assert not ledger.is_there()
    ledger.close()


def test_what_a_dump_holds_is_what_the_files_were_chosen_by(kept: Site, postgres: Cluster, tmp_path: Path) -> None:
    """The version of the schema is left out: it makes tables a ledger, and comes back last."""
    backup = tmp_path / "backup"
    kept.run("backup", str(backup))
    url = postgres.empty()
    postgres.restore(backup / "ledger.dump", url)
    ledger = Ledger(url)
    with ledger.read() as view:
        assert view.execute(select(schema_version)).all() == []
        assert overview.find_study(view, "ACC-1") == (UID,)
    ledger.close()
