"""Tokens of programs: what they open, what they do not, and when they stop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from agent.store import tokens
from agent.store.schema import api_token
from agent.web.context import WebContext
from agent.web.rights import Role
from agent.web.signing.tokens import new_token


@pytest.fixture
def made(context: WebContext) -> Callable[..., str]:
    """Makes tokens."""

    def of(role: Role = Role.VIEWER, *, name: str = "ris", days: float = 1) -> str:
        token, now = new_token(), context.clock.now()
        with context.ledger.begin() as tx:
            tokens.add(tx, token, name, role, made_by="", expires_at=now + timedelta(days=days), now=now)
        return token

    return of


def ask(client: TestClient, token: str, path: str = "/api/v1/system") -> int:
    return client.get(path, headers={b"Authorization": f"Bearer {token}".encode(), b"Accept": b"*/*"}).status_code


def test_a_token_opens_the_interface(visitor: Callable[[], TestClient], made: Callable[..., str]) -> None:
    assert ask(visitor(), made()) == 200


def test_a_token_that_ended_or_was_revoked_opens_nothing(
    context: WebContext, visitor: Callable[[], TestClient], made: Callable[..., str]
) -> None:
    assert ask(visitor(), made(name="ended", days=-0.001)) == 401
    token = made(name="lost")
    assert ask(visitor(), token) == 200
    with context.ledger.begin() as tx:
        assert tokens.revoke(tx, "lost", now=context.clock.now())
    assert ask(visitor(), token) == 401


@pytest.mark.parametrize("wrong", ["", "preread_nothing", "x" * 5000, "\N{SNOWMAN}"])
def test_what_is_no_token_opens_nothing(
    visitor: Callable[[], TestClient], made: Callable[..., str], wrong: str
) -> None:
    made()
    assert ask(visitor(), wrong) == 401


def test_no_token_opens_a_page(visitor: Callable[[], TestClient], made: Callable[..., str]) -> None:
    assert ask(visitor(), made(Role.ADMINISTRATOR), "/") == 401


def test_a_wrong_token_is_refused_whoever_is_signed_in_beside_it(browser: Callable[[Role], TestClient]) -> None:
    client = browser(Role.ADMINISTRATOR)
    assert client.get("/api/v1/system").status_code == 200
    assert ask(client, "preread_nothing") == 401


def test_a_refusal_says_how_to_come_in(visitor: Callable[[], TestClient]) -> None:
    refused = visitor().get("/api/v1/system")
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert refused.json()["error"]["code"] == "not-signed-in"
    assert "preread tokens add" in refused.json()["error"]["message"]


def test_the_ledger_holds_no_token(context: WebContext, made: Callable[..., str]) -> None:
    token = made()
    with context.ledger.read() as view:
        (row,) = view.execute(select(api_token)).all()
    assert token not in repr(row)


def test_when_a_token_was_used_last_is_known(
    context: WebContext, visitor: Callable[[], TestClient], made: Callable[..., str]
) -> None:
    token = made()
    with context.ledger.read() as view:
        assert tokens.every(view)[0].seen_at is None
    ask(visitor(), token)
    with context.ledger.read() as view:
        assert tokens.every(view)[0].seen_at is not None
