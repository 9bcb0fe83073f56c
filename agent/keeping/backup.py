"""A backup while the line runs, and the way back.

The ledger first, as one moment had it (`agent.store.copies`), then every file that this copy of it names: whatever it names was
on disk before it was named. Files are copied once; their names stand for their bytes. The manifest comes last: a backup without one was
broken off.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from agent.audit.trail import Trail
from agent.errors import Permanent, Transient
from agent.store import restored
from agent.store.copies import copies_of
from agent.store.engine import Ledger
from agent.store.files import FileStore, copy_file, digest_from, sync_file, sync_folder
from agent.store.named import NamedFile, named_files
from agent.store.place import CopierMissing
from agent.store.schema import SCHEMA_VERSION
from agent.version import VERSION
from agent.work.role import RoleLock

MANIFEST, FILES = "manifest.json", "files"
_LOCK = "backup.lock"


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
        Transient: the folder cannot be written, its disk is full, or another backup into it is under way.
        CopierMissing: the ledger cannot be copied with what is installed here; the files are.
        Permanent: the folder is that of what is to be backed up, or in it.
    """
    copies = copies_of(ledger)
    _must_be_elsewhere(target, files.root, ledger.place.file, copies.file_name)
    with ExitStack() as stack, _said_about(target):
        _private_folder(target)
        stack.enter_context(_alone(target))
        (target / FILES).mkdir(exist_ok=True)
        (target / MANIFEST).unlink(missing_ok=True)
        fresh = target / f"{copies.file_name}.new"
        try:
            with copies.take(fresh) as view:
                wanted = _named(view)
        except CopierMissing as error:
            with ledger.read() as view:
                wanted = _named(view)
            _copy_files(wanted.values(), files, target / FILES)
            words = f"{error}. The {len(wanted)} files that the ledger names are in {target / FILES} all the same"
            raise CopierMissing(words, code=error.code) from error
        copied, missing = _copy_files(wanted.values(), files, target / FILES)
        fresh.replace(target / copies.file_name)
        forgotten = _forget(target / FILES, wanted)
        _say(target, now, len(wanted))
        if missing:  # some may have been let go, or purged, since the copy of the ledger was made
            with ledger.read() as view:
                missing = sorted(set(missing) & set(_named(view)))
    return BackedUp(now, len(wanted), copied, forgotten, tuple(missing))


@contextmanager
def _said_about(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Transient(
            f"the backup in {target} could not be finished ({error.strerror}); it is of no use until it is made again",
            code="backup-failed",
        ) from error


def _must_be_elsewhere(target: Path, root: Path, ledger: Path | None, copy_name: str) -> None:
    """A backup beside its original is lost with it, and its copy of the ledger may be written over the ledger itself."""
    there, own = target.resolve(), root.resolve()
    over = ledger is not None and there / copy_name == ledger.resolve()
    if over or there.is_relative_to(own):
        place = ledger if over else own
        raise Permanent(
            f"the backup in {target} would lie in what it is a backup of ({place}); name a folder elsewhere, best on another disk",
            code="backup-within",
        )


def _private_folder(folder: Path) -> None:
    """It holds what storage.root holds: nobody else needs to look into one that is made here."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Two backups into one folder would each spoil what the other has made.

    Raises:
        Transient: another one is under way there.
    """
    with (target / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Transient(
                f"another backup into {target} is under way; wait for its end, or name another folder",
                code="backup-taken",
            ) from error
        except OSError:
            pass  # a share without locks
        yield


def _named(view: Connection) -> dict[str, NamedFile]:
    return {one.path: one for one in named_files(view)}


def _copy_files(wanted: Iterable[NamedFile], files: FileStore, folder: Path) -> tuple[int, list[str]]:
    """How many were copied now, and what was not there."""
    copied, missing = 0, []
    for one in wanted:
        source = files.path(one.path)
        if not source.is_file():
            missing.append(one.path)
        elif not _is_there(folder / one.path, source, one):
            copy_file(source, folder / one.path)
            copied += 1
    return copied, missing


def restore(source: Path, ledger: Ledger, files: FileStore, trail: Trail, *, now: datetime) -> Restored:
    """Bring back what a backup holds, to a storage root and a database that have no ledger.

    Args:
        trail: where it is written down that the ledger, and so the trail itself, goes on from an earlier moment.

    Raises:
        Permanent: there is no finished backup of such a database, there is a ledger already, or it belongs to a newer program.
        Transient: the line runs, or the disk is full.
    """
    copies = copies_of(ledger)
    made_at, version = _manifest(source, copies.file_name)
    with ExitStack() as stack:
        for role in ("receive", "read", "office"):
            stack.enter_context(RoleLock(files.root, role))
        if ledger.is_there():
            raise Permanent(
                f"there is a ledger at {ledger.name} already; a backup never takes the place of one. Move it away first "
                "(a file together with its -wal and -shm files), or name another database.url or storage.root",
                code="ledger-exists",
            )
        files.prepare()
        try:
            with copies.bring_back(source / copies.file_name) as back:
                with back.read() as view:
                    wanted = _named(view)
                damaged = [
                    one.path for one in wanted.values() if not _brought_back(source / FILES / one.path, files, one)
                ]
                with back.begin() as tx:
                    back.bring_up_to_date(tx, of_version=version)
                    in_doubt = restored.mark_doubt(tx, made_at, now=now)
                    trail.restored(tx, now=now)
        except OSError as error:
            raise Transient(f"{ledger.name} could not be written ({error.strerror})", code="restore-failed") from error
    return Restored(made_at, len(wanted), in_doubt, tuple(damaged))


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
            copy_file(source, target)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Transient(f"{target} could not be written ({error.strerror})", code="restore-failed") from error
    return True


def _forget(folder: Path, wanted: Iterable[str]) -> int:
    """What the ledger names no more was purged, and must not come back from a backup either."""
    known = set(wanted)
    gone = [p for p in folder.rglob("*") if p.is_file() and str(p.relative_to(folder)) not in known]
    for path in gone:
        path.unlink()
    return len(gone)


def _say(target: Path, now: datetime, count: int) -> None:
    new = target / f"{MANIFEST}.new"
    said = {"made_at": now.isoformat(), "program": VERSION, "schema": SCHEMA_VERSION, "files": count}
    new.write_text(json.dumps(said, indent=2), "utf-8")
    sync_file(new)
    new.replace(target / MANIFEST)
    sync_folder(target)


def _manifest(source: Path, file_name: str) -> tuple[datetime, int | None]:
    """When the backup was made, and of which version its tables are; None where the ledger itself says that."""
    try:
        said = json.loads((source / MANIFEST).read_text("utf-8"))
        made_at, version = datetime.fromisoformat(str(said["made_at"])), said.get("schema")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Permanent(
            f"{source} holds no finished backup ({MANIFEST}); was it broken off?", code="no-backup"
        ) from error
    if not (source / file_name).is_file():
        raise Permanent(
            f"{source} holds no {file_name}: it was broken off, or it is a backup of another kind of database than "
            "database.url names",
            code="no-backup",
        )
    return made_at if made_at.tzinfo else made_at.replace(tzinfo=UTC), version if isinstance(version, int) else None
