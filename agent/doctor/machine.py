"""The program and the machine: versions, decoders, disk."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.engine import make_url

from agent.doctor.check import Check, finding
from agent.sentence import sentence
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
    program = sentence("program", version=VERSION, python=platform.python_version(), platform=platform.platform())
    return [finding("preread", "ok", program), *(_library(name) for name in LIBRARIES)]


def _library(name: str) -> Check:
    try:
        return finding(name, "ok", sentence("version", version=importlib.metadata.version(name)))
    except importlib.metadata.PackageNotFoundError:
        if name not in ENGINE:
            return finding(name, "bad", sentence("not-installed"))
        said = sentence("not-installed"), sentence("for-reading")
        return finding(name, "note", *said, command="pip install 'cxr-preread[local]'")


def decoders() -> Sequence[Check]:
    """Whether what is accepted can be read."""
    from agent.imaging.decode import missing_decoders

    missing = missing_decoders()
    if missing:
        return [finding("decoders", "bad", sentence("decoders-missing", names=", ".join(missing)))]
    return [finding("decoders", "ok", sentence("decoders-there"))]


def disk(settings: Settings) -> Sequence[Check]:
    """Looking creates nothing: a doctor that is called as root must not leave folders that the service cannot write."""
    root, ledger = settings.storage.root, file_of(make_url(settings.database_url))
    return [
        _room(root if room.about == ROOT else ledger, room, settings.storage.reserve_gb)
        for room in rooms(nearest(root), ledger)
    ]


def _room(named: Path | None, room: Room, reserve: float) -> Check:
    free = room.free / 1e9
    said = sentence("disk.room", folder=str(named), free=free, reserve=reserve)
    if not os.access(room.place, os.W_OK | (os.X_OK if room.place.is_dir() else 0)):
        return finding("disk", "bad", said, sentence("disk.unwritable", folder=str(room.place)))
    if free < reserve:
        return finding("disk", "bad", said, sentence("disk.short"))
    return finding("disk", "ok", said)
