"""What a RIS, an interface engine or a stranger can do to the port where orders are heard."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import hl7
import pytest
from hl7.client import MLLPClient

from agent.hl7.listener import CannotListen, Listener, MllpListener
from dicom_nodes.tls import TlsFiles, client_context
from tests.support.hl7_sender import CR, FS, OBR, ORC, PID, VT, Ear, Sender, framed, header, message, order
from tests.support.site import PATIENCE_S, free_port, until
from tests.support.web import certificates


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    made = Ear(tmp_path)
    yield made
    made.ledger.close()


def msa(sender: Sender) -> tuple[str, str]:
    answer = sender.answer()
    return answer["MSA"][1], answer["MSA"][2]


STREAMS = {
    "whole": [framed(order())],
    "split anywhere": [framed(order())[n : n + 7] for n in range(0, len(framed(order())), 7)],
    "noise before the start block": [b"\r\n\x00noise" + framed(order())],
    "no CR after the end block": [VT + order() + FS],
    "CR of the end block late": [VT + order() + FS, CR],
    "broken off and begun again": [VT + b"MSH|^~\\&|RIS", framed(order())],
    "LF segment ends": [framed(order().replace(b"\r", b"\n"))],
    "CRLF segment ends": [framed(order().replace(b"\r", b"\r\n"))],
    "no last CR": [framed(order().rstrip(b"\r"))],
}


@pytest.mark.parametrize("stream", STREAMS)
def test_an_order_is_kept_however_its_bytes_come(ear: Ear, stream: str) -> None:
    with ear.listen() as listener, Sender(listener.port) as ris:
        for piece in STREAMS[stream]:
            ris.send(piece)
        assert msa(ris) == ("AA", "C1")
    (kept,) = ear.kept()
    assert kept.said[0]["order"]["accession_number"] == "ACC1"


def test_two_messages_in_a_packet_are_answered_in_their_order(ear: Ear) -> None:
    with ear.listen() as listener, Sender(listener.port) as ris:
        ris.send(b"".join(framed(order(f"C{n}")) for n in range(20)))
        assert [msa(ris) for _ in range(20)] == [("AA", f"C{n}") for n in range(20)]
        ris.send(framed(order("LATER")))
        assert msa(ris) == ("AA", "LATER"), "the connection stays"
    assert [k.control_id for k in ear.kept()] == [*(f"C{n}" for n in range(20)), "LATER"]


def test_a_frame_without_a_message_is_answered_and_the_connection_stays(ear: Ear) -> None:
    with ear.listen() as listener, Sender(listener.port) as ris:
        ris.send(framed(b"hello"))
        answer = ris.answer()
        assert (answer["MSA"][1], answer["ERR"][3][:3]) == ("AE", "100")
        ris.send(framed(order()))
        assert msa(ris) == ("AA", "C1")


def test_a_message_that_is_too_long_is_refused_before_it_fills_the_memory(ear: Ear) -> None:
    with ear.listen(longest=10_000) as listener, Sender(listener.port) as ris:
        ris.send(VT + message(header(), PID) + b"NTE|1||" + b"x" * 5_000_000)
        answer = ris.answer()
        assert (answer["MSA"][1:3], answer["ERR"][3][:3]) == (["AE", "C1"], "102")
        assert "longer than the 10000 bytes" in answer["ERR"][8]
        assert ris.is_closed()
    assert [r["reason"] for r in ear.refusals()] == ["message-too-long"]


def test_what_is_no_mllp_is_put_out(ear: Ear) -> None:
    with ear.listen(longest=10_000) as listener, Sender(listener.port) as stranger:
        stranger.send(b"x" * 20_000)
        assert stranger.is_closed()
    assert [r["reason"] for r in ear.refusals()] == ["no-mllp"]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (VT + b"MSH|^~\\&", "message-not-ended"),
        (message(header(), PID), "no-mllp"),
        (b"GET / HTTP/1.1\r\n\r\n", "no-mllp"),
    ],
)
def test_who_does_not_finish_is_put_out_and_shown(ear: Ear, sent: bytes, reason: str) -> None:
    with ear.listen(message_s=0.3) as listener, Sender(listener.port) as ris:
        ris.send(sent)
        assert ris.is_closed()
        until(ear.refusals, what="it is written down")
    assert [r["reason"] for r in ear.refusals()] == [reason]
    assert ear.kept() == []


def test_a_byte_now_and_then_does_not_buy_time(ear: Ear) -> None:
    content = framed(order())
    with ear.listen(message_s=0.5) as listener, Sender(listener.port) as ris:
        over, pause = threading.Event(), threading.Event()

        def drip() -> None:
            for n in range(len(content)):
                if over.is_set() or pause.wait(0.05):
                    return
                try:
                    ris.send(content[n : n + 1])
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        assert ris.is_closed(), "before it had said all, else it would have been answered"
        over.set()
        thread.join()
    assert ear.kept() == []


def test_a_silent_caller_is_put_out_and_a_slow_one_that_speaks_in_time_is_not(ear: Ear) -> None:
    with ear.listen(idle_s=4.0) as listener, Sender(listener.port) as silent:
        assert silent.is_closed()
        with Sender(listener.port) as ris:
            for n in range(3):
                ris.send(framed(order(f"C{n}")))
                assert msa(ris)[0] == "AA"
    assert ear.refusals() == [], "silence is no offence"


@pytest.mark.parametrize("reset", [False, True])
def test_a_caller_that_goes_away_in_the_middle_harms_nobody(ear: Ear, reset: bool) -> None:
    with ear.listen() as listener:
        with Sender(listener.port) as gone:
            gone.send(VT + order()[:40])
            if reset:
                gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with Sender(listener.port) as ris:
            assert msa(ris.send(framed(order()))) == ("AA", "C1")
    assert len(ear.kept()) == 1


def test_a_flood_of_connections_does_not_keep_the_ris_out(ear: Ear) -> None:
    with ear.listen(connections=4) as listener, Sender(listener.port) as ris:
        assert msa(ris.send(framed(order("FIRST"))))[0] == "AA"
        flood = [Sender(listener.port) for _ in range(30)]
        until(lambda: sum(_still_open(f) for f in flood) <= 3, what="the flood is put out")
        assert msa(ris.send(framed(order("SECOND"))))[0] == "AA", "it spoke before and they did not"
        with Sender(listener.port) as other:
            assert msa(other.send(framed(order("THIRD"))))[0] == "AA"
        for sender in flood:
            sender.socket.close()


def _still_open(sender: Sender) -> bool:
    sender.socket.settimeout(0.01)
    try:
        return sender.socket.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_whose_address_is_not_allowed_says_nothing_here(ear: Ear) -> None:
    with ear.listen(allowed=(ip_network("192.0.2.0/24"),)) as listener, Sender(listener.port) as stranger:
        assert stranger.is_closed()
    assert [r["reason"] for r in ear.refusals()] == ["address-not-allowed"]
    with ear.listen(allowed=(ip_network("127.0.0.1"),)) as listener, Sender(listener.port) as ris:
        assert msa(ris.send(framed(order()))) == ("AA", "C1")


def test_an_answer_that_was_begun_is_finished_when_the_receiver_stops() -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(message: bytes) -> bytes:
        begun.set()
        go.wait(PATIENCE_S)
        return b"MSH|kept"

    listener = MllpListener(slow)
    listener.start()
    with Sender(listener.port) as ris, Sender(listener.port) as idle:
        ris.send(framed(order()))
        assert begun.wait(PATIENCE_S)
        stopping = threading.Thread(target=listener.stop)
        stopping.start()
        assert idle.is_closed()
        go.set()
        assert ris.answer()["MSH"][1] == "kept"
        stopping.join(PATIENCE_S)


def test_a_function_that_fails_answers_nothing_and_the_next_message_is_heard() -> None:
    def fails(message: bytes) -> bytes:
        raise RuntimeError("no")

    with MllpListener(fails) as listener:
        for _ in range(2):
            with Sender(listener.port) as ris:
                assert ris.send(framed(order())).is_closed()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}"):
            MllpListener(lambda m: m, port=port)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles(*certificates(tmp_path_factory.mktemp("tls")))


def secured(listener: Listener, context: ssl.SSLContext) -> Sender:
    ris = Sender(listener.port)
    ris.socket = context.wrap_socket(ris.socket, server_hostname="127.0.0.1")
    return ris


def test_orders_come_over_mutual_tls(ear: Ear, tls: TlsFiles) -> None:
    with ear.listen(tls=tls) as listener, secured(listener, client_context(tls)) as ris:
        assert msa(ris.send(framed(order()))) == ("AA", "C1")
        assert msa(ris.send(framed(order("C2")))) == ("AA", "C2")
    assert len(ear.kept()) == 2


def test_who_shows_no_certificate_or_anothers_gets_nothing_in(ear: Ear, tls: TlsFiles, tmp_path: Path) -> None:
    other = TlsFiles(*certificates(tmp_path / "other"))
    stranger = client_context(TlsFiles(tls.ca_file, other.certificate_file, other.key_file))
    with ear.listen(tls=tls, message_s=0.5) as listener:
        for context in (client_context(TlsFiles(tls.ca_file)), stranger):
            with pytest.raises((OSError, AssertionError)), secured(listener, context) as ris:
                ris.send(framed(order())).answer()
        with Sender(listener.port) as clear, pytest.raises((OSError, AssertionError)):
            clear.send(framed(order())).answer()
        with Sender(listener.port) as silent:
            assert silent.is_closed(), "a handshake that is not finished in time"
        until(lambda: len(ear.refusals()) >= 1, what="written down")
    assert {r["reason"] for r in ear.refusals()} == {"no-tls"}
    assert ear.kept() == []


def test_a_handshake_that_stands_still_holds_up_nobody(ear: Ear, tls: TlsFiles) -> None:
    with ear.listen(tls=tls, connections=3) as listener:
        silent = [Sender(listener.port) for _ in range(6)]
        with secured(listener, client_context(tls)) as ris:
            assert msa(ris.send(framed(order()))) == ("AA", "C1")
        for sender in silent:
            sender.socket.close()


def test_tls_files_that_cannot_be_used_are_named_before_anybody_calls(tmp_path: Path) -> None:
    missing = TlsFiles(tmp_path / "ca.pem", tmp_path / "own.pem", tmp_path / "own.key")
    with pytest.raises(CannotListen, match=r"ca\.pem"):
        Listener(Ear(tmp_path).hearing, tls=missing)


def test_a_client_of_somebody_else_understands_the_answers(ear: Ear) -> None:
    with ear.listen() as listener, MLLPClient("127.0.0.1", listener.port) as ris:
        for kind, wanted in (("ORM^O01", "AA"), ("QBP^Q11", "AR")):
            answer = hl7.parse(ris.send_message(hl7.parse(message(header(kind), PID, ORC, OBR).decode())).decode())
            assert str(answer.segment("MSA")[1]) == wanted
            assert str(answer.segment("MSA")[2]) == "C1"
            assert str(answer.segment("MSH")[5]) == "RIS"


def test_the_port_can_be_taken_again_at_once(ear: Ear) -> None:
    port = free_port()
    for _ in range(2):
        with Listener(ear.hearing, port=port), Sender(port) as ris:
            assert msa(ris.send(framed(order()))) == ("AA", "C1")
