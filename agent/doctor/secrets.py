"""Files with secrets: keys, passwords and tokens, which no other user of the machine should be able to read."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from agent.doctor.check import Check, finding
from agent.sentence import sentence
from agent.settings import Settings

_PUBLIC = ("ca_file", "certificate_file")


def secrets(settings: Settings) -> Sequence[Check]:
    """A note about each that others can read; whether this program can is said by what needs it."""
    return [
        finding(key, "note", sentence("secret-open", file=str(file)), command=f"chmod o-rwx {file}")
        for key, file in secret_files(settings)
        if _is_open(file)
    ]


def secret_files(place: BaseModel, where: str = "") -> Iterator[tuple[str, Path]]:
    """Key and file of every secret that the settings name: whatever is called a file there and is no certificate."""
    for name in type(place).model_fields:
        value, key = getattr(place, name), f"{where}.{name}" if where else name
        if isinstance(value, Path) and name.endswith("_file") and name not in _PUBLIC:
            yield key, value
        elif isinstance(value, BaseModel):
            yield from secret_files(value, key)
        elif isinstance(value, tuple):
            for one in value:
                if isinstance(one, BaseModel):
                    yield from secret_files(one, f"{key} ({getattr(one, 'name', '')})")


def _is_open(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & stat.S_IRWXO)
    except OSError:
        return False
