"""A folder as destination: every document as a file that is visible only when it is whole."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

from agent.delivery.protocol import DISK_FULL, FOLDER_UNWRITABLE, OutgoingDocument, Probed, Receipt
from agent.errors import Permanent, Transient
from agent.sentence import sentence

_SUFFIX = {
    "sr": ".dcm",
    "sc": ".dcm",
    "gsps": ".dcm",
    "plain-sr": ".dcm",
    "ko": ".dcm",
    "oru": ".hl7",
    "retract": ".hl7",
}


class FolderDestination:
    """Writes ``<identifier>.dcm`` and ``<identifier>.hl7``; the same document again replaces the file with the same
    bytes."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder

    @property
    def name(self) -> str:
        return self._name

    def accepts(self, kind: str) -> bool:
        return kind in _SUFFIX

    def send(self, document: OutgoingDocument) -> Receipt:
        if not self.accepts(document.kind):
            raise Permanent(f"{self._name}: a folder takes no {document.kind}", code="not-accepted")
        target = self._folder / f"{document.identifier}{_SUFFIX[document.kind]}"
        temporary = self._folder / f".{target.name}.{uuid.uuid4().hex}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write(document.path.read_bytes(), temporary)
            temporary.replace(target)
        except OSError as error:
            raise _mapped(self._name, self._folder, error) from error
        finally:
            _forget(temporary)
        return Receipt(f"written to {target.name}")

    def probe(self) -> Probed:
        """Looking makes no folder: one that is made by the wrong user could not be written by the right one."""
        try:
            if not self._folder.is_dir():
                return self._could_be_made()
            probe = self._folder / f".probe.{uuid.uuid4().hex}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise _mapped(self._name, self._folder, error) from error
        return Probed((sentence("probe.folder", folder=str(self._folder)),))

    def _could_be_made(self) -> Probed:
        above = next(p for p in self._folder.parents if p.exists())
        if self._folder.exists() or not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{above}: {os.strerror(errno.EACCES)}")
        return Probed((sentence("probe.folder-new", folder=str(self._folder)),))

    @staticmethod
    def _write(content: bytes, path: Path) -> None:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _forget(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # the folder itself is not reachable; a hidden file may stay, which nobody reads


def _mapped(name: str, folder: Path, error: OSError) -> Transient:
    """Everything about a folder can be mended without changing the document, so it is tried again until it is too
    old."""
    code = DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else FOLDER_UNWRITABLE
    return Transient(f"{name}: {folder} cannot be written ({error.strerror})", code=code)
