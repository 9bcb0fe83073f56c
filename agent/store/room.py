"""How much room is left, on every file system that the line writes to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT, LEDGER = "", "database.url"


@dataclass(frozen=True, slots=True)
class Room:
    """One file system.

    Attributes:
        about: the setting that leads there: `LEDGER`, or `ROOT` (empty), which is meant where nothing else is said.
        place: a folder or file on it.
        free: for this user, bytes.
    """

    about: str
    place: Path
    free: int


def rooms(root: Path, ledger: Path | None) -> tuple[Room, ...]:
    """The file system of the storage root, and behind it that of the ledger's file, where it is another.

    A full disk under the ledger stops everything: no image can be answered, no result and no alarm be written down.

    Args:
        ledger: the file; None when a server keeps the ledger. What does not exist yet is looked for one folder up, and so on.

    Raises:
        OSError: the root is gone, or a place may not be looked at.
    """
    found = (Room(ROOT, root, shutil.disk_usage(root).free),)
    if ledger is None:
        return found
    place = nearest(ledger.resolve())  # SQLite follows links, too, and keeps its log beside what they lead to
    if place.stat().st_dev == root.stat().st_dev:
        return found
    return (*found, Room(LEDGER, place, shutil.disk_usage(place).free))


def nearest(path: Path) -> Path:
    """The path, or the first folder above it that exists and may be looked at."""
    return next(p for p in (path, *path.parents) if _is_there(p))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
