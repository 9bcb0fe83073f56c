"""The pages on a real port, served from this process: nothing of the line runs beside them, so a test says what happens and when."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from agent.keeping.projector import Projector
from agent.settings import Oidc, PeerSettings, Web
from agent.store import accounts, sessions
from agent.web.rights import Role
from agent.web.server import WebServer
from agent.web.signing.session import cookie_name
from tests.support.browsing import Window
from tests.support.pages import site_at
from tests.support.site import PATIENCE_S, free_port
from tests.support.worklists import SetClock, Worklist


class OpenSite:
    """Studies come and are followed at the test's word; the server can be stopped, and started again on the same port."""

    def __init__(self, root: Path, peers: Sequence[PeerSettings] = (), oidc: Oidc | None = None) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        made = site_at(root, Web(port=port, url=self.address, oidc=oidc))
        self.context = replace(made, settings=made.settings.model_copy(update={"peers": tuple(peers)}))
        self.line = Worklist(self.context.ledger, SetClock(self.context.clock.now()))
        self.projector = Projector(self.context.ledger, self.context.clock, threading.Event())
        self.projector.catch_up()
        self.start()

    def start(self) -> None:
        self._stop = threading.Event()
        self._server = WebServer(self.context, self._stop, lambda: None)
        self._server.start()

    def stop(self) -> None:
        """As a restart of the office: what only its memory holds is gone."""
        self._stop.set()
        self._server.join(PATIENCE_S)

    def arrive(self, uid: str, **about: str) -> None:
        """A study, and the worklist follows."""
        self.line.arrive(uid, **about)
        self.projector.follow()

    def ago(self, time: timedelta) -> None:
        """What comes from now on came so long ago."""
        self.line.clock.time = self.context.clock.now() - time

    def let_in(self, window: Window, role: Role = Role.RADIOLOGIST) -> None:
        """The browser has a session."""
        token, now = secrets.token_urlsafe(32), self.context.clock.now()
        with self.context.ledger.begin() as tx:
            found = accounts.by_name(tx, role.value)
            number = found.id if found else accounts.add(tx, role.value, role, "", must_change=False, now=now)
            sessions.begin(tx, token, number, "127.0.0.1", now=now)
        window.context.add_cookies(
            [{"name": cookie_name(self.context.settings.web), "value": token, "url": self.address}]
        )
