"""From fragments to a file: a data set is written as it arrives, hashed on the way, and never held in memory."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import PYDICOM_IMPLEMENTATION_UID

from agent.store.files import FileStore
from dicom_nodes.receiver import StoreRequest

# Fragments are gathered up to so many bytes before they are written: small images cost one write.
_GATHER = 1 << 18
# Free space is looked at each time so many bytes have been written.
_LOOK = 1 << 22


@dataclass(frozen=True, slots=True)
class SpooledDataSet:
    """A DICOM file (PS3.10) in `incoming`: the data set starts at `offset` and has `size` bytes with that sha256
    `digest`."""

    path: Path
    offset: int
    size: int
    digest: str

    def forget(self) -> None:
        """Remove the file if it is still where it was spooled; one that was kept has moved on. Never raises."""
        with contextlib.suppress(OSError):  # what cannot be removed is removed at the next start
            self.path.unlink(missing_ok=True)


class Spool:
    """Writes one data set. After a failure the rest is swallowed, so that the peer can be answered in the protocol's
    order."""

    def __init__(self, files: FileStore, request: StoreRequest) -> None:
        self._files, self._path = files, files.incoming / f"{uuid.uuid4().hex}.dcm"
        self._descriptor = -1
        self._digest = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._gathered = self._size = self._unlooked = 0
        self.failure = ""
        head = file_head(request)
        self._offset = len(head)
        try:
            if not files.has_room():
                self.failure = "disk-reserve"
                return
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            self.failure = "storage-unwritable"
            return
        self._pieces.append(head)

    def write(self, fragment: bytes) -> None:
        """Take the next piece. Never raises; `failure` says what went wrong."""
        if self.failure:
            return
        self._digest.update(fragment)
        self._size += len(fragment)
        self._pieces.append(fragment)
        self._gathered += len(fragment)
        if self._gathered >= _GATHER:
            self._flush()

    def close(self) -> SpooledDataSet | None:
        """The finished file, not yet durable; None after a failure, and then nothing is left behind."""
        if not self.failure:
            self._flush()
        if self.failure:
            self.discard()
            return None
        os.close(self._descriptor)
        self._descriptor = -1
        return SpooledDataSet(self._path, self._offset, self._size, self._digest.hexdigest())

    def discard(self) -> None:
        """Leave nothing behind. Never raises."""
        with contextlib.suppress(OSError):
            if self._descriptor >= 0:
                os.close(self._descriptor)
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        try:
            data = memoryview(b"".join(self._pieces))
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            self.failure = "disk-full" if full else "storage-unwritable"
        self._pieces.clear()
        self._unlooked += self._gathered
        self._gathered = 0
        if self._unlooked >= _LOOK:
            self._unlooked = 0
            self._look()

    def _look(self) -> None:
        try:
            if not self._files.has_room():
                self.failure = "disk-reserve"
        except OSError:
            self.failure = "storage-unwritable"


def file_head(request: StoreRequest) -> bytes:
    """Preamble and file meta information (PS3.10 7.1) for a data set that is kept as it was sent."""
    elements = (
        _long(0x0001, b"OB", b"\0\1")
        + _short(0x0002, request.sop_class_uid)
        + _short(0x0003, request.sop_instance_uid)
        + _short(0x0010, request.transfer_syntax_uid)
        + _short(0x0012, PYDICOM_IMPLEMENTATION_UID)
    )
    group_length = struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(elements))
    return b"\0" * 128 + b"DICM" + group_length + elements


def _short(element: int, uid: str) -> bytes:
    value = uid.encode("ascii", "replace")[:1024]
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", 0x0002, element, b"UI", len(value)) + value


def _long(element: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sxxI", 0x0002, element, vr, len(value)) + value
