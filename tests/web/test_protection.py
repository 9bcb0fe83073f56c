"""What no call from another site may do, and what every answer carries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote, urljoin, urlsplit

import pytest
from annotated_types import Le
from fastapi.routing import APIRoute
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from agent.settings import Web
from agent.web.app import make_app
from agent.web.door import LONGEST_BODY
from agent.web.rights import RIGHTS, Right, Role
from agent.web.signing.inside import inside
from tests.support.pages import ORIGIN, PASSWORD, Visitors, site_at

CHANGING = sorted(key for key in RIGHTS if key[0] not in ("GET", "HEAD"))
FOREIGN: dict[str, dict[str, str]] = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"},
    "another site that claims to be this one": {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
    "a neighbour": {"Sec-Fetch-Site": "same-site", "Origin": "http://other.preread.test"},
    "nobody, typed or from a mail": {"Sec-Fetch-Site": "none"},
    "what is no word of the standard": {"Sec-Fetch-Site": "same-origin, cross-site"},
    "nothing at all": {"Sec-Fetch-Site": ""},
    "an old browser on another site": {"Origin": "https://evil.test"},
    "an old browser in a sandbox": {"Origin": "null"},
    "an old browser on another port": {"Origin": "http://preread.test:81"},
    "an old browser on a name that begins like ours": {"Origin": "http://preread.test.evil.test"},
    "an old browser that hides ours in a user": {"Origin": "http://preread.test@evil.test"},
    "an old browser that says nothing": {},
    "another site with a token": {"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer x"},
    "a password as a token": {"Authorization": "Basic eDp5"},
}


def from_elsewhere(client: TestClient, headers: dict[str, str]) -> TestClient:
    del client.headers["sec-fetch-site"]
    client.headers.update(headers)
    return client


@pytest.mark.parametrize("where", FOREIGN)
def test_a_call_from_elsewhere_changes_nothing_whatever_the_route(visitor: Visitors, where: str) -> None:
    mine = visitor.signed_in("chief", Role.ADMINISTRATOR)
    client = from_elsewhere(visitor.signed_in("chief", Role.ADMINISTRATOR), FOREIGN[where])
    for method, route in CHANGING:
        answer = client.request(method, re.sub(r"\{[^}]*\}", "1", route))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross-site"), (method, route)
    assert [mine.get("/people").status_code, client.get("/people").status_code] == [200, 200], "nobody was signed out"


def test_a_browser_without_fetch_metadata_on_this_site_may(visitor: Visitors) -> None:
    client = from_elsewhere(visitor.signed_in("anna", Role.VIEWER), {"Origin": ORIGIN})
    assert client.post("/account/appearance", data={"theme": "dark"}).status_code == 303


def test_every_answer_carries_the_policy_errors_and_files_too(visitor: Visitors) -> None:
    mine, nobody = visitor.signed_in("anna", Role.VIEWER), visitor()
    asset = re.search(r'href="(/static/[^"]+\.css)"', mine.get("/account").text)
    assert asset is not None
    answers = [
        mine.get("/"), mine.get("/nothing"), mine.get("/people"), nobody.get("/account"), nobody.get("/sign-in"), mine.get(asset[1]),
        nobody.get("/healthz"), nobody.get("/metrics"), mine.post("/account/appearance", data={"theme": "x"}), mine.put("/account"),
        nobody.post("/sign-in", headers={"Sec-Fetch-Site": "cross-site"}), nobody.get("/", headers={"Host": "evil.test"}),
        nobody.post("/sign-in", content=b"", headers={"Content-Length": str(LONGEST_BODY + 1)}),
        nobody.post("/sign-in", data={"name": "x", "password": "y"}),
    ]  # fmt: skip
    assert {a.status_code for a in answers} == {200, 303, 401, 403, 404, 405, 413, 421, 422}
    for answer in answers:
        policy = dict(p.split(" ", 1) for p in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert not any(word in " ".join(policy.values()) for word in ("unsafe", "*", "http:", "https:"))
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"


def test_a_defect_is_answered_with_the_policy_and_without_its_words(
    visitor: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(visitor.context)

    monkeypatch.setitem(RIGHTS, ("GET", "/defect"), Right.OPEN)

    @app.get("/defect")
    def defect() -> None:
        raise RuntimeError("DOE^JANE")

    client = TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)
    answer = client.get("/defect")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "defect")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = client.get("/defect", headers={"Accept": "text/html"})
    assert page.status_code == 500
    assert "went wrong in the program" in page.text
    assert "JANE" not in answer.text + page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    with pytest.raises(RuntimeError):
        TestClient(app, base_url=ORIGIN).get("/defect")


def test_no_page_holds_what_the_policy_would_stop(visitor: Visitors) -> None:
    templates = Path(make_app.__code__.co_filename).parent / "templates"
    for file in templates.glob("*.html"):
        text = file.read_text("utf-8")
        assert not re.search(r"<[^>]*\s(style|on[a-z]+)=", text), file.name
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), file.name
        assert not re.search(r"""(src|href|action)=["'](https?:)?//""", text), file.name


def test_what_a_person_sees_is_kept_by_no_cache(visitor: Visitors) -> None:
    mine = visitor.signed_in("anna", Role.ADMINISTRATOR)
    for path in ("/", "/account", "/people", "/nothing"):
        assert mine.get(path).headers["cache-control"] == "no-store"


ELSEWHERE = [
    "//evil.test", "///evil.test", "/\\evil.test", "\\\\evil.test", "https://evil.test", "https:evil.test", "javascript:alert(1)",
    "data:text/html,x", "/%2fevil.test", "/%5cevil.test", "/%2f%2fevil.test", "/%252fevil.test", "%2f%2fevil.test", "/\t/evil.test",
    "/\n/evil.test", "/%09/evil.test", "/%0d%0aSet-Cookie:x=y", "", " /", "evil.test", "/\u2028/evil.test", "/x\r\nLocation: //evil.test",
    "/\u3002evil.test", "?next=//evil.test",
]  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nobody_is_led_elsewhere_by_a_link_to_the_sign_in_page(visitor: Visitors, target: str) -> None:
    visitor.account("anna", Role.VIEWER)
    assert inside(target) == "/"
    shown = visitor().get(f"/sign-in?next={quote(target, safe='')}")
    assert '<input type="hidden" name="next" value="/">' in shown.text
    mine = visitor.signed_in("anna", Role.VIEWER)
    assert mine.get(f"/sign-in?next={quote(target, safe='')}").headers["location"] == "/"


def test_after_a_password_nobody_is_led_elsewhere_either(visitor: Visitors) -> None:
    visitor.account("anna", Role.VIEWER)
    sent = visitor().post("/sign-in", data={"name": "anna", "password": PASSWORD, "next": "//evil.test"})
    assert sent.headers["location"] == "/"


def as_a_browser_reads(target: str) -> str:
    """The host that a Location leads to: WHATWG URL, which drops tabs and line ends, and takes a backslash for a slash."""
    plain = "".join(c for c in target.strip("".join(map(chr, range(33)))) if c not in "\t\r\n").replace("\\", "/")
    return urlsplit(urljoin("http://preread.test/sign-in", plain)).netloc


@given(st.text(st.sampled_from("/\\%25cfC09aA.:@?#&= \t\r\nevil\u2028"), max_size=20) | st.text(max_size=30))
@example("/%25252f/evil.test")
@example("/.//evil.test")
def test_whatever_is_asked_for_stays_on_this_site(target: str) -> None:
    kept = inside(target)
    assert as_a_browser_reads(kept) == "preread.test"
    assert kept.isascii() and kept.isprintable()
    assert inside(kept) == kept


@pytest.mark.parametrize("path", ["/", "/studies/1.2.3?tab=trace#top", "/worklist?state=read&sort=-age", "/a%20b"])
def test_whoever_asked_for_a_page_gets_there(path: str) -> None:
    assert inside(path) == path


OURS = [
    "preread.test",
    "PREREAD.test",
    "preread.test:8117",
    "preread.test.",
    "localhost:8117",
    "127.0.0.1",
    "[::1]:8117",
    "10.1.2.3:8117",
]
NOT_OURS = [
    "evil.test", "preread.test.evil.test", "evil.test:8117", "preread.test@evil.test", "preread.test:x", "", "localhost.evil.test",
    "127.0.0.1.evil.test", "[::1].evil.test", "preread.test/evil", "preread.test, evil.test", "xpreread.test", "0x7f000001", "127.1",
]  # fmt: skip


@pytest.mark.parametrize("host", OURS)
def test_a_name_of_this_server_or_an_address_is_listened_to(visitor: Visitors, host: str) -> None:
    assert visitor().get("/sign-in", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", NOT_OURS)
def test_a_page_elsewhere_cannot_read_what_is_here_by_a_name_of_its_own(visitor: Visitors, host: str) -> None:
    mine = visitor.signed_in("anna", Role.VIEWER)
    for path in ("/account", "/sign-in", "/metrics", "/static/x/style.css", "/nothing"):
        assert mine.get(path, headers={"Host": host}).status_code == 421, (host, path)


def test_a_monitor_may_call_by_any_name_where_nothing_is_at_stake(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("metrics-token", "utf-8")
    open_, with_token = (
        Visitors(site_at(tmp_path / n, Web(**w)))() for n, w in (("a", {}), ("b", {"token_file": token}))
    )
    odd = {"Host": "preread.monitoring.svc.cluster.local:8117"}
    for client in (open_, with_token):
        assert client.get("/healthz", headers=odd).status_code == 200
        assert client.get("/readyz", headers=odd).status_code == 503, "it answers: the line does not run"
    assert open_.get("/metrics", headers=odd).status_code == 421, "without a token a rebound name would read them"
    assert with_token.get("/metrics", headers=odd).status_code == 401
    assert with_token.get("/metrics", headers={**odd, "Authorization": "Bearer metrics-token"}).status_code == 200


def test_beyond_this_machine_there_are_no_pages_without_https(tmp_path: Path) -> None:
    plain = Visitors(site_at(tmp_path, Web(host="0.0.0.0", url=ORIGIN)))
    plain.account("anna", Role.VIEWER)
    client = plain()
    for path in ("/", "/sign-in", "/account", "/static/x/style.css"):
        refused = client.get(path)
        assert (refused.status_code, "HTTPS" in refused.text) == (403, True), path
    assert client.post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 403
    assert client.get("/healthz").status_code == 200
    assert client.get("/metrics").status_code == 403, "by its own rule: there is no token"


def test_behind_a_proxy_with_https_whoever_comes_past_it_is_sent_away(tmp_path: Path) -> None:
    visitor = Visitors(site_at(tmp_path, Web(host="0.0.0.0", url="https://preread.test")))
    client = visitor()
    for host, expected in (
        ("preread.test", 200), ("PREREAD.test:443", 200), ("preread.test:8117", 421), ("10.0.0.9:8117", 421), ("127.0.0.1:8117", 421),
    ):  # fmt: skip
        assert client.get("/sign-in", headers={"Host": host}).status_code == expected, host


@pytest.mark.parametrize("length", [LONGEST_BODY + 1, 10**9, 10**30, "-1", "1e3", "1, 2"])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(visitor: Visitors, length: int | str) -> None:
    answer = visitor().post("/sign-in", content=b"", headers={"Content-Length": str(length)})
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")


def test_a_body_without_a_length_is_read_to_the_limit_and_no_further(visitor: Visitors) -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 100_000
            yield b"x" * 100_000

    answer = visitor().post("/sign-in", content=pieces(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 413


def test_who_may_not_call_a_route_learns_nothing_about_what_it_wants(visitor: Visitors) -> None:
    for (method, route), right in RIGHTS.items():
        if right is Right.OPEN or method == "GET":
            continue
        answer = visitor().request(
            method,
            re.sub(r"\{[^}]*\}", "1", route),
            content=b'{"odd": 1}',
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code in (303, 401), (method, route, answer.status_code)


def _numbers(dependant: Any) -> Iterator[tuple[str, list[Any]]]:
    """Every whole number that a route takes, with its bounds."""
    for part in ("path_params", "query_params", "header_params", "body_params"):
        for param in getattr(dependant, part):
            if int in (param.field_info.annotation, *get_args(param.field_info.annotation)):
                yield param.name, param.field_info.metadata
    for other in dependant.dependencies:
        yield from _numbers(other)


def test_no_address_and_no_form_takes_a_number_that_the_ledger_cannot_hold(visitor: Visitors) -> None:
    app = make_app(visitor.context)
    found = [
        (route.path, name, bounds)
        for router in app.state.routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for name, bounds in _numbers(route.dependant)
    ]
    assert {path for path, _, _ in found} >= {
        "/ledger/messages/{number}",
        "/studies/{uid}",
        "/live",
        "/ledger/refusals",
    }
    for path, name, bounds in found:
        assert any(isinstance(b, Le) and b.le < 2**63 for b in bounds), (path, name)
