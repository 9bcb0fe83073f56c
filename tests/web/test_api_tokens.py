"""Tokens of programs: what they open, what they do not, and when they stop."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select
from starlette.testclient import TestClient

from agent.cli import preread
from agent.errors import Permanent
from agent.store import tokens
from agent.store.schema import api_token, audit
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


def test_an_administrator_makes_a_token_that_is_shown_once_and_takes_it_back(
    context: WebContext, browser: Callable[[Role], TestClient], visitor: Callable[[], TestClient]
) -> None:
    it = browser(Role.ADMINISTRATOR)
    made = it.post("/tokens/add", data={"name": "ris <b>bridge</b>", "role": "viewer", "days": "30"}).text
    found = re.search(r"preread_[\w-]{43}", made)
    assert found is not None
    assert "<b>bridge" not in made
    assert found[0] not in it.get("/tokens").text
    assert ask(visitor(), found[0]) == 200
    assert it.post("/tokens/add", data={"name": "ris <b>bridge</b>", "role": "viewer"}).status_code == 409
    assert it.post("/tokens/revoke", data={"name": "ris <b>bridge</b>"}).status_code == 303
    assert ask(visitor(), found[0]) == 401
    with context.ledger.read() as view:
        trail = " ".join(view.execute(select(audit.c.message)).scalars())
    for action in (b"token-viewer", b"token-revoked"):  # PS3.15 A.5.3.11 has it encoded
        assert base64.b64encode(action).decode() in trail
    assert found[0] not in trail
    assert "token:ris" in trail, "not an account that may be called the same"


def test_a_token_is_made_listed_and_revoked_at_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'[storage]\nroot = "{tmp_path}"\n')

    def command(*words: str) -> Result:
        return CliRunner().invoke(preread, ["--settings", str(file), "tokens", *words])

    made = json.loads(command("add", "pacs", "--role", "administrator", "--days", "7", "--json").output)
    assert made["token"].startswith("preread_")
    listed = json.loads(command("list", "--json").output)
    assert [(t["name"], t["role"], t["counts"]) for t in listed] == [("pacs", "administrator", True)]
    assert made["token"] not in command("list").output
    assert command("revoke", "pacs").exit_code == 0
    assert json.loads(command("list", "--json").output)[0]["counts"] is False
    again = command("revoke", "pacs")
    assert isinstance(again.exception, Permanent)
    assert again.exception.code == "no-such-token"
