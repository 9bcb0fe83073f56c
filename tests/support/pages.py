"""The application in this process, over a ledger of its own, and browsers that look at it."""

from __future__ import annotations

import secrets
from pathlib import Path
from xml.etree.ElementTree import fromstring

from starlette.testclient import TestClient

from agent.clock import Clock, SystemClock
from agent.settings import Settings, Web
from agent.settings.line import Storage
from agent.store import accounts, audit, sessions
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


def site_at(root: Path, web: Web | None = None, clock: Clock | None = None) -> WebContext:
    """An empty site."""
    settings = Settings(storage=Storage(root=root), web=web or Web(url=ORIGIN))
    files = FileStore(root, 0)
    files.prepare()
    ledger = Ledger(settings.database_url)
    ledger.create()
    return WebContext(settings, ledger, files, clock or SystemClock())


class Visitors:
    """Makes browsers of nobody, and of people with an account."""

    def __init__(self, context: WebContext) -> None:
        self.context, self._app = context, make_app(context)
        self._app.state.live.close()  # the client collects whole answers: a stream says what there is, and ends

    def __call__(self) -> TestClient:
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
        origin = self.context.settings.web.url or ORIGIN
        return TestClient(self._app, base_url=origin, headers=headers, follow_redirects=False)

    def account(self, name: str, role: Role, *, must_change: bool = False) -> int:
        """An account with `PASSWORD`, made where there is none; its number."""
        with self.context.ledger.begin() as tx:
            found = accounts.by_name(tx, name)
            if found is not None:
                return found.id
            return accounts.add(tx, name, role, _HASH, must_change=must_change, now=self.context.clock.now())

    def signed_in(self, name: str, role: Role, *, must_change: bool = False) -> TestClient:
        """A browser with a session that the ledger knows: a password takes its time."""
        account = self.account(name, role, must_change=must_change)
        token = secrets.token_urlsafe(32)
        with self.context.ledger.begin() as tx:
            sessions.begin(tx, token, account, "testclient", now=self.context.clock.now())
        client = self()
        client.cookies.set(cookie_name(self.context.settings.web), token)
        return client


def audited(context: WebContext) -> list[tuple[str, str, str, str]]:
    """Event, type, outcome and first participant of every audit message."""
    with context.ledger.read() as view:
        messages = [fromstring(r.message) for r in audit.rows(view)]
    found = []
    for message in messages:
        event, kind = message.find(".//EventID"), message.find(".//EventTypeCode")
        outcome, who = message.find("EventIdentification"), message.find("ActiveParticipant")
        assert event is not None and outcome is not None and who is not None
        found.append(
            (
                event.get("csd-code", ""),
                "" if kind is None else kind.get("csd-code", ""),
                outcome.get("EventOutcomeIndicator", ""),
                who.get("UserID", ""),
            )
        )
    return found
