"""The program and the machine: versions, decoders, disk."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.engine import make_url

from agent.doctor.check import Check
from agent.settings import Settings
from agent.store.room import ROOT, Room, nearest, rooms
from agent.store.sqlite_file import file_of
from agent.version import VERSION

LIBRARIES = (
    "pydicom", "pynetdicom", "highdicom", "hl7apy", "httpx2", "SQLAlchemy", "APScheduler", "numpy", "pillow", "pylibjpeg",
    "pylibjpeg-openjpeg", "pyjpegls", "python-gdcm", "fastapi", "uvicorn", "prometheus-client", "torch", "transformers", "bitsandbytes",
)  # fmt: skip
ENGINE = {"torch", "transformers", "bitsandbytes"}


def versions() -> Sequence[Check]:
    """The program and every library that it stands on."""
    found = [Check("preread", "ok", f"{VERSION} on Python {platform.python_version()}, {platform.platform()}")]
    for name in LIBRARIES:
        try:
            found.append(Check(name, "ok", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            hint = "; only the read role needs it: pip install 'cxr-preread[local]'" if name in ENGINE else ""
            found.append(Check(name, "note" if name in ENGINE else "bad", f"is not installed{hint}"))
    return found


def decoders() -> Sequence[Check]:
    """Whether what is accepted can be read."""
    from agent.imaging.decode import missing_decoders

    missing = missing_decoders()
    if missing:
        return [Check("decoders", "bad", "no decoder for transfer syntax " + ", ".join(missing))]
    return [Check("decoders", "ok", "every accepted transfer syntax can be decoded")]


def disk(settings: Settings) -> Sequence[Check]:
    """Looking creates nothing: a doctor that is called as root must not leave folders that the service cannot write."""
    root, ledger = settings.storage.root, file_of(make_url(settings.database_url))
    return [
        _room(root if room.about == ROOT else ledger, room, settings.storage.reserve_gb)
        for room in rooms(nearest(root), ledger)
    ]


def _room(named: Path | None, room: Room, reserve: float) -> Check:
    free = room.free / 1e9
    words = f"{named}: {free:.1f} GB free, reserve {reserve:.1f} GB"
    if not os.access(room.place, os.W_OK | (os.X_OK if room.place.is_dir() else 0)):
        return Check("disk", "bad", f"{words}; {room.place} cannot be written by this user")
    if free < reserve:
        return Check("disk", "bad", f"{words}: images are answered A700; free some space")
    return Check("disk", "ok", words)
