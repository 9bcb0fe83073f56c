"""Decoding for somebody who waits: as confined as any (`agent.imaging.decode`), without the time that a program takes to start."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.imaging.decode import DecodeLimits, judged, not_started, too_long
from agent.imaging.decode_mother import STATUS

_CHUNK = 1 << 20
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a process with threads is not to be forked


@dataclass(frozen=True, slots=True)
class _Running:
    """The process, the way to it, and what ends it: once, whoever calls it first."""

    mother: subprocess.Popen[bytes]
    channel: socket.socket
    end: weakref.finalize[Any, Any]


class ReadyDecoder:
    """One process that is kept ready, and one decode at a time in a child of it.

    Args:
        limits: of each decode.
    """

    def __init__(self, limits: DecodeLimits | None = None) -> None:
        self._bounds = limits or DecodeLimits()
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def warm(self) -> None:
        """See that it is ready, or on its way.

        Raises:
            Transient: no process can be started at the moment.
        """
        with self._lock:
            self._ready()

    def stored(self, path: Path) -> NDArray[Any]:
        """As `agent.imaging.decode.decode_stored`.

        Raises:
            Permanent: the pixel data cannot be decoded, or not within the limits.
            Transient: no process can be started at the moment.
        """
        with self._lock:
            try:
                status, out = self._had(path)
            except TimeoutError as error:
                self._end()
                raise too_long(self._bounds) from error
            except OSError as error:
                self._end()
                raise not_started(error) from error
        done = judged(subprocess.CompletedProcess((), status, out, out if status else b""))
        stored: NDArray[Any] = np.load(io.BytesIO(done.stdout), allow_pickle=False)
        return stored

    def close(self) -> None:
        """Let go of the process."""
        with self._lock:
            self._end()

    def _ready(self) -> socket.socket:
        if self._running is not None and self._running.mother.poll() is None:
            return self._running.channel
        self._end()
        ours, its = socket.socketpair()
        command = [
            sys.executable,
            "-m",
            "agent.imaging.decode_mother",
            str(self._bounds.memory_bytes),
            str(its.fileno()),
        ]
        try:
            # A session of its own, so that it and its child can be ended together.
            mother = subprocess.Popen(  # noqa: S603  our own interpreter
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[its.fileno()],
                env={**os.environ, **_ONE_THREAD}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise not_started(error) from error
        finally:
            its.close()
        # Whoever forgets to close it, and whenever the interpreter ends: this is called while there still is something to call.
        self._running = _Running(mother, ours, weakref.finalize(self, _end, mother, ours))
        return ours

    def _had(self, path: Path) -> tuple[int, bytes]:
        """As `_asked`; of another process, when this one has died since it was last asked."""
        try:
            return self._asked(self._ready(), path)
        except ConnectionError:
            self._end()
            return self._asked(self._ready(), path)

    def _asked(self, channel: socket.socket, path: Path) -> tuple[int, bytes]:
        """Exit status and output. Raises `TimeoutError`, or another `OSError` when the process is gone."""
        until = time.monotonic() + self._bounds.seconds
        reading, writing = os.pipe()
        try:
            try:
                socket.send_fds(channel, [os.fsencode(path)], [writing])
            finally:
                os.close(writing)
            parts = []
            while part := os.read(_within(reading, until), _CHUNK):
                parts.append(part)
        finally:
            os.close(reading)
        answer = os.read(_within(channel.fileno(), until), STATUS.size)
        if len(answer) < STATUS.size:
            raise ConnectionResetError("the decoder is gone")
        return STATUS.unpack(answer)[0], b"".join(parts)

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.end()


def _end(mother: subprocess.Popen[bytes], channel: socket.socket) -> None:
    channel.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(mother.pid, signal.SIGKILL)
    mother.wait()


def _within(descriptor: int, until: float) -> int:
    """That descriptor, once there is something to read. Raises `TimeoutError`."""
    watched = select.poll()
    watched.register(descriptor, select.POLLIN)
    if not watched.poll(max(0.0, until - time.monotonic()) * 1000):
        raise TimeoutError
    return descriptor
