"""Pixel data to stored values, in a child process that is bounded in memory and time.

Decoders are native code that reads what strangers send: a malformed stream may exhaust memory or never end, and must
not take the reader with it.
"""

from __future__ import annotations

import io
import subprocess
import sys
import threading
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
        raise _too_long(bounds) from error
    except OSError as error:
        raise _not_started(error) from error
    return _judged(done)


def _too_long(bounds: DecodeLimits) -> Permanent:
    return Permanent(f"the pixel data were not decoded within {bounds.seconds:.0f} s", code="decode-timeout")


def _not_started(error: OSError) -> Transient:
    return Transient(f"the decoder cannot be started ({error.strerror})", code="decoder-not-started")


def _judged(done: subprocess.CompletedProcess[bytes]) -> subprocess.CompletedProcess[bytes]:
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


class ReadyDecoder:
    """Decodes for somebody who waits: a child process is kept that has started already, for that takes longer than most films.
    Each child decodes one file and ends; they are bounded as any other is."""

    def __init__(self, limits: DecodeLimits | None = None) -> None:
        self._bounds = limits or DecodeLimits()
        self._spare: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def warm(self) -> None:
        """See that a child is ready.

        Raises:
            Transient: no process can be started at the moment.
        """
        with self._lock:
            if self._spare is None or self._spare.poll() is not None:
                self._spare = self._started()

    def stored(self, path: Path) -> NDArray[Any]:
        """As `decode_stored`."""
        with self._lock:
            child, self._spare = self._spare, None
        if child is None or child.poll() is not None:
            child = self._started()
        try:
            out, errors = child.communicate(f"{path}\n".encode(), timeout=self._bounds.seconds)
        except subprocess.TimeoutExpired as error:
            raise _too_long(self._bounds) from error
        except OSError as error:
            raise _not_started(error) from error
        finally:
            if child.returncode is None:
                child.kill()
                child.communicate()
        done = _judged(subprocess.CompletedProcess(child.args, child.returncode, out, errors))
        stored: NDArray[Any] = np.load(io.BytesIO(done.stdout), allow_pickle=False)
        return stored

    def close(self) -> None:
        """Let the child go that was kept ready."""
        with self._lock:
            child, self._spare = self._spare, None
        if child is not None:
            child.kill()
            child.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "agent.imaging.decode_child", str(self._bounds.memory_bytes)]
        pipe = subprocess.PIPE
        try:
            return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603  our own interpreter
        except OSError as error:
            raise _not_started(error) from error


def missing_decoders() -> tuple[str, ...]:
    """Transfer syntaxes that the node accepts and no installed library decodes; empty when the installation is
    whole."""
    return tuple(t.uid for t in TRANSFER_SYNTAXES if t.compressed and not get_decoder(UID(t.uid)).is_available)
