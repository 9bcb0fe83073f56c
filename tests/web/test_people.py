"""Who may use the pages: what an administrator does about it, on the page and by command."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from agent.cli import preread
from agent.doctor.signing import pages
from agent.store import accounts
from agent.web.context import WebContext
from agent.web.rights import Role
from tests.support.pages import PASSWORD, Visitors, audited
from tests.support.site import Site


@pytest.fixture
def chief(visitor: Visitors) -> TestClient:
    return visitor.signed_in("chief", Role.ADMINISTRATOR)


def secret_in(page: str) -> str:
    return page.split('<output class="secret">')[1].split("<")[0]


def test_somebody_is_added_and_signs_in_with_a_password_that_is_shown_once(
    visitor: Visitors, chief: TestClient
) -> None:
    shown = chief.post("/people/add", data={"name": "Anna.Muster", "role": "radiologist", "full_name": "Dr. A. Muster"})
    password = secret_in(shown.text)
    assert "anna.muster" in shown.text
    assert password not in chief.get("/people").text
    browser = visitor()
    assert browser.post("/sign-in", data={"name": "anna.muster", "password": password}).status_code == 303
    assert browser.get("/").headers["location"] == "/account/password"
    assert audited(visitor.context)[0] == ("110113", "110136", "0", "chief")


@pytest.mark.parametrize(
    "name", ["", "  ", "a b", "<b>", "ännä", "-x", ".", "x" * 65, "a/b", "a\nb", "../x", "\u0430nna"]
)
def test_an_account_with_an_odd_name_is_refused_with_words(chief: TestClient, name: str) -> None:
    shown = chief.post("/people/add", data={"name": name, "role": "viewer"})
    assert shown.status_code in (409, 422)
    assert "<b>" not in shown.text
    assert shown.status_code == 422 or "cannot be the name of an account" in shown.text


def test_two_accounts_are_never_called_alike(visitor: Visitors, chief: TestClient) -> None:
    visitor.account("anna", Role.VIEWER)
    shown = chief.post("/people/add", data={"name": "ANNA", "role": "viewer"})
    assert (shown.status_code, "already" in shown.text) == (409, True)


def test_the_last_administrator_can_be_neither_disabled_nor_demoted(visitor: Visitors, chief: TestClient) -> None:
    for path, more in (("disable", {}), ("role", {"role": "viewer"})):
        shown = chief.post(f"/people/{path}", data={"name": "chief", **more})
        assert (shown.status_code, "last administrator" in shown.text) == (409, True)
    number = visitor.account("second", Role.ADMINISTRATOR)
    with visitor.context.ledger.begin() as tx:
        accounts.set_values(tx, number, disabled=True)
    assert chief.post("/people/disable", data={"name": "chief"}).status_code == 409, "a disabled one does not count"
    assert chief.post("/people/enable", data={"name": "second"}).status_code == 303
    assert chief.post("/people/disable", data={"name": "chief"}).status_code == 303
    assert chief.get("/people").status_code == 303, "and signed out at once"


def test_a_person_is_disabled_let_in_again_demoted_and_signed_out(visitor: Visitors, chief: TestClient) -> None:
    browser = visitor.signed_in("anna", Role.RADIOLOGIST)
    chief.post("/people/sign-out", data={"name": "anna"})
    assert browser.get("/account").status_code == 303
    chief.post("/people/disable", data={"name": "anna"})
    assert visitor().post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 401
    chief.post("/people/enable", data={"name": "anna"})
    chief.post("/people/role", data={"name": "anna", "role": "viewer"})
    again = visitor()
    assert again.post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 303
    assert "(viewer)" in again.get("/account").text
    said = [a for a in audited(visitor.context) if a[3] == "chief"]
    assert [a[1] for a in said] == ["110137", "110137", "110137", "110136"]


def test_a_locked_out_person_gets_a_new_password_and_is_in(visitor: Visitors, chief: TestClient) -> None:
    browser = visitor.signed_in("anna", Role.VIEWER)
    for _ in range(5):
        visitor().post("/sign-in", data={"name": "anna", "password": "a wrong one"})
    assert "locked until" in chief.get("/people").text
    password = secret_in(chief.post("/people/reset-password", data={"name": "anna"}).text)
    assert browser.get("/account").status_code == 303
    assert visitor().post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 401
    assert visitor().post("/sign-in", data={"name": "anna", "password": password}).status_code == 303


def test_an_account_of_the_provider_keeps_the_role_and_the_way_in_that_the_provider_gives(
    visitor: Visitors, chief: TestClient
) -> None:
    with visitor.context.ledger.begin() as tx:
        now = visitor.context.clock.now()
        accounts.add(tx, "otto", "viewer", "", subject="https://sso 1", must_change=False, now=now)
    assert chief.post("/people/role", data={"name": "otto", "role": "administrator"}).status_code == 409
    assert chief.post("/people/reset-password", data={"name": "otto"}).status_code == 409
    assert chief.post("/people/disable", data={"name": "otto"}).status_code == 303


def test_what_is_not_there_and_what_is_no_role_is_said(chief: TestClient) -> None:
    assert "There is no account nobody" in chief.post("/people/disable", data={"name": "nobody"}).text
    assert chief.post("/people/role", data={"name": "chief", "role": "owner"}).status_code == 422
    assert chief.post("/people/add", data={"name": "x", "role": "viewer", "full_name": "a\x07b"}).status_code == 409
    assert "evil" not in chief.get("/people?done=<evil>").text


def test_nobody_else_sees_the_list(browser: Callable[[Role], TestClient]) -> None:
    for role in (Role.VIEWER, Role.RADIOLOGIST):
        assert browser(role).get("/people").status_code == 403
        assert 'href="/people"' not in browser(role).get("/account").text


def test_the_command_makes_the_first_administrator_and_mends_what_a_page_cannot(site: Site) -> None:
    def run(*arguments: str) -> tuple[str, str]:
        done = CliRunner().invoke(preread, ["--settings", str(site.settings_file), *arguments])
        return done.stdout, str(done.exception or "")

    assert "no ledger" in run("users", "list")[1]
    made = site.run("users", "add", "Chief", "--role", "administrator")
    assert "chief (administrator); the first password, shown only now: " in made.stdout, made.stderr
    refused = site.run("users", "disable", "chief")
    assert (refused.returncode, "last administrator" in refused.stderr) == (1, True)
    for arguments, words in (
        (("add", "chief", "--role", "viewer"), "already"),
        (("add", "a b", "--role", "viewer"), "cannot be the name"),
        (("role", "chief", "viewer"), "last administrator"),
        (("reset-password", "nobody"), "no account 'nobody'"),
    ):
        assert words in run("users", *arguments)[1], arguments
    for arguments, words in (
        (("add", "second", "--role", "administrator", "--full-name", "Dr. Two"), "first password"),
        (("role", "second", "radiologist"), "is radiologist now"),
        (("disable", "SECOND"), "disabled and signed out"),
        (("enable", "second"), "may sign in"),
        (("reset-password", "second"), "new first password"),
        (("remove-sessions", "second"), "signed out everywhere"),
    ):
        assert words in run("users", *arguments)[0], arguments
    listed = {a["name"]: (a["role"], a["must_change"]) for a in json.loads(run("users", "list", "--json")[0])}
    assert listed == {"chief": ("administrator", True), "second": ("radiologist", True)}
    assert "has to choose a password, has never signed in" in run("users", "list")[0]


def test_the_doctor_says_who_can_sign_in_and_whether_it_is_overheard(context: WebContext, visitor: Visitors) -> None:
    def said(**web: object) -> list[tuple[str, str]]:
        changed = context.settings.web.model_copy(update=web)
        return [(c.what, c.state) for c in pages(context.settings.model_copy(update={"web": changed}))]

    assert said() == [("people", "note")], "nobody yet"
    number = visitor.account("anna", Role.VIEWER)
    assert said() == [("people", "bad")], "nobody who could let others in"
    visitor.account("chief", Role.ADMINISTRATOR)
    assert said() == [("people", "ok")]
    with context.ledger.begin() as tx:
        until = context.clock.now() + timedelta(minutes=5)
        accounts.set_values(tx, number, locked_until=until)
    assert said() == [("people", "note")]
    assert "anna" in pages(context.settings)[0].words
    assert said(host="0.0.0.0")[0] == ("pages", "note")
    assert said(host="0.0.0.0", url="https://preread.test") == [("people", "note")]
    assert said(enabled=False) == [("pages", "note")]
