"""A backup that would be of no use must say so, and one that is of use must say nothing else."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from agent.audit.trail import Trail
from agent.errors import Permanent, Transient
from agent.keeping import backup
from agent.store import audit, purging
from agent.store.engine import Ledger
from agent.store.files import FileStore
from tests.support.planted_ledger import PlantedLedger
from tests.support.site import Site

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
UID = "1.2.840.1.111"


@pytest.fixture
def planted(site: Site) -> Iterator[PlantedLedger]:
    made = PlantedLedger(site.settings())
    made.finished(UID, days=1)
    yield made
    made.close()


def test_two_backups_into_one_folder_do_not_spoil_each_other(
    site: Site, planted: PlantedLedger, tmp_path: Path
) -> None:
    """A timer that comes round again while the first is under way."""
    folder = tmp_path / "backup"
    assert site.run("backup", str(folder)).returncode == 0
    before = (folder / "manifest.json").read_bytes()
    with (folder / "backup.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = site.run("backup", str(folder))
    assert (done.returncode, "backup-taken" in done.stderr) == (1, True)
    assert (folder / "manifest.json").read_bytes() == before, "what is there is of use still"
    assert site.run("backup", str(folder)).returncode == 0


def test_nobody_else_on_the_machine_can_look_into_what_is_made_here(
    site: Site, planted: PlantedLedger, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "backup"
    backup.back_up(planted.ledger, planted.files, folder, now=NOW)
    assert folder.stat().st_mode & 0o077 == 0
    assert planted.files.root.stat().st_mode & 0o077 == 0


def test_a_folder_that_was_there_stays_as_open_as_it_was(planted: PlantedLedger, tmp_path: Path) -> None:
    """Whoever fetches backups may be somebody else."""
    folder = tmp_path / "backup"
    folder.mkdir()
    folder.chmod(0o750)
    backup.back_up(planted.ledger, planted.files, folder, now=NOW)
    assert folder.stat().st_mode & 0o777 == 0o750


def test_what_is_purged_while_a_backup_is_made_is_no_loss(planted: PlantedLedger, tmp_path: Path) -> None:
    class Purging(FileStore):
        """Somebody purges the study while its first file is looked for."""

        def path(self, relative: str) -> Path:
            with planted.ledger.begin() as tx:
                if any(UID in str(row) for row in tx.exec_driver_sql("SELECT study_instance_uid FROM study")):
                    purging.purge(tx, UID, now=NOW)
                    shutil.rmtree(self.root / "images")
            return super().path(relative)

    done = backup.back_up(planted.ledger, Purging(planted.files.root, 0), tmp_path / "backup", now=NOW)
    assert done.missing == ()


def test_what_is_missing_and_should_not_be_is_named(planted: PlantedLedger, tmp_path: Path) -> None:
    shutil.rmtree(planted.files.root / "images")
    done = backup.back_up(planted.ledger, planted.files, tmp_path / "backup", now=NOW)
    assert any(UID in path for path in done.missing)


def test_the_trail_says_that_it_goes_on_from_a_backup(planted: PlantedLedger, tmp_path: Path) -> None:
    folder, root = tmp_path / "backup", tmp_path / "elsewhere"
    backup.back_up(planted.ledger, planted.files, folder, now=NOW)
    ledger, files = Ledger(f"sqlite:///{root}/preread.db"), FileStore(root, 0)
    backup.restore(folder, ledger, files, Trail("PREREAD"), now=NOW)
    with ledger.read() as view:
        (row,) = audit.rows(view)
        assert audit.verify(view)[2] is None
    ledger.close()
    message = fromstring(row.message)
    assert message.find(".//EventTypeCode").get("csd-code") == "110131"  # type: ignore[union-attr]
    assert message.find(".//ParticipantObjectIdentification").get("ParticipantObjectID") == "restored-from-backup"  # type: ignore[union-attr]


def test_a_backup_that_cannot_be_written_is_refused_in_words(planted: PlantedLedger, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Transient, match="could not be finished"):
        backup.back_up(planted.ledger, planted.files, tmp_path / "file" / "backup", now=NOW)


def test_a_backup_never_goes_into_what_it_is_a_backup_of(planted: PlantedLedger, tmp_path: Path) -> None:
    """Its ledger.db would take the place of a ledger of that name."""
    root, link = planted.files.root, tmp_path / "link"
    link.symlink_to(root)
    before = sorted(root.rglob("*"))
    for folder in (root, root / "images", root / "new", link / "new"):
        with pytest.raises(Permanent, match="name a folder elsewhere"):
            backup.back_up(planted.ledger, planted.files, folder, now=NOW)
    assert sorted(root.rglob("*")) == before
    own = Ledger(f"sqlite:///{tmp_path}/own/ledger.db")
    own.create()
    with pytest.raises(Permanent, match="name a folder elsewhere"):
        backup.back_up(own, planted.files, tmp_path / "own", now=NOW)
    backup.back_up(own, planted.files, tmp_path / "own" / "backup", now=NOW)
    own.close()
