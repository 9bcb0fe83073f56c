"""Who may look at the pages of the demonstration, and the browser that shows them."""

from __future__ import annotations

import os
import socket
import sys
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass

from agent.clock import SystemClock
from agent.service import open_store
from agent.settings import Settings
from agent.store import accounts
from agent.web.rights import Role
from agent.web.signing.passwords import hashed, new_password


@dataclass(frozen=True, slots=True)
class Known:
    """An account of the demonstration: made anew each time, and gone with its folder."""

    name: str
    password: str


def add_people(settings: Settings) -> tuple[Known, ...]:
    """One who judges drafts and one who mends the site."""
    people = tuple(Known(role.value, new_password()) for role in (Role.RADIOLOGIST, Role.ADMINISTRATOR))
    ledger, _ = open_store(settings)
    with ledger.begin() as tx:
        for one in people:
            accounts.add(tx, one.name, one.name, hashed(one.password), must_change=False, now=SystemClock().now())
    ledger.close()
    return people


def address(settings: Settings) -> str:
    """Where the pages are."""
    return f"http://{settings.web.host}:{settings.web.port}/"


def wait_for_pages(settings: Settings, alive: Callable[[], bool], *, longest_s: float = 60.0) -> bool:
    """Return when somebody listens there; False when the line ends before, or nobody does within that time."""
    deadline = time.monotonic() + longest_s
    while alive() and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((settings.web.host, settings.web.port)) == 0:
                return True
        time.sleep(0.1)
    return False


def show(url: str) -> bool:
    """Open it in the person's browser, if there is one and a screen to show it on."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False  # what would be found is a browser for terminals, which would take this one
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
