"""Files that are visible only when they are whole, and survive the power cord once they are.

Layout below the storage root: ``incoming/`` (being received), ``images/``, ``quarantine/`` (refused bytes with their
reason in the ledger), ``documents/`` (finished reports), ``priors/`` (fetched to be compared with).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from agent.errors import Permanent, Transient
from agent.store.room import Room, rooms

_FULL = (errno.ENOSPC, errno.EDQUOT)


class FileStore:
    """The storage root and what may happen in it. Paths handed out and taken are relative to the root, as text."""

    def __init__(self, root: Path, reserve_bytes: int, ledger: Path | None = None) -> None:
        """Args:
        reserve_bytes: of each file system that the line writes to, so much free space is left alone.
        ledger: the file of the ledger, where it is one: it may lie on another file system.
        """
        self.root = root
        self._reserve_bytes, self._ledger = reserve_bytes, ledger

    @property
    def incoming(self) -> Path:
        """Where data sets are written while they arrive; the same file system as everything else."""
        return self.root / "incoming"

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            Transient: the disk is full; what is already there can still be delivered once there is room.
            Permanent: the root cannot be written; the message says which folder and why.
        """
        try:
            if not self.root.exists():
                self.root.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):  # another process of this line came first
                    self.root.mkdir(mode=0o700)  # patients' films: of no concern to other users of the machine
            for name in ("incoming", "images", "quarantine", "documents", "priors"):
                (self.root / name).mkdir(exist_ok=True)
            probe = self.incoming / f".probe-{uuid.uuid4().hex}"
            probe.write_bytes(b"preread")
            probe.unlink()
        except OSError as error:
            if error.errno in _FULL:
                raise _storage_error(error, self.root) from error
            raise Permanent(
                f"storage.root {self.root} cannot be written ({error.strerror}); give the folder to the user that runs preread, "
                "or name another one in the settings",
                code="storage-unwritable",
            ) from error

    def identity(self) -> str:
        """What tells this root from every other, in 32 hex digits; it stays what it is when the root is moved or copied.

        Raises:
            Transient: it cannot be read or written.
        """
        file = self.root / "storage-id"
        try:
            if not file.exists():
                fresh = self.root / f".storage-id-{uuid.uuid4().hex}"
                fresh.write_text(f"{uuid.uuid4().hex}\n", "ascii")
                sync_file(fresh)
                with contextlib.suppress(FileExistsError):  # another process of this line came first
                    os.link(fresh, file)
                fresh.unlink()
                sync_folder(self.root)
            return file.read_text("ascii").strip()[:32]
        except OSError as error:
            raise _storage_error(error, self.root) from error

    def clear_incoming(self) -> None:
        """Forget what an earlier receiver was in the middle of; none of it was acknowledged, so the senders still
        have it."""
        for leftover in self.incoming.iterdir():
            with contextlib.suppress(OSError):
                leftover.unlink()

    def has_room(self) -> bool:
        """Whether more free space is left than the reserve, here and under the ledger. Raises `OSError`."""
        return all(room.free >= self._reserve_bytes for room in self.rooms())

    def rooms(self) -> tuple[Room, ...]:
        """Free space of each file system that the line writes to; the root's is the first. Raises `OSError`."""
        return rooms(self.root, self._ledger)

    def free_bytes(self) -> int:
        """Free space for this user on the root's file system, bytes."""
        return shutil.disk_usage(self.root).free

    def keep_image(self, received: Path, *, day: str, sop_instance_uid: str, digest: str) -> str:
        """Give a received file its final name and return that name. The bytes are durable then; the name is after
        :meth:`sync_names`.

        Args:
            received: a file in `incoming`; the UID must have been validated, it becomes a name.
            day: YYYYMMDD; the images of one day share a folder, so that one fsync makes many names durable.
            digest: sha256 hex of the data set; part of the name, so that another version never overwrites this one.
        """
        target = self.root / "images" / day / f"{sop_instance_uid}-{digest[:16]}.dcm"
        try:
            self._make_folder(target.parent)
            sync_file(received)
            received.replace(target)
        except OSError as error:
            raise _storage_error(error, self.root) from error
        return str(target.relative_to(self.root))

    def sync_names(self, paths: Iterable[str]) -> None:
        """Make the names of files durable, with one fsync for each folder."""
        try:
            for folder in {str(Path(path).parent) for path in paths}:
                sync_folder(self.root / folder)
        except OSError as error:
            raise _storage_error(error, self.root) from error

    def quarantine(self, received: Path, digest: str) -> str:
        """Keep refused bytes and return their name. It is that of their sha256: a sender that repeats itself does not
        fill the disk."""
        target = self.root / "quarantine" / f"{digest}.dcm"
        self._adopt(received, target)
        return str(target.relative_to(self.root))

    def quarantine_message(self, content: bytes, digest: str) -> str:
        """Keep the bytes of a message that was refused, as :meth:`quarantine` does."""
        received = self.incoming / f".refused-{uuid.uuid4().hex}"
        target = self.root / "quarantine" / f"{digest}.hl7"
        try:
            received.write_bytes(content)
            self._adopt(received, target)
        except OSError as error:
            raise _storage_error(error, self.root) from error
        finally:
            with contextlib.suppress(OSError):
                received.unlink(missing_ok=True)
        return str(target.relative_to(self.root))

    def restore(self, received: Path, relative: str) -> None:
        """Put received bytes in the place of a kept file that was lost or damaged."""
        self._adopt(received, self.root / relative)

    def new_prior(self) -> Path:
        """Where a prior may be written while it comes. Not in `incoming`: a receiver that starts clears that."""
        return self.root / "priors" / f".new-{uuid.uuid4().hex}"

    def clear_priors(self) -> None:
        """Forget what an earlier process was in the middle of fetching."""
        for leftover in (self.root / "priors").glob(".new-*"):
            with contextlib.suppress(OSError):
                leftover.unlink()

    def keep_prior(self, received: Path, *, sop_instance_uid: str, digest: str) -> str:
        """Keep a prior durably and return its name; the same bytes take the place of themselves.

        Args:
            sop_instance_uid: must have been validated, it becomes a name.
        """
        target = self.root / "priors" / f"{sop_instance_uid}-{digest[:16]}.dcm"
        self._adopt(received, target)
        return str(target.relative_to(self.root))

    def put_document(self, content: bytes, name: str) -> str:
        """Write a finished document durably and return its relative path. Writing the same name again replaces it
        whole."""
        target = self.root / "documents" / name
        # Not in `incoming`: a receiver that starts clears that.
        temporary = self.root / "documents" / f".new-{uuid.uuid4().hex}"
        try:
            temporary.write_bytes(content)
            self._adopt(temporary, target)
        except OSError as error:
            raise _storage_error(error, self.root) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        return str(target.relative_to(self.root))

    @property
    def reserve_bytes(self) -> int:
        """The free space that is left alone."""
        return self._reserve_bytes

    def delete(self, relative: str) -> None:
        """Delete a file; one that is gone already is deleted.

        Raises:
            Transient: it cannot be deleted at the moment.
        """
        try:
            self.path(relative).unlink(missing_ok=True)
        except OSError as error:
            raise _storage_error(error, self.root) from error

    def must_be_there(self, paths: Iterable[str]) -> None:
        """Asked by whoever gives files their names in the ledger, in the transaction that spares them (agent.store.doomed).

        Raises:
            Transient: one of them had been let go before, and was deleted while it was kept anew.
        """
        for relative in paths:
            if not self.path(relative).is_file():
                raise Transient(
                    "the file was deleted while it was kept anew; it has to be made or sent again", code="file-deleted"
                )

    def quarantined_bytes(self) -> int:
        """How much the refused bytes take, where there are any."""
        folder = self.root / "quarantine"
        return sum(p.stat().st_size for p in folder.iterdir() if p.is_file()) if folder.is_dir() else 0

    def path(self, relative: str) -> Path:
        """The file of that relative path."""
        return self.root / relative

    def verified(self, relative: str, *, offset: int, digest: str) -> Path:
        """The file of that path, after comparing the sha256 of its bytes from `offset` on.

        Raises:
            Permanent: the file is gone or no longer holds what was written.
        """
        path = self.root / relative
        try:
            actual = digest_from(path, offset)
        except OSError as error:
            raise Permanent(
                f"{relative} cannot be read ({error.strerror}); restore it from a backup", code="file-lost"
            ) from error
        if actual != digest:
            raise Permanent(
                f"{relative} has changed since it was written; restore it from a backup", code="file-damaged"
            )
        return path

    @staticmethod
    def _make_folder(folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)

    def _adopt(self, source: Path, target: Path) -> None:
        try:
            self._make_folder(target.parent)
            sync_file(source)
            source.replace(target)
            sync_folder(target.parent)
        except OSError as error:
            raise _storage_error(error, self.root) from error


def digest_from(path: Path, offset: int) -> str:
    """sha256 hex of a file from `offset` on. Raises `OSError`."""
    with path.open("rb") as file:
        file.seek(offset)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _storage_error(error: OSError, root: Path) -> Transient:
    if error.errno in _FULL:
        return Transient(f"the disk below {root} is full; free some space", code="disk-full")
    return Transient(f"a file below {root} cannot be written ({error.strerror})", code="storage-unwritable")


def copy_file(source: Path, target: Path) -> None:
    """A copy that is there whole and durable, or not at all. Raises `OSError`."""
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


def sync_file(path: Path) -> None:
    """Wait until the bytes of a file are on the disk. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk: a rename is durable only then. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
