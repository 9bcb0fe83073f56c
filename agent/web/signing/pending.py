"""A sign-in that is on its way to the OpenID provider and back: bound to the browser that began it, and kept nowhere but there.

The browser holds one secret in a cookie. State, nonce and PKCE verifier are derived from it: an answer that comes back with another
state was not asked for by this browser, and a code or an ID token that was made for another browser does not fit.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from fastapi import Request, Response

from agent.settings import Web
from agent.web.signing.inside import inside

_NAME = "preread_oidc"
_LASTS_S = 600


@dataclass(frozen=True, slots=True)
class Pending:
    """One sign-in. `next`: where the person wanted to go."""

    secret: str
    next: str

    @classmethod
    def begun(cls, next: str) -> Pending:
        return cls(secrets.token_urlsafe(32), inside(next))

    @property
    def state(self) -> str:
        """RFC 6749 10.12."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """OpenID Connect Core 15.5.2."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """RFC 7636 4.1: 43 characters."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """RFC 7636 4.2, S256."""
        return _plain(hashlib.sha256(self.verifier.encode("ascii")).digest())

    def is_answered_by(self, state: str) -> bool:
        """Whether that state came from this sign-in."""
        return hmac.compare_digest(self.state.encode("ascii"), state.encode("utf-8", "replace"))

    def _derived(self, what: str) -> str:
        return _plain(hmac.digest(self.secret.encode("ascii"), what.encode("ascii"), "sha256"))


def remember(answer: Response, pending: Pending, web: Web) -> None:
    """In the browser, for as long as it takes to sign in elsewhere. Lax: the provider's page leads back here."""
    value = f"{pending.secret}.{_plain(pending.next.encode('ascii'))}"
    answer.set_cookie(
        _cookie(web), value, max_age=_LASTS_S, httponly=True, samesite="lax", secure=web.is_https, path="/"
    )


def remembered(request: Request, web: Web) -> Pending | None:
    """What that browser has begun; None when it has not, or too long ago."""
    secret, _, target = request.cookies.get(_cookie(web), "").partition(".")
    if not secret.isascii() or len(secret) < 43:
        return None
    try:
        wanted = base64.urlsafe_b64decode(target + "=" * (-len(target) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        wanted = "/"
    return Pending(secret, inside(wanted))


def forget(answer: Response, web: Web) -> None:
    """It can be answered once."""
    answer.delete_cookie(_cookie(web), path="/", secure=web.is_https, httponly=True, samesite="lax")


def _cookie(web: Web) -> str:
    return f"__Host-{_NAME}" if web.is_https else _NAME


def _plain(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
