"""A backup while the line runs, and the way back.

The ledger first, by SQLite's online backup, then every file that this copy of it names: whatever it names was on disk before
it was named. Files are copied once; their names stand for their bytes. The manifest comes last: a backup without one was
broken off.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.errors import Permanent, Transient
from agent.store import restored
from agent.store.engine import Ledger
from agent.store.files import FileStore, digest_from, sync_file, sync_folder
from agent.store.named import NamedFile, named_files
from agent.version import VERSION
from agent.work.role import RoleLock

MANIFEST, LEDGER, FILES = "manifest.json", "ledger.db", "files"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds. `copied`: files that were not in it already. `missing`: what the ledger names and is not there."""

    made_at: datetime
    files: int
    copied: int
    forgotten: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back. `in_doubt`: deliveries that may have been made since. `damaged`: files that are not what they were."""

    made_at: datetime
    files: int
    in_doubt: int
    damaged: tuple[str, ...]


def back_up(ledger: Ledger, files: FileStore, target: Path, *, now: datetime) -> BackedUp:
    """Bring the backup in that folder up to date, or make it.

    Raises:
        Transient: the folder cannot be written, or its disk is full.
    """
    try:
        (target / FILES).mkdir(parents=True, exist_ok=True)
        (target / MANIFEST).unlink(missing_ok=True)
        fresh = target / f"{LEDGER}.new"
        fresh.unlink(missing_ok=True)
        ledger.copy_to(fresh)
        wanted = _named_in(fresh)
        copied, missing = 0, []
        for one in wanted.values():
            source = files.path(one.path)
            if not source.is_file():
                missing.append(one.path)
            elif not _is_there(target / FILES / one.path, source, one):
                _copy(source, target / FILES / one.path)
                copied += 1
        fresh.replace(target / LEDGER)
        forgotten = _forget(target / FILES, wanted)
        _say(target, now, len(wanted))
    except OSError as error:
        raise Transient(
            f"the backup in {target} could not be finished ({error.strerror}); it is of no use until it is made again",
            code="backup-failed",
        ) from error
    return BackedUp(now, len(wanted), copied, forgotten, tuple(missing))


def restore(source: Path, database: Path, files: FileStore, *, now: datetime) -> Restored:
    """Bring back what a backup holds, to a storage root that has no ledger.

    Raises:
        Permanent: there is no finished backup, there is a ledger already, or it belongs to a newer program.
        Transient: the line runs, or the disk is full.
    """
    made_at = _manifest(source)
    with ExitStack() as stack:
        for role in ("receive", "read", "office"):
            stack.enter_context(RoleLock(files.root, role))
        if database.exists():
            raise Permanent(
                f"there is a ledger at {database} already; a backup never takes the place of one. Move it away first, "
                "together with its -wal and -shm files, or name another storage.root",
                code="ledger-exists",
            )
        files.prepare()
        fresh = database.with_name(database.name + ".restoring")
        try:
            _copy(source / LEDGER, fresh)  # nothing is written to the backup, which may be on something read-only
            wanted = _named_in(fresh)
            damaged = [one.path for one in wanted.values() if not _brought_back(source / FILES / one.path, files, one)]
            in_doubt = _in_doubt(fresh, made_at, now)
            fresh.replace(database)
            sync_folder(database.parent)
        except OSError as error:
            raise Transient(f"{database} could not be written ({error.strerror})", code="restore-failed") from error
    return Restored(made_at, len(wanted), in_doubt, tuple(damaged))


def _named_in(database: Path) -> dict[str, NamedFile]:
    ledger = Ledger(f"sqlite:///{database}")
    try:
        with ledger.read() as view:
            return {one.path: one for one in named_files(view)}
    finally:
        ledger.close()
        _without_companions(database)


def _in_doubt(database: Path, made_at: datetime, now: datetime) -> int:
    ledger = Ledger(f"sqlite:///{database}")
    try:
        ledger.create()
        with ledger.begin() as tx:
            return restored.mark_doubt(tx, made_at, now=now)
    finally:
        ledger.close()
        _without_companions(database)


def _without_companions(database: Path) -> None:
    """The last connection to end has brought everything into the one file; what is left beside it holds nothing."""
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _is_there(copy: Path, source: Path, one: NamedFile) -> bool:
    if not copy.is_file() or copy.stat().st_size != source.stat().st_size:
        return False
    return not one.may_change or digest_from(copy, one.offset) == one.digest


def _brought_back(source: Path, files: FileStore, one: NamedFile) -> bool:
    target = files.path(one.path)
    try:
        if digest_from(source, one.offset) != one.digest:
            return False
        if not target.is_file() or digest_from(target, one.offset) != one.digest:
            _copy(source, target)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Transient(f"{target} could not be written ({error.strerror})", code="restore-failed") from error
    return True


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".new-{target.name}")
    try:
        shutil.copyfile(source, new)
        sync_file(new)
        new.replace(target)
        sync_folder(target.parent)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def _forget(folder: Path, wanted: Iterable[str]) -> int:
    """What the ledger names no more was purged, and must not come back from a backup either."""
    known = set(wanted)
    gone = [p for p in folder.rglob("*") if p.is_file() and str(p.relative_to(folder)) not in known]
    for path in gone:
        path.unlink()
    return len(gone)


def _say(target: Path, now: datetime, count: int) -> None:
    new = target / f"{MANIFEST}.new"
    new.write_text(json.dumps({"made_at": now.isoformat(), "program": VERSION, "files": count}, indent=2), "utf-8")
    sync_file(new)
    new.replace(target / MANIFEST)
    sync_folder(target)


def _manifest(source: Path) -> datetime:
    try:
        made_at = datetime.fromisoformat(str(json.loads((source / MANIFEST).read_text("utf-8"))["made_at"]))
        if not (source / LEDGER).is_file():
            raise ValueError("no ledger")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Permanent(
            f"{source} holds no finished backup ({MANIFEST} and {LEDGER}); was it broken off?", code="no-backup"
        ) from error
    return made_at if made_at.tzinfo else made_at.replace(tzinfo=UTC)
