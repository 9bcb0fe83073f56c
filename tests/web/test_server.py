"""The server on its port: HTTPS of its own, renewed certificates, and people who never finish asking."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent import authority
from agent.settings import Web
from agent.web import door, protocol
from agent.web.api.events import MOST_STREAMS
from agent.web.rights import Role
from agent.web.server import WebServer
from tests.support.drafted import Desk
from tests.support.films import small_image
from tests.support.pages import PASSWORD, Visitors, audited, site_at
from tests.support.site import PATIENCE_S, free_port, until


@contextmanager
def serving(root: Path, **web: Any) -> Iterator[tuple[WebServer, Visitors, int]]:
    port, stop = free_port(), threading.Event()
    visitor = Visitors(site_at(root, Web(port=port, **web)))
    server = WebServer(visitor.context, stop, lambda: None)
    server.start()
    try:
        yield server, visitor, port
    finally:
        stop.set()
        server.join(PATIENCE_S)


def decoders() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "agent.imaging.decode_mother" in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:  # one of another test, that has just ended
            continue
    return found


def test_a_server_that_ends_leaves_no_decoder_behind(tmp_path: Path) -> None:
    of_others = set(decoders())
    with serving(tmp_path) as (_, visitor, port):
        study = Desk(visitor.context.ledger, visitor.context.files).study([small_image()], boxes={})
        cookies = visitor.signed_in("anna", Role.VIEWER).cookies
        with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as browser:
            said = "; ".join(f"{name}={value}" for name, value in cookies.items())
            browser.request("GET", f"/studies/{study.uid}", headers={"Cookie": said})
            assert browser.getresponse().status == 200
        (mine,) = set(decoders()) - of_others
    until(lambda: not mine.is_running(), what="its decoder has ended")


def test_a_head_has_no_content_and_the_connection_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, visitor, port), closing(HTTPConnection("127.0.0.1", port, timeout=60)) as browser:
        cookies = visitor.signed_in("anna", Role.VIEWER).cookies
        said = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "Accept": "text/html"}
        # More streams than may be listened to at once: none begins.
        for address in ("/", "/live", "/readyz", "/nothing", *["/api/v1/events"] * (MOST_STREAMS + 1), "/"):
            browser.request("HEAD", address, headers=said)
            answer = browser.getresponse()
            assert answer.status in (200, 303, 404, 503), address
            assert browser.sock is not None and answer.read() == b""
            browser.sock.setblocking(False)
            with pytest.raises(BlockingIOError):  # nothing came behind it
                browser.sock.recv(1)
            browser.sock.settimeout(60)


def test_the_first_film_after_a_start_waits_for_no_decoder(tmp_path: Path) -> None:
    of_others = set(decoders())
    with serving(tmp_path) as (_, _, port):
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as monitor:
            monitor.request("GET", "/healthz")
            assert monitor.getresponse().status == 200
        assert len(set(decoders()) - of_others) == 1, "nobody has asked for a page yet"


def test_where_no_film_can_be_shown_no_decoder_waits(tmp_path: Path) -> None:
    of_others = set(decoders())
    with serving(tmp_path, host="0.0.0.0") as (_, _, port):
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as monitor:
            monitor.request("GET", "/healthz")
            assert monitor.getresponse().status == 200
        assert not set(decoders()) - of_others


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    folder, now = tmp_path / "tls", datetime.now(UTC)
    authority.authority_in(folder, now=now)
    for name in ("web", "newer"):
        authority.issue(folder, name, ["127.0.0.1"], days=2, now=now)
    return folder


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "ca.pem"))


def serial(port: int, folder: Path) -> Any:
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plain,
        trusting(folder).wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        return (secured.getpeercert() or {})["serialNumber"]


@pytest.mark.filterwarnings("ignore:ssl")  # that TLS 1.1 is deprecated is the point
def test_with_a_certificate_the_pages_are_served_over_https_and_over_nothing_else(
    tmp_path: Path, certificates: Path
) -> None:
    files = {"certificate_file": certificates / "web.pem", "key_file": certificates / "web.key"}
    with serving(tmp_path, host="0.0.0.0", **files) as (server, visitor, port):
        assert server.words == f"web server on 0.0.0.0:{port}"
        visitor.account("anna", Role.VIEWER)
        with closing(HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=trusting(certificates))) as browser:
            body = f"name=anna&password={PASSWORD.replace(' ', '+')}"
            form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
            browser.request("POST", "/sign-in", body, form)
            answer = browser.getresponse()
            assert (answer.status, answer.read()) == (303, b"")
            cookie = answer.headers["Set-Cookie"]
            assert cookie.startswith("__Host-preread_session=") and "Secure" in cookie
        with (
            closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as browser,
            pytest.raises((OSError, ConnectionError)),
        ):
            browser.request("GET", "/healthz")
            browser.getresponse()
        old = trusting(certificates)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plain, pytest.raises(ssl.SSLError):
            old.wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_renewed_certificate_is_shown_without_a_restart(
    tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("agent.web.server._RENEW_EVERY_S", 0.5)
    files = {"certificate_file": certificates / "web.pem", "key_file": certificates / "web.key"}
    with serving(tmp_path, **files) as (_, _, port):
        first = serial(port, certificates)
        (certificates / "web.pem").write_text("half written", "utf-8")
        until(lambda: "certificate not used" in capsys.readouterr().out, what="it was looked at")
        assert serial(port, certificates) == first, "one that cannot be used is not used"
        for ending in ("pem", "key"):
            shutil.copy(certificates / f"newer.{ending}", certificates / f"web.{ending}")
        until(lambda: serial(port, certificates) != first, what="the new one is shown")


def test_without_its_certificate_it_says_so_and_listens_to_nobody(tmp_path: Path, certificates: Path) -> None:
    files = {"certificate_file": certificates / "web.pem", "key_file": certificates / "newer.key"}
    with serving(tmp_path, **files) as (server, _, port):
        assert "NO WEB SERVER" in server.words and "key does not belong" in server.words
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), 2)


@pytest.mark.parametrize(
    ("site", "status"), [(b"Sec-Fetch-Site: same-origin\r\n", b"HTTP/1.1 413"), (b"", b"HTTP/1.1 403")]
)
def test_a_gigabyte_is_refused_before_it_is_sent(tmp_path: Path, site: bytes, status: bytes) -> None:
    with serving(tmp_path) as (_, _, port), socket.create_connection(("127.0.0.1", port), PATIENCE_S) as caller:
        caller.sendall(b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\n" + site + b"Content-Length: 1000000000\r\n\r\n")
        assert read_all(caller).startswith(status)


def test_who_never_finishes_asking_is_hung_up_on_and_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LONGEST_HEAD_S", 1.5)
    monkeypatch.setattr(door, "SLOWEST_BODY_S", 1.5)
    begun = {
        "silence": b"",
        "half a head": b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        "half a head, after a whole request": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost:",
        "half a body": b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\nname=an",
    }
    with serving(tmp_path) as (_, _, port):
        callers = {what: socket.create_connection(("127.0.0.1", port), PATIENCE_S) for what in begun}
        for what, caller in callers.items():
            caller.sendall(begun[what])
        with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as monitor:
            monitor.request("GET", "/healthz")
            assert json.loads(monitor.getresponse().read()) == {"alive": True}
        heard = {what: read_all(caller) for what, caller in callers.items()}
    assert heard["silence"] == heard["half a head"] == b""
    assert heard["half a head, after a whole request"].startswith(b"HTTP/1.1 200")
    assert heard["half a body"].startswith(b"HTTP/1.1 408")


def test_a_monitor_that_keeps_its_connection_is_not_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LONGEST_HEAD_S", 2.0)
    with serving(tmp_path) as (_, _, port), closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as monitor:
        began = time.monotonic()
        while time.monotonic() - began < 2.5:
            monitor.request("GET", "/healthz")
            assert monitor.getresponse().read()


@pytest.mark.parametrize(("proxies", "expected"), [(("127.0.0.1",), "10.1.1.1"), ((), "127.0.0.1")])
def test_the_address_behind_a_proxy_is_believed_only_of_the_site_s_own(
    tmp_path: Path, proxies: tuple[str, ...], expected: str
) -> None:
    with serving(tmp_path, proxies=proxies) as (_, visitor, port):
        with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as browser:
            headers = {
                "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin",
                "X-Forwarded-For": "6.6.6.6, 10.1.1.1",
            }  # fmt: skip
            browser.request("POST", "/sign-in", "name=x&password=y", headers)
            assert browser.getresponse().status == 401
        with visitor.context.ledger.read() as view:
            counted = view.exec_driver_sql("SELECT address FROM sign_in_brake").scalar_one()
    assert counted == expected
    assert audited(visitor.context)[-1][0] == "110114"


def read_all(caller: socket.socket) -> bytes:
    """Everything that comes until the other end hangs up."""
    with closing(caller):
        found = b""
        while piece := caller.recv(65536):
            found += piece
        return found


def test_beyond_this_machine_without_https_monitors_alone_are_answered_and_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path, host="0.0.0.0") as (server, _, port):
        assert server.words == f"web server on 0.0.0.0:{port}, for monitors alone: no pages without HTTPS"
        said = {}
        for path in ("/healthz", "/sign-in"):
            with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as caller:
                caller.request("GET", path)
                said[path] = caller.getresponse().status
    assert said == {"/healthz": 200, "/sign-in": 403}
    logged = capsys.readouterr().out
    assert "no pages without HTTPS" in logged
    assert "preread users add NAME --role administrator" in logged
