"""Whether anybody can sign in to the pages, and whether what they say there crosses the network in the clear."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.clock import SystemClock
from agent.commands.common import existing_store
from agent.doctor.check import Check, tried
from agent.errors import PrereadError
from agent.settings import Settings
from agent.store import accounts
from agent.store.accounts import Account

_FIRST = "preread users add NAME --role administrator"


def pages(settings: Settings) -> Sequence[Check]:
    """The door to the pages, and who has a key."""
    web = settings.web
    if not web.enabled:
        return [Check("pages", "note", "the settings have no web server (web.enabled)")]
    found = []
    if not web.is_private:
        words = (
            f"web.host {web.host} can be reached from elsewhere without HTTPS, so monitors are answered and no pages are shown: "
            "set web.certificate_file, or web.url to that of a proxy with HTTPS"
        )
        found.append(Check("pages", "note", words))
    try:
        ledger, _ = existing_store(settings)
        with ledger.read() as view:
            everybody = accounts.every(view)
        ledger.close()
    except PrereadError:
        return found  # said about the ledger itself
    return [*found, *_people(settings, everybody)]


def provider(settings: Settings) -> Sequence[Check]:
    """The OpenID provider, where the settings name one."""
    from agent.web.signing.oidc_pages import BACK
    from agent.web.signing.provider import Provider

    oidc = settings.web.oidc
    if oidc is None or not settings.web.enabled:
        return []
    asked = Provider(oidc, settings.web.address + BACK, SystemClock())
    return [tried("OpenID provider", asked.probe), tried("OpenID client", lambda: _secret(oidc.client_secret_file))]


def _secret(file: Path | None) -> Check | str:
    from agent.delivery.web import secret

    if file is None:
        return "has no secret: a public client, which PKCE alone protects"
    secret("web.oidc", file)
    return "has its secret; whether it is the right one shows when somebody signs in"


def _people(settings: Settings, everybody: Sequence[Account]) -> list[Check]:
    given = set() if settings.web.oidc is None else set(settings.web.oidc.roles.values())
    able = [a for a in everybody if not a.disabled]
    if not able and not given:
        return [Check("people", "note", f"nobody can sign in to the pages yet; the first: {_FIRST}")]
    if not any(a.role == "administrator" for a in able) and "administrator" not in given:
        return [
            Check("people", "bad", f"no administrator can sign in, so nobody can let others in; make one: {_FIRST}")
        ]
    now = SystemClock().now()
    locked = [a.name for a in able if a.locked_until is not None and a.locked_until > now]
    words = f"{len(able)} can sign in" if able else "whoever the OpenID provider gives a role can sign in"
    if locked:
        words += f"; locked for a while after wrong passwords: {', '.join(locked)} (preread users enable NAME)"
    return [Check("people", "note" if locked else "ok", words)]
