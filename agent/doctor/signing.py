"""Whether anybody can sign in to the pages, and whether what they say there crosses the network in the clear."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.clock import SystemClock
from agent.commands.common import existing_store
from agent.doctor.check import Check, finding, tried
from agent.errors import PrereadError
from agent.sentence import Sentence, sentence
from agent.settings import Settings
from agent.store import accounts
from agent.store.accounts import Account

_FIRST = "preread users add NAME --role administrator"


def pages(settings: Settings) -> Sequence[Check]:
    """The door to the pages, and who has a key."""
    web = settings.web
    if not web.enabled:
        return [finding("pages", "note", sentence("pages.none"))]
    found = []
    if not web.is_private:
        found.append(finding("pages", "note", sentence("pages.overheard", host=web.host)))
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


def _secret(file: Path | None) -> tuple[Sentence, ...]:
    from agent.delivery.web import secret

    if file is None:
        return (sentence("provider.public"),)
    secret("web.oidc", file)
    return (sentence("provider.secret"),)


def _people(settings: Settings, everybody: Sequence[Account]) -> list[Check]:
    given = set() if settings.web.oidc is None else set(settings.web.oidc.roles.values())
    able = [a for a in everybody if not a.disabled]
    if not able and not given:
        return [finding("people", "note", sentence("people.nobody"), command=_FIRST)]
    if not any(a.role == "administrator" for a in able) and "administrator" not in given:
        return [finding("people", "bad", sentence("people.no-administrator"), command=_FIRST)]
    now = SystemClock().now()
    locked = [a.name for a in able if a.locked_until is not None and a.locked_until > now]
    can = sentence("people.some", n=len(able)) if able else sentence("people.of-provider")
    if locked:
        out = sentence("people.locked", names=", ".join(locked))
        return [finding("people", "note", can, out, command="preread users enable NAME")]
    return [finding("people", "ok", can)]
