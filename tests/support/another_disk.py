"""A folder on another file system than the rest of a test, and disks that have as much room as a test says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

_PLACES = ("/dev/shm", "/run", "/var/tmp", "/tmp")


@contextmanager
def another_disk(beside: Path) -> Iterator[Path]:
    """A folder whose file system is not that of `beside`: in the memory of this machine, as a rule."""
    places = (p for p in map(Path, _PLACES) if p.is_dir() and os.access(p, os.W_OK))
    place = next((p for p in places if p.stat().st_dev != beside.stat().st_dev), None)
    if place is None:
        pytest.skip("this machine has one file system only")
    with TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def with_room(monkeypatch: pytest.MonkeyPatch, disk: Path, *, on_it: float, elsewhere: float = 1e12) -> None:
    """From now on `disk` has so many free bytes, and every other file system so many."""

    def usage(path: Any) -> Any:
        free = on_it if Path(path).stat().st_dev == disk.stat().st_dev else elsewhere
        return type("Usage", (), {"free": int(free)})()

    monkeypatch.setattr(shutil, "disk_usage", usage)
