"""A TCP proxy between two systems that does to a connection what networks do: cut it, reset it, hold it up, swallow the
rest, close half of it, after any number of bytes in either direction."""

from __future__ import annotations

import queue
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, replace

KINDS = ("cut", "reset", "delay", "truncate", "half-close")
DIRECTIONS = ("to-server", "to-client")
_STEP, _LOOK_S = 65536, 0.05
_SILENCE_S = 20.0  # how long a connection whose rest is swallowed is kept open at most


@dataclass(frozen=True, slots=True)
class NetworkFault:
    """What happens to a connection once so many bytes have gone one way, counted from the moment it is looked for.

    Attributes:
        kind: ``cut`` ends both directions, ``reset`` by RST; ``delay`` holds that direction up for `seconds`; ``truncate``
            swallows what follows in that direction while the connection stays; ``half-close`` ends that direction alone.
    """

    kind: str
    direction: str
    after_bytes: int
    seconds: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind} {self.direction} after {self.after_bytes} bytes{lasting}"


class FaultProxy:
    """Passes connections on to a port of this machine, from the beginning of a `with` block to its end."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self._wanted: queue.SimpleQueue[NetworkFault] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._happened: list[NetworkFault] = []
        self.over = threading.Event()

    def inflict(self, fault: NetworkFault) -> None:
        """On the connection that carries data next, be it new or open already. One that ends too early passes the fault on
        to the next, with half as many bytes to go."""
        self._wanted.put(fault)

    def happened(self) -> int:
        """How many faults have been inflicted."""
        with self._lock:
            return len(self._happened)

    def wanted(self) -> NetworkFault | None:
        """The fault that has waited longest, for the connection that asks; it is that connection's now."""
        try:
            return self._wanted.get_nowait()
        except queue.Empty:
            return None

    def note(self, fault: NetworkFault) -> None:
        with self._lock:
            self._happened.append(fault)

    def clear(self) -> None:
        """Forget what has been asked for and not happened."""
        while self.wanted() is not None:
            pass

    def __enter__(self) -> FaultProxy:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=_Link(self, client).run, name="proxy-link", daemon=True).start()


class _Ended(Exception):
    """The connection is over."""


class _Link:
    """One connection and its other half. One thread for both directions, so that it alone closes sockets."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self._proxy, self._client = proxy, client
        self._fault: NetworkFault | None = None
        self._left, self._resumes_at, self._silent_until = 0, 0.0, 0.0
        self._held = self._swallowed = ""

    def run(self) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._proxy.target_port), timeout=5.0) as server:
                self._server = server
                for one in (self._client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    one.settimeout(_SILENCE_S)
                self._pass_on()
        except (OSError, _Ended):
            pass  # nobody listens there at the moment, or one of the two went away: the other finds out
        finally:
            self._client.close()
            if self._fault is not None:
                self._proxy.inflict(replace(self._fault, after_bytes=self._fault.after_bytes // 2))

    def _pass_on(self) -> None:
        ends = {"to-server": (self._client, self._server), "to-client": (self._server, self._client)}
        open_ways = set(ends)
        while open_ways and not self._proxy.over.is_set():
            now = time.monotonic()
            if self._silent_until and now > self._silent_until:
                return
            held = self._held if now < self._resumes_at else ""
            sources = {ends[way][0]: way for way in open_ways if way != held}
            for source in select.select(list(sources), [], [], _LOOK_S)[0]:
                way = sources[source]
                piece = source.recv(_STEP)
                if not piece:
                    open_ways.discard(way)
                    if way == self._swallowed or self._swallowed:
                        return
                    ends[way][1].shutdown(socket.SHUT_WR)
                elif not self._forward(way, piece, ends[way][1]):
                    open_ways.discard(way)

    def _forward(self, way: str, piece: bytes, target: socket.socket) -> bool:
        """Send on what may be sent; returns whether that direction goes on."""
        if way == self._swallowed:
            return True
        if self._fault is None and (fault := self._proxy.wanted()) is not None:
            self._fault, self._left = fault, fault.after_bytes
        fault = self._fault
        if fault is None or fault.direction != way or len(piece) <= self._left:
            target.sendall(piece)
            if fault is not None and fault.direction == way:
                self._left -= len(piece)
            return True
        target.sendall(piece[: self._left])
        self._fault = None
        self._proxy.note(fault)
        return self._happens(fault, piece[self._left :], target)

    def _happens(self, fault: NetworkFault, rest: bytes, target: socket.socket) -> bool:
        if fault.kind == "cut":
            raise _Ended
        if fault.kind == "reset":
            for one in (self._client, self._server):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() sends RST
            raise _Ended
        if fault.kind == "half-close":
            target.shutdown(socket.SHUT_WR)
            self._swallowed = fault.direction
        elif fault.kind == "truncate":
            self._swallowed = fault.direction
        else:
            self._held, self._resumes_at = fault.direction, time.monotonic() + fault.seconds
            self._late(rest, target)
            return True
        self._silent_until = time.monotonic() + _SILENCE_S
        return True

    def _late(self, rest: bytes, target: socket.socket) -> None:
        """What was in hand when the delay began; the other direction waits for so long, too, which networks also do."""
        self._proxy.over.wait(max(0.0, self._resumes_at - time.monotonic()))
        target.sendall(rest)
