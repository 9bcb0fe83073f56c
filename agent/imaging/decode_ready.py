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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.imaging.decode import DecodeLimits, judged, not_started, too_long
from agent.imaging.decode_mother import STATUS

_CHUNK = 1 << 20
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a process with threads is not to be forked


class ReadyDecoder:
    """One process that is kept ready, and one decode at a time in a child of it.

    Args:
        limits: of each decode.
    """

    def __init__(self, limits: DecodeLimits | None = None) -> None:
        self._bounds = limits or DecodeLimits()
        self._lock = threading.Lock()
        self._mother: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

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

    def __del__(self) -> None:
        self._end()

    def _ready(self) -> socket.socket:
        if self._channel is not None and self._mother is not None and self._mother.poll() is None:
            return self._channel
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
            self._mother = subprocess.Popen(  # noqa: S603  our own interpreter
                command, stdin=subprocess.DEVNULL, pass_fds=[its.fileno()], env={**os.environ, **_ONE_THREAD}, start_new_session=True
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise not_started(error) from error
        finally:
            its.close()
        self._channel = ours
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
        mother, channel = self._mother, self._channel
        self._mother = self._channel = None
        if channel is not None:
            channel.close()
        if mother is not None:
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
