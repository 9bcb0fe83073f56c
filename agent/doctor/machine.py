"""The program and the machine: versions, decoders, disk."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Sequence

from agent.doctor.check import Check, finding
from agent.sentence import sentence
from agent.settings import Settings
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
    root = settings.storage.root
    place = next(p for p in (root, *root.parents) if p.exists())
    free, reserve = shutil.disk_usage(place).free / 1e9, settings.storage.reserve_gb
    room = sentence("disk.room", folder=str(root), free=free, reserve=reserve)
    if not os.access(place, os.W_OK | os.X_OK):
        return [finding("disk", "bad", room, sentence("disk.unwritable", folder=str(place)))]
    if free < reserve:
        return [finding("disk", "bad", room, sentence("disk.short"))]
    return [finding("disk", "ok", room)]
