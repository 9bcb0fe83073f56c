"""A disk that can be filled: a small file system of its own over a folder, where this user may mount one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_STEP = 1 << 20
_LEAST = 4096


class SmallDisk:
    """From the beginning of a `with` block to its end; `is_there` says whether the system allowed it."""

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._megabytes = folder, megabytes
        self._filler = folder / "filler"
        self.is_there = False

    def __enter__(self) -> SmallDisk:
        if os.geteuid() == 0:
            command = ["mount", "-t", "tmpfs", "-o", f"size={self._megabytes}m", "tmpfs", str(self.folder)]
            self.is_there = subprocess.run(command, capture_output=True, check=False).returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_there:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)

    def fill(self, *, leaving: int = 0) -> None:
        """Take all the room there is but so many bytes."""
        with self._filler.open("ab", buffering=0) as file:
            step = _STEP
            while step >= _LEAST:
                free = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize - leaving
                try:
                    if free < step or file.write(bytes(step)) < step:
                        step //= 2
                except OSError:
                    step //= 2

    def free(self) -> None:
        """Give it back."""
        self._filler.unlink(missing_ok=True)
