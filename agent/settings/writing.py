"""Putting a changed settings file in the place of the one before: whole or not at all, with its owner and its mode."""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path

from agent.errors import Permanent
from agent.settings.load import digest_of

_KEPT = ".before"


class FileHasChanged(Permanent):
    """Somebody has changed the file meanwhile."""


class NotWritable(Permanent):
    """This program may not write the file; a person who may has to."""


def why_not_writable(path: Path) -> str:
    """Why the file could not be replaced, in words; empty when it could."""
    try:
        real = path.resolve(strict=True)
        about = real.stat()
    except OSError as error:
        return f"{path} cannot be looked at ({error.strerror})"
    if not os.access(real.parent, os.W_OK | os.X_OK, effective_ids=True):
        return f"the user of this program (uid {os.geteuid()}) may not write in {real.parent}"
    if os.geteuid() not in (0, about.st_uid):
        return f"{real} belongs to another user (uid {about.st_uid}), and would not afterwards"
    return ""


def replace(path: Path, content: bytes, *, expected: str) -> Path:
    """Write the file; returns where the one before is kept.

    Args:
        expected: digest of what the file is thought to hold.

    Raises:
        FileHasChanged: it holds something else.
        NotWritable: it cannot be written with its owner and mode; nothing has changed.
    """
    if words := why_not_writable(path):
        raise NotWritable(words, code="settings-not-writable")
    real = path.resolve(strict=True)
    kept = real.with_name(real.name + _KEPT)
    try:
        before, about = real.read_bytes(), real.stat()
        if digest_of(before) != expected:
            raise FileHasChanged(f"{path} has been changed meanwhile", code="settings-changed-meanwhile")
        _put(kept, before, about)
        _put(real, content, about)
    except OSError as error:
        raise NotWritable(f"{real} cannot be written ({error.strerror})", code="settings-not-writable") from error
    return kept


def _put(target: Path, content: bytes, about: os.stat_result) -> None:
    """The content under that name, durably."""
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            made = os.fstat(file.fileno())
            if (made.st_uid, made.st_gid) != (about.st_uid, about.st_gid):
                os.fchown(file.fileno(), about.st_uid, about.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(about.st_mode))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
