"""Signing in with a password: whoever may comes in, and whoever may not learns nothing and cannot keep others out for ever."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from math import inf

import pytest
import time_machine
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from agent.store import accounts, attempts, audit
from agent.store.accounts import Account
from agent.web.context import WebContext
from agent.web.rights import Role
from agent.web.signing.lockout import BRAKE_AFTER, BRAKE_TIME, FREE, counted_as, lock_after
from agent.web.signing.names import account_name, folded, name_from
from agent.web.signing.passwords import fits, hashed, new_password
from agent.web.signing.policy import why_not
from tests.support.pages import PASSWORD, Visitors, audited

WRONG = "not the right horse"


def try_in(browser: TestClient, name: str, password: str = PASSWORD, **more: str) -> int:
    return browser.post("/sign-in", data={"name": name, "password": password, **more}).status_code


def the_account(context: WebContext, name: str = "anna") -> Account:
    with context.ledger.read() as view:
        found = accounts.by_name(view, name)
    assert found is not None
    return found


def later(**what: float) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) + timedelta(**what))


def test_a_person_with_the_password_comes_in_and_goes_out_again(visitor: Visitors) -> None:
    visitor.account("anna", Role.RADIOLOGIST)
    browser = visitor()
    sent = browser.post("/sign-in", data={"name": " Anna ", "password": PASSWORD, "next": "/account?done="})
    assert (sent.status_code, sent.headers["location"]) == (303, "/account?done=")
    cookie = sent.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie
    assert browser.get("/account").status_code == 200
    assert browser.post("/sign-out").headers["location"] == "/sign-in"
    assert browser.get("/account").status_code == 303
    assert audited(visitor.context) == [
        ("110114", "110122", "0", "anna"),
        ("110114", "110123", "0", "anna"),
    ]


def test_nobody_learns_which_names_there_are(visitor: Visitors) -> None:
    """The same words, the same status, and the same time, but for what the page repeats to nobody."""
    for name in ("anna", "gone", "locked"):
        visitor.account(name, Role.VIEWER)
    with visitor.context.ledger.begin() as tx:
        accounts.set_values(tx, the_account(visitor.context, "gone").id, disabled=True)
        until = datetime.now(UTC) + timedelta(hours=1)
        accounts.set_values(tx, the_account(visitor.context, "locked").id, locked_until=until)
    tried = {"anna": WRONG, "nobody": WRONG, "gone": PASSWORD, "locked": PASSWORD}
    answers, took = set(), dict.fromkeys(tried, inf)
    for _ in range(4):  # by turns: what else the machine does is not held against one of them
        for name, password in tried.items():
            began = time.perf_counter()
            answer = visitor().post("/sign-in", data={"name": name, "password": password})
            took[name] = min(took[name], time.perf_counter() - began)
            answers.add((answer.status_code, answer.text, "set-cookie" in answer.headers))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401
    assert min(took.values()) > 0.25 * max(took.values()), took


def test_wrong_passwords_lock_for_a_while_and_then_longer_and_never_for_ever(visitor: Visitors) -> None:
    visitor.account("anna", Role.VIEWER)
    assert [try_in(visitor(), "anna", WRONG) for _ in range(FREE)] == [401] * FREE
    assert try_in(visitor(), "anna") == 401, "locked, even for the right one"
    assert audited(visitor.context)[FREE - 1 : FREE + 1] == [
        ("110114", "110122", "8", "anna"),
        ("110113", "110137", "4", "unknown"),
    ]
    with later(seconds=61):
        assert try_in(visitor(), "anna", WRONG) == 401
    with later(seconds=61 + 90):
        assert try_in(visitor(), "anna") == 401, "two minutes now"
    with later(seconds=61 + 121):
        assert try_in(visitor(), "anna") == 303
    assert the_account(visitor.context).failures == 0


def test_a_lock_outlives_a_restart_and_trying_does_not_make_it_longer(visitor: Visitors) -> None:
    visitor.account("anna", Role.VIEWER)
    for _ in range(FREE):
        try_in(visitor(), "anna", WRONG)
    until = the_account(visitor.context).locked_until
    again = Visitors(visitor.context)
    assert [try_in(again(), "anna", WRONG) for _ in range(3)] == [401] * 3
    assert the_account(visitor.context).locked_until == until


def test_many_at_once_are_no_more_than_many_in_a_row(visitor: Visitors) -> None:
    visitor.account("anna", Role.VIEWER)
    browsers = [visitor() for _ in range(FREE + 4)]
    with ThreadPoolExecutor(len(browsers)) as pool:
        assert set(pool.map(lambda b: try_in(b, "anna", WRONG), browsers)) == {401}
    assert the_account(visitor.context).failures == FREE, "after the lock, nothing is looked at any more"


def test_a_right_password_forgives_the_wrong_ones_before(visitor: Visitors) -> None:
    visitor.account("anna", Role.VIEWER)
    for _ in range(FREE - 1):
        try_in(visitor(), "anna", WRONG)
    assert try_in(visitor(), "anna") == 303
    assert try_in(visitor(), "anna", WRONG) == 401
    assert the_account(visitor.context).failures == 1


def test_an_address_that_tries_too_often_is_braked_and_let_go_again(visitor: Visitors) -> None:
    visitor.account("anna", Role.VIEWER)
    now = datetime.now(UTC)
    with visitor.context.ledger.begin() as tx:
        for _ in range(BRAKE_AFTER - 1):
            attempts.count(tx, "testclient", since=now - BRAKE_TIME, now=now)
    assert [try_in(visitor(), f"guess-{n}", WRONG) for n in range(3)] == [401, 429, 429]
    shown = visitor().post("/sign-in", data={"name": "anna", "password": PASSWORD})
    assert (shown.status_code, "Wait ten minutes" in shown.text) == (429, True)
    assert [a[:2] for a in audited(visitor.context)] == [("110114", "110122"), ("110113", "110126")], "said once"
    with later(minutes=11):
        assert try_in(visitor(), "anna") == 303


def test_who_signs_in_all_day_is_not_braked(visitor: Visitors) -> None:
    visitor.account("anna", Role.VIEWER)
    assert {try_in(visitor(), "anna") for _ in range(3)} == {303}
    with visitor.context.ledger.read() as view:
        assert attempts.so_far(view, "testclient", since=datetime.now(UTC) - BRAKE_TIME) == 0


def test_a_password_typed_as_a_name_is_written_nowhere(visitor: Visitors) -> None:
    try_in(visitor(), "Hunter2-my-password", WRONG)
    with visitor.context.ledger.read() as view:
        assert "unter2" not in "".join(r.message for r in audit.rows(view))


def test_a_password_hashed_with_older_parameters_is_hashed_anew(visitor: Visitors) -> None:
    number = visitor.account("anna", Role.VIEWER)
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with visitor.context.ledger.begin() as tx:
        accounts.set_values(tx, number, password_hash=old)
    assert try_in(visitor(), "anna") == 303
    assert "m=65536,t=3,p=4" in the_account(visitor.context).password_hash
    assert try_in(visitor(), "anna") == 303


def test_a_hash_that_is_none_lets_nobody_in(visitor: Visitors) -> None:
    number = visitor.account("anna", Role.VIEWER)
    for kept in ("", PASSWORD, "$argon2id$v=19$m=65536,t=3,p=4$", "$2b$12$abcdefghijklmnopqrstuv"):
        with visitor.context.ledger.begin() as tx:
            accounts.set_values(tx, number, password_hash=kept)
        assert try_in(visitor(), "anna", kept or PASSWORD) == 401, kept


def test_a_password_is_the_same_however_a_keyboard_writes_it() -> None:
    assert fits(hashed("Sch\u00e4del-Basis-\u2126"), "Scha\u0308del-Basis-\u03a9")
    assert not fits(hashed("straight A lines"), "straight a lines")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "too-short"),
        ("e\u0301" * 11, "too-short"),
        ("x" * 1025, "too-long"),
        ("Anna.Muster-2026", "name-in-it"),
        ("anna.musteranna.muster", "name-in-it"),
        ("Password 1234", "too-common"),
        ("aaaaaaaaaaaaaaaa", "too-common"),
        ("Willkommen123", "too-common"),
        ("a lung is not a liver", ""),
        ("anna.muster rides a blue bicycle", ""),
        ("            x            y z w v", ""),
        ("\u80ba" * 6 + "\u5f71\u50cf\u8a3a\u65ad\u79d1\u5b66", ""),
    ],
)
def test_a_password_is_judged_by_length_and_by_what_is_guessed_first(password: str, why: str) -> None:
    assert why_not(password, "anna.muster") == why


def test_a_first_password_may_be_chosen_and_is_never_the_same() -> None:
    made = {new_password() for _ in range(50)}
    assert len(made) == 50
    assert {why_not(one, "anna") for one in made} == {""}


@given(st.integers(0, 10_000))
def test_locks_grow_and_end(failures: int) -> None:
    assert lock_after(failures) <= lock_after(failures + 1) <= timedelta(hours=1)
    assert (lock_after(failures) > timedelta(0)) == (failures >= FREE)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_one_subscriber_is_one_address(address: str, counted: str) -> None:
    assert counted_as(address) == counted


@given(st.text(max_size=200))
def test_whatever_a_provider_calls_somebody_an_account_may_be_called(claimed: str) -> None:
    name = name_from(claimed)
    assert not name or account_name(name) == name
    assert folded(name) == name
