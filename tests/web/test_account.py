"""What a person decides for themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from agent.store import accounts
from agent.web.rights import RIGHTS, Right, Role
from agent.web.signing.lockout import FREE
from tests.support.pages import PASSWORD, Visitors, audited

WANTED = "a lung is not a liver"


def change(browser: TestClient, wanted: str = WANTED, current: str = PASSWORD, again: str | None = None) -> object:
    data = {"current": current, "wanted": wanted, "again": wanted if again is None else again}
    return browser.post("/account/password", data=data)


def test_a_password_that_was_given_must_be_changed_before_anything_else(visitor: Visitors) -> None:
    visitor.account("anna", Role.ADMINISTRATOR, must_change=True)
    browser = visitor()
    browser.post("/sign-in", data={"name": "anna", "password": PASSWORD})
    for path in ("/", "/people"):
        sent = browser.get(path)
        assert (sent.status_code, sent.headers.get("location")) == (303, "/account/password")
    assert browser.post("/people/disable", data={"name": "anna"}).status_code == 403
    assert "Choose one of your own" in browser.get("/account/password").text
    assert change(browser).headers["location"] == "/account?done=password"  # type: ignore[attr-defined]
    assert browser.get("/people").status_code == 200


def test_who_must_change_the_password_reaches_the_account_and_nothing_else(visitor: Visitors) -> None:
    for (method, route), right in RIGHTS.items():
        if right is Right.OPEN or "{" in route:
            continue
        browser = visitor.signed_in("anna", Role.ADMINISTRATOR, must_change=True)
        status = browser.request(method, route, headers={"Accept": "application/json"}).status_code
        assert (status == 403) == (right is not Right.ACCOUNT), (method, route, status)


def test_a_changed_password_signs_out_everywhere_else_and_the_old_one_is_over(visitor: Visitors) -> None:
    here, there = visitor.signed_in("anna", Role.VIEWER), visitor.signed_in("anna", Role.VIEWER)
    before = here.cookies["preread_session"]
    assert change(here).status_code == 303  # type: ignore[attr-defined]
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303
    assert list(here.cookies.jar)[-1].value != before, "the token is another one, too"
    assert visitor().post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 401
    assert visitor().post("/sign-in", data={"name": "anna", "password": WANTED}).status_code == 303
    assert ("110113", "110137", "0", "anna") in audited(visitor.context)


@pytest.mark.parametrize(
    ("wanted", "again", "words"),
    [
        ("s4ort", "s4ort", "too short: at least 12"),
        ("anna-anna-12", "anna-anna-12", "mostly the name"),
        ("qwertyuiop123", "qwertyuiop123", "tried first"),
        (WANTED, WANTED + "!", "differ"),
        (PASSWORD, PASSWORD, "the current password already"),
    ],
)
def test_a_password_that_is_not_taken_says_why(visitor: Visitors, wanted: str, again: str, words: str) -> None:
    browser = visitor.signed_in("anna", Role.VIEWER)
    shown = change(browser, wanted, again=again)
    assert (shown.status_code, words in shown.text) == (422, True)  # type: ignore[attr-defined]
    assert wanted not in shown.text  # type: ignore[attr-defined]
    assert visitor().post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 303


def test_a_browser_that_was_left_open_is_no_place_to_try_passwords(visitor: Visitors) -> None:
    browser = visitor.signed_in("anna", Role.VIEWER)
    for _ in range(FREE - 1):
        assert "not the current password" in change(browser, current="a guess").text  # type: ignore[attr-defined]
    assert change(browser, current="a guess").headers["location"] == "/sign-in"  # type: ignore[attr-defined]
    assert browser.get("/account").status_code == 303
    assert visitor().post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 401, "locked"


def test_language_and_theme_are_kept_and_nothing_else_is_taken(browser: Callable[[Role], TestClient]) -> None:
    mine = browser(Role.VIEWER)
    assert mine.post("/account/appearance", data={"language": "de", "theme": "reading-room"}).status_code == 303
    shown = mine.get("/account").text
    assert '<html lang="de" data-theme="reading-room"' in shown
    assert "Mein Konto" in shown
    for odd in ({"theme": "pink"}, {"language": "xx"}, {"language": "../de"}):
        assert mine.post("/account/appearance", data=odd).status_code == 422
    mine.post("/sign-out")
    assert 'data-theme="reading-room"' in mine.get("/sign-in").text
    again = browser(Role.VIEWER)
    again.post("/account/appearance", data={"language": "", "theme": ""})
    assert "data-theme" not in again.get("/account").text


def test_a_person_sees_and_ends_their_own_sessions_and_nobody_else_s(visitor: Visitors) -> None:
    here, there, third = (visitor.signed_in("anna", Role.VIEWER) for _ in range(3))
    other = visitor.signed_in("bert", Role.VIEWER)
    shown = here.get("/account").text
    assert shown.count("Sign out there</button>") == 2
    handle = shown.split('name="which" value="')[1][:16]
    assert other.post("/account/sessions/end", data={"which": handle}).status_code == 303
    assert [b.get("/account").status_code for b in (here, there, third)] == [200] * 3
    here.post("/account/sessions/end", data={"which": handle})
    assert sorted(b.get("/account").status_code for b in (there, third)) == [200, 303]
    here.post("/account/sessions/end", data={"which": "others"})
    assert [b.get("/account").status_code for b in (here, there, third, other)] == [200, 303, 303, 200]
    for odd in ("", "*", handle.upper(), "others' OR 1=1"):
        assert here.post("/account/sessions/end", data={"which": odd}).status_code == 422


def test_planted_markup_in_a_name_is_text(visitor: Visitors) -> None:
    browser = visitor.signed_in("anna", Role.ADMINISTRATOR)
    with visitor.context.ledger.begin() as tx:
        found = accounts.by_name(tx, "anna")
        assert found is not None
        accounts.set_values(tx, found.id, full_name="<img src=x onerror=alert(1)>")
    for path in ("/account", "/people", "/account/password"):
        shown = browser.get(path).text
        assert "<img" not in shown
        assert "&lt;img src=x" in shown
