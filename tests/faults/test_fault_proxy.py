"""The faults themselves: a campaign over a network that never failed would show nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.fault_proxy import DIRECTIONS, FaultProxy, NetworkFault
from tests.support.site import PATIENCE_S, until

WORD = b"0123456789" * 10


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says what it is told."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_say_it_again, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _say_it_again(connection: socket.socket) -> None:
    with connection:
        try:
            while piece := connection.recv(4096):
                connection.sendall(piece)
        except OSError:
            return


@pytest.fixture
def proxy(echo: int) -> Iterator[FaultProxy]:
    with FaultProxy(echo) as proxy:
        yield proxy


def heard(proxy: FaultProxy, *, silence_s: float = PATIENCE_S) -> tuple[bytes, str]:
    """What comes back of `WORD`, and how it ends."""
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.settimeout(silence_s)
        connection.sendall(WORD)
        back = b""
        try:
            while len(back) < len(WORD):
                piece = connection.recv(4096)
                if not piece:
                    return back, "closed"
                back += piece
        except TimeoutError:
            return back, "silent"
        except ConnectionResetError:
            return back, "reset"
        return back, "whole"


def test_without_a_fault_everything_gets_through(proxy: FaultProxy) -> None:
    assert heard(proxy) == (WORD, "whole")


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    ("kind", "end"), [("cut", "closed"), ("truncate", "silent"), ("half-close", "closed"), ("reset", "reset")]
)
def test_a_connection_fails_after_exactly_so_many_bytes(proxy: FaultProxy, kind: str, end: str, direction: str) -> None:
    proxy.inflict(NetworkFault(kind, direction, 33))
    back, how = heard(proxy, silence_s=2.0 if end == "silent" else PATIENCE_S)
    assert how == end
    assert len(back) <= 33 if kind in ("cut", "reset") else len(back) == 33
    assert proxy.happened() == 1
    assert heard(proxy) == (WORD, "whole"), "once, and not for ever"


def test_a_delay_loses_nothing(proxy: FaultProxy) -> None:
    proxy.inflict(NetworkFault("delay", "to-client", 33, seconds=0.3))
    began = time.monotonic()
    assert heard(proxy) == (WORD, "whole")
    assert time.monotonic() - began >= 0.3


def test_a_fault_strikes_a_connection_that_is_open_already(proxy: FaultProxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.settimeout(PATIENCE_S)
        connection.sendall(WORD)
        until(lambda: len(connection.recv(4096, socket.MSG_PEEK)) == len(WORD), what="it came back")
        proxy.inflict(NetworkFault("cut", "to-server", 1))
        connection.sendall(b"again")
        until(lambda: proxy.happened() == 1, what="the fault happened")


def test_a_fault_that_comes_too_late_strikes_the_next_connection_sooner(proxy: FaultProxy) -> None:
    proxy.inflict(NetworkFault("cut", "to-server", len(WORD) + 20))
    assert heard(proxy) == (WORD, "whole")
    until(lambda: heard(proxy)[1] == "closed", what="the next one is cut")
