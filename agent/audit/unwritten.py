"""Refusals that wait for a ledger that cannot be written, in a file: whoever was told no must be found after a crash, too."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import structlog

from agent.store.arrivals import Refusal

NAME = "refusals.jsonl"
_LARGEST_BYTES = 16 << 20  # some ten thousand refusals: a ledger that is away for long must not fill the disk


@dataclass(frozen=True, slots=True)
class Waiting:
    """One refusal. `at`: when it was made. `alarming`: the audit trail has to say it as well."""

    refusal: Refusal
    alarming: bool
    at: datetime


class Unwritten:
    """The file, below the storage root. Nothing here raises: where it cannot be written either, the log says so."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        self._log = structlog.get_logger()

    def read(self) -> list[Waiting]:
        """What a predecessor has left; a line that was broken off by a crash is left out."""
        try:
            lines = self._path.read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            self._log.error("unwritten refusals unreadable", reason=error.strerror)
            return []
        return list(_understood(lines))

    def add(self, one: Waiting) -> None:
        """On the disk when this returns."""
        line = json.dumps({"at": one.at.isoformat(), "alarming": one.alarming, "refusal": asdict(one.refusal)})
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if os.fstat(descriptor).st_size < _LARGEST_BYTES:
                    # The line before may have been broken off.
                    os.write(descriptor, f"\n{line}\n".encode())
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._log.error("unwritten refusal not kept", reason=error.strerror)

    def clear(self) -> None:
        """Everything is in the ledger."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._log.error("unwritten refusals not cleared", reason=error.strerror)


def _understood(lines: list[str]) -> Iterator[Waiting]:
    for line in lines:
        try:
            found = json.loads(line)
            yield Waiting(Refusal(**found["refusal"]), bool(found["alarming"]), datetime.fromisoformat(found["at"]))
        except (ValueError, TypeError, KeyError):
            continue
