"""A ledger that is damaged, or that may not be written: every role says so, with what to do, and writes nothing."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.supervisor import EXIT_NOT_NOW, EXIT_REFUSED
from tests.support.films import small_image
from tests.support.kept_roles import tame
from tests.support.node import Node
from tests.support.site import PATIENCE_S, Site

PAGE = 4096


@pytest.fixture
def ledger(site: Site) -> Path:
    """A ledger with a study in it, and nobody at work."""
    node = Node(site.folder / "state")
    try:
        for _ in range(5):
            assert node.send_image(small_image())[0] == 0x0000
    finally:
        node.stop()
    path = site.folder / "state" / "preread.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def start(site: Site, role: str) -> subprocess.CompletedProcess[str]:
    command = [*tame(), *site.command("serve", "--role", role)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, stdin=subprocess.DEVNULL
    )


def no_database(path: Path) -> None:
    path.write_bytes(b"This is somebody's letter. " * 1000)


def no_schema(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:PAGE] = b"\xa5" * (PAGE - 100)
    path.write_bytes(content)


def no_tables(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:PAGE] + b"\xa5" * (len(content) - PAGE))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 3 * PAGE + 100])


@pytest.mark.parametrize("harm", [no_database, no_schema, no_tables, cut_off])
def test_a_damaged_ledger_is_refused_in_words_and_left_as_it_is(
    site: Site, ledger: Path, harm: Callable[[Path], None]
) -> None:
    harm(ledger)
    before = ledger.read_bytes()
    for role in ("receive", "office"):
        done = start(site, role)
        assert done.returncode == EXIT_REFUSED, done.stderr
        assert f"the database {ledger} is damaged" in done.stderr
        assert "restore it from a backup" in done.stderr
        assert "Traceback" not in done.stderr
    assert ledger.read_bytes() == before


def test_a_ledger_that_may_not_be_written_is_named_and_the_role_comes_again(site: Site, ledger: Path) -> None:
    if os.geteuid() == 0 and not tame():
        pytest.skip("root may write everything, and there is no setpriv")
    before = ledger.read_bytes()
    ledger.chmod(0o444)
    try:
        for role in ("receive", "office"):
            done = start(site, role)
            assert done.returncode == EXIT_NOT_NOW, done.stderr
            assert f"the database {ledger} cannot be used at the moment" in done.stderr
            assert "readonly" in done.stderr
            assert "Traceback" not in done.stderr
    finally:
        ledger.chmod(0o644)
    assert ledger.read_bytes() == before
