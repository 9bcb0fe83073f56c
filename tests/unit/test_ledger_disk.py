"""What is lost when the disk of the ledger fills and only that of the images is watched: every study, without an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from agent.clock import SystemClock
from agent.doctor import machine
from agent.health.conditions import Findings, examine
from agent.health.metrics import Metrics
from agent.health.movement import Movement
from agent.health.readiness import unready
from agent.health.site import site_of
from agent.health.trouble import Trouble
from agent.service import open_store
from agent.settings import Settings
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.sqlite_file import file_of
from tests.support.another_disk import another_disk, with_room
from tests.support.films import small_image
from tests.support.node import Node
from tests.support.watched import samples, value

RESERVE_GB = 2.0
LOW, FILLING = Trouble("disk-low", "database.url"), Trouble("disk-filling", "database.url")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with another_disk(tmp_path) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Split:
    """A site whose ledger lies on a disk of its own."""

    settings: Settings
    ledger: Ledger
    files: FileStore
    disk: Path

    def found(self) -> Findings:
        with self.ledger.read() as view:
            return examine(view, self.files, self.settings, Movement(), datetime.now(UTC), settled=False)

    def has(self, monkeypatch: pytest.MonkeyPatch, gigabytes: float, *, images: float = 900.0) -> None:
        with_room(monkeypatch, self.disk, on_it=gigabytes * 1e9, elsewhere=images * 1e9)


@pytest.fixture
def split(tmp_path: Path, disk: Path) -> Iterator[Split]:
    settings = Settings(
        storage={"root": tmp_path / "state", "reserve_gb": RESERVE_GB},
        database={"url": f"sqlite:///{disk / 'ledger.db'}"},
    )
    ledger, files = open_store(settings)
    yield Split(settings, ledger, files, disk)
    ledger.close()


def test_the_ledgers_disk_raises_its_own_alarms_before_it_is_full(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gigabytes, wrong in ((900.0, set()), (5.0, {FILLING}), (1.9, {LOW})):
        split.has(monkeypatch, gigabytes)
        assert {t for t in split.found().wrong if t.code.startswith("disk-")} == wrong
        assert (LOW in unready(split.ledger, split.files, SystemClock())) == (gigabytes < RESERVE_GB)
    split.has(monkeypatch, 1.9, images=5.0)
    assert {t for t in split.found().wrong if t.code.startswith("disk-")} == {LOW, Trouble("disk-filling")}
    split.has(monkeypatch, 2.1)
    found = split.found()
    assert LOW.key in found.unsettled, "a disk at its brink is one alarm and not a hundred"
    assert LOW not in found.wrong


def test_no_image_is_taken_that_the_ledger_could_not_know(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(tmp_path / "node", reserve_gb=RESERVE_GB, database={"url": f"sqlite:///{disk / 'ledger.db'}"})
    try:
        with_room(monkeypatch, disk, on_it=1.9e9)
        status, comment = node.send_image(small_image())
        assert (status, "send again" in comment) == (0xA700, True)
        assert node.refusals()[0]["reason"] == "disk-reserve"
        with_room(monkeypatch, disk, on_it=2.1e9)
        assert node.send_image(small_image())[0] == 0x0000
    finally:
        node.stop()


def test_monitors_and_people_see_the_room_of_the_ledger(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    split.has(monkeypatch, 1.5, images=70.0)
    found = samples(Metrics(split.settings, split.ledger, split.files, SystemClock()).text().decode())
    assert value(found, "preread_disk_free_bytes") == 70e9
    assert value(found, "preread_ledger_disk_free_bytes") == 1.5e9
    with split.ledger.read() as view:
        seen = site_of(view, split.files, split.settings, datetime.now(UTC)).disk
    assert (seen.free, seen.ledger_free) == (70_000_000_000, 1_500_000_000)
    images, ledger = machine.disk(split.settings)
    assert (images.state, ledger.state) == ("ok", "bad")
    assert ledger.words.startswith(f"{split.disk / 'ledger.db'}: 1.5 GB free")
    assert "A700" in ledger.words


def test_images_are_not_deleted_for_a_disk_that_they_are_not_on(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    split.has(monkeypatch, 0.1)
    assert split.files.free_bytes() == 900e9


@pytest.mark.parametrize("url", ["", "sqlite:///{root}/other.db", "postgresql+psycopg://u@db.invalid/n"])
def test_one_disk_is_watched_once_and_a_servers_not_at_all(tmp_path: Path, url: str) -> None:
    settings = Settings(storage={"root": tmp_path}, database={"url": url.format(root=tmp_path)})
    files = FileStore(tmp_path, 0, file_of(make_url(settings.database_url)))
    assert [room.about for room in files.rooms()] == [""]
    assert len(machine.disk(settings)) == 1


def test_a_ledger_that_a_link_leads_to_is_watched_where_it_lies(tmp_path: Path, disk: Path) -> None:
    link = tmp_path / "preread.db"
    link.symlink_to(disk / "ledger.db")
    assert [(r.about, r.place) for r in FileStore(tmp_path, 0, link).rooms()[1:]] == [("database.url", disk)], (
        "not made yet"
    )
    (disk / "ledger.db").touch()
    assert [r.place for r in FileStore(tmp_path, 0, link).rooms()[1:]] == [disk / "ledger.db"]
