"""The application in this process, over a ledger of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from agent.clock import SystemClock
from agent.settings import Settings, Web
from agent.settings.line import Storage
from agent.store import accounts, sessions
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.web.app import make_app
from agent.web.context import WebContext
from agent.web.rights import Role
from agent.web.signing.passwords import hashed
from agent.web.signing.session import cookie_name

ORIGIN = "http://preread.test"
PASSWORD = "correct horse battery staple"
_HASH = hashed(PASSWORD)


@pytest.fixture
def context(tmp_path: Path) -> WebContext:
    """An empty site."""
    settings = Settings(storage=Storage(root=tmp_path), web=Web(url=ORIGIN))
    files = FileStore(tmp_path, 0)
    files.prepare()
    ledger = Ledger(settings.database_url)
    ledger.create()
    return WebContext(settings, ledger, files, SystemClock())


@pytest.fixture
def visitor(context: WebContext) -> Callable[[], TestClient]:
    """Makes browsers of nobody."""
    app = make_app(context)
    app.state.live.close()  # the client collects whole answers: a stream says what there is, and ends

    def made() -> TestClient:
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
        return TestClient(app, base_url=ORIGIN, headers=headers, follow_redirects=False)

    return made


@pytest.fixture
def browser(context: WebContext, visitor: Callable[[], TestClient]) -> Callable[[Role], TestClient]:
    """Makes browsers of somebody who has signed in: with a session that the ledger knows, for a password takes its time."""

    def made(role: Role) -> TestClient:
        token, now = secrets.token_urlsafe(32), context.clock.now()
        with context.ledger.begin() as tx:
            if accounts.by_name(tx, role.value) is None:
                accounts.add(tx, role.value, role, _HASH, must_change=False, now=now)
            account = accounts.by_name(tx, role.value)
            assert account is not None
            sessions.begin(tx, token, account.id, "testclient", now=now)
        client = visitor()
        client.cookies.set(cookie_name(context.settings.web), token)
        return client

    return made
