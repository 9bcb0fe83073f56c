"""A session is one browser's, ends when it should, and is not worth stealing from a backup."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from agent.settings import Web
from agent.store import accounts, sessions
from agent.web.context import WebContext
from agent.web.rights import Role
from agent.web.signing.guard import BY_THEMSELVES
from tests.support.pages import ORIGIN, PASSWORD, Visitors, site_at

COOKIE = "preread_session"


def count(context: WebContext, account_id: int) -> int:
    with context.ledger.read() as view:
        return len(sessions.of_account(view, account_id))


def test_the_ledger_holds_nothing_that_opens_a_session(visitor: Visitors, tmp_path: Path) -> None:
    visitor.account("anna", Role.VIEWER)
    browser = visitor()
    browser.post("/sign-in", data={"name": "anna", "password": PASSWORD})
    token = browser.cookies[COOKIE]
    visitor.context.ledger.close()
    kept = b"".join(f.read_bytes() for f in tmp_path.glob("preread.db*"))
    assert token.encode() not in kept
    digest = sessions.digest_of(token)
    assert digest.encode() in kept
    other = visitor()
    other.cookies.set(COOKIE, digest)
    assert other.get("/account").status_code == 303


def test_a_session_that_somebody_planted_is_not_the_one_that_is_signed_in(visitor: Visitors) -> None:
    visitor.account("anna", Role.VIEWER)
    victim = visitor()
    victim.cookies.set(COOKIE, "planted")
    victim.post("/sign-in", data={"name": "anna", "password": PASSWORD})
    attacker = visitor()
    attacker.cookies.set(COOKIE, "planted")
    assert attacker.get("/account").status_code == 303


def test_signing_in_again_ends_the_session_that_the_browser_had(visitor: Visitors) -> None:
    visitor.account("anna", Role.VIEWER)
    browser = visitor()
    browser.post("/sign-in", data={"name": "anna", "password": PASSWORD})
    old = browser.cookies[COOKIE]
    browser.post("/sign-in", data={"name": "anna", "password": PASSWORD})
    assert browser.cookies[COOKIE] != old
    thief = visitor()
    thief.cookies.set(COOKIE, old)
    assert thief.get("/account").status_code == 303


def test_who_has_done_nothing_for_so_long_is_signed_out(tmp_path: Path) -> None:
    visitor = Visitors(site_at(tmp_path, Web(url=ORIGIN, idle_min=10)))
    busy, idle = visitor.signed_in("busy", Role.VIEWER), visitor.signed_in("idle", Role.VIEWER)
    now = datetime.now(UTC)
    for minutes in (8, 16, 24):
        with time_machine.travel(now + timedelta(minutes=minutes)):
            assert busy.get("/account").status_code == 200
    with time_machine.travel(now + timedelta(minutes=10, seconds=30)):
        assert idle.get("/account").status_code == 303


@pytest.mark.parametrize(("method", "route"), sorted(BY_THEMSELVES))
def test_a_page_that_nobody_touches_keeps_nobody_signed_in(tmp_path: Path, method: str, route: str) -> None:
    visitor = Visitors(site_at(tmp_path, Web(url=ORIGIN, idle_min=10)))
    browser, now = visitor.signed_in("anna", Role.VIEWER), datetime.now(UTC)
    with time_machine.travel(now + timedelta(minutes=8)):
        asked = browser.request(method, route.replace("{uid}", "1.2.3"), json={"uids": [], "wanted": {}})
        assert asked.status_code not in (303, 401, 403, 405, 422)
    with time_machine.travel(now + timedelta(minutes=10, seconds=30)):
        assert browser.get("/account").status_code == 303


@pytest.mark.parametrize("page", ["/system/doctor", "/peers/test/none", "/peers/reload/1", "/"])
def test_a_page_that_looks_again_by_itself_keeps_nobody_signed_in(tmp_path: Path, page: str) -> None:
    visitor = Visitors(site_at(tmp_path, Web(url=ORIGIN, idle_min=10)))
    left, there = visitor.signed_in("left", Role.ADMINISTRATOR), visitor.signed_in("there", Role.ADMINISTRATOR)
    now = datetime.now(UTC)
    for minutes in (4, 8):
        with time_machine.travel(now + timedelta(minutes=minutes)):
            assert left.get(page, headers={"X-By-Itself": "1"}).status_code in (200, 404)
            assert there.get(page).status_code in (200, 404)
    with time_machine.travel(now + timedelta(minutes=10, seconds=30)):
        assert left.get(page, headers={"X-By-Itself": "1"}).status_code == 303
        assert left.get("/account").status_code == 303
        assert there.get("/account").status_code == 200


def test_nobody_stays_signed_in_longer_than_the_longest(tmp_path: Path) -> None:
    visitor = Visitors(site_at(tmp_path, Web(url=ORIGIN, idle_min=60, longest_h=2)))
    busy, now = visitor.signed_in("busy", Role.VIEWER), datetime.now(UTC)
    for minutes in (50, 100, 119):
        with time_machine.travel(now + timedelta(minutes=minutes)):
            assert busy.get("/account").status_code == 200
    with time_machine.travel(now + timedelta(minutes=121)):
        assert busy.get("/account").status_code == 303


def test_sessions_that_count_no_longer_are_forgotten(visitor: Visitors) -> None:
    visitor.signed_in("anna", Role.VIEWER)
    number = visitor.account("anna", Role.VIEWER)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=13)):
        assert visitor().post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 303
    assert count(visitor.context, number) == 1


def test_a_disabled_person_is_out_at_once_and_a_changed_role_counts_at_once(visitor: Visitors) -> None:
    browser = visitor.signed_in("anna", Role.ADMINISTRATOR)
    number = visitor.account("anna", Role.ADMINISTRATOR)
    assert browser.get("/people").status_code == 200
    with visitor.context.ledger.begin() as tx:
        accounts.set_values(tx, number, role="viewer")
    assert browser.get("/people").status_code == 403
    with visitor.context.ledger.begin() as tx:
        accounts.set_values(tx, number, disabled=True)
    assert browser.get("/account").status_code == 303


def test_a_cookie_over_https_is_one_that_no_neighbour_and_no_plain_http_can_plant(tmp_path: Path) -> None:
    visitor = Visitors(site_at(tmp_path, Web(url="https://preread.test")))
    visitor.account("anna", Role.VIEWER)
    browser = visitor()
    sent = browser.post("/sign-in", data={"name": "anna", "password": PASSWORD})
    cookie = sent.headers["set-cookie"]
    assert cookie.startswith("__Host-preread_session=")
    for wanted in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert wanted in cookie
    assert "Domain" not in cookie
    token = browser.cookies["__Host-preread_session"]
    planted = visitor()
    planted.cookies.set("preread_session", token)
    assert planted.get("/account").status_code == 303
