"""Pixel data to stored values, in a child process that is bounded in memory and time.

Decoders are native code that reads what strangers send: a malformed stream may exhaust memory or never end, and must
not take the reader with it.
"""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from agent.errors import Permanent, Transient
from agent.imaging.decode_exits import EXIT_DIFFERENT, EXIT_TOO_LARGE, EXIT_UNDECODABLE
from dicom_nodes.contexts import TRANSFER_SYNTAXES


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Bounds of one decode: address space in bytes, wall time in seconds."""

    memory_bytes: int = 6 << 30
    seconds: float = 60.0


def decode_stored(path: Path, limits: DecodeLimits | None = None) -> NDArray[Any]:
    """Stored pixel values of a single-frame grayscale file: shape (rows, columns), an integer dtype.

    Raises:
        Permanent: the pixel data cannot be decoded, or not within the limits.
        Transient: no process can be started at the moment.
    """
    done = _child(limits or DecodeLimits(), path)
    stored: NDArray[Any] = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    return stored


def same_stored_values(one: Path, other: Path, limits: DecodeLimits | None = None) -> bool:
    """Whether two files hold the same stored pixel values; they are compared in the child, and nothing is held here.

    Raises:
        Permanent, Transient: as `decode_stored`, for either file.
    """
    return _child(limits or DecodeLimits(), one, other).returncode == 0


def _child(bounds: DecodeLimits, *paths: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "agent.imaging.decode_child", str(bounds.memory_bytes), *map(str, paths)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=bounds.seconds, check=False)  # noqa: S603  our own interpreter; a path is never taken for an option by it
    except subprocess.TimeoutExpired as error:
        raise too_long(bounds) from error
    except OSError as error:
        raise not_started(error) from error
    return judged(done)


def too_long(bounds: DecodeLimits) -> Permanent:
    """The error of a decode that has not ended in time."""
    return Permanent(f"the pixel data were not decoded within {bounds.seconds:.0f} s", code="decode-timeout")


def not_started(error: OSError) -> Transient:
    """The error of a decoder that cannot be had at the moment."""
    return Transient(f"the decoder cannot be started ({error.strerror})", code="decoder-not-started")


def judged(done: subprocess.CompletedProcess[bytes]) -> subprocess.CompletedProcess[bytes]:
    """What a child has done, if that is of use. Raises `Permanent`."""
    if done.returncode == EXIT_TOO_LARGE:
        raise Permanent("the pixel data need more memory to decode than is allowed", code="decode-out-of-memory")
    if done.returncode not in (0, EXIT_DIFFERENT):
        why = (
            done.stderr.decode("utf-8", "replace").strip()[-200:]
            if done.returncode == EXIT_UNDECODABLE
            else f"exit {done.returncode}"
        )
        raise Permanent(f"the pixel data cannot be decoded ({why})", code="undecodable")
    return done


def missing_decoders() -> tuple[str, ...]:
    """Transfer syntaxes that the node accepts and no installed library decodes; empty when the installation is
    whole."""
    return tuple(t.uid for t in TRANSFER_SYNTAXES if t.compressed and not get_decoder(UID(t.uid)).is_available)
