"""The OpenID provider of the site: where it is, which keys it signs with, and what it says of a person who comes back from it.

OpenID Connect Discovery 1.0 and Core 1.0 3.1, with PKCE (RFC 7636), and RP-Initiated Logout 1.0. Nothing is asked of it before
somebody wants to sign in there, so that a provider that is down holds up nobody else.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jwk

from agent.clock import Clock
from agent.delivery.web import WebPlace, secret, unheard
from agent.errors import Permanent, Transient
from agent.sentence import Sentence, sentence
from agent.settings import Oidc
from agent.settings.values import LOOPBACK
from agent.web.signing.id_token import Expected, UnknownKey, claims_of, keys_in
from agent.web.signing.pending import Pending
from dicom_nodes.dicomweb import Reply
from dicom_nodes.scu import NodeError

_KEPT = timedelta(minutes=10)
_SOONEST = timedelta(seconds=30)  # between two looks for a key that is not known
_MOST_BYTES = 1_000_000
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class _Published:
    """What the provider says about itself (Discovery 3)."""

    authorization: str
    token: str
    secret_in_body: bool
    jwks: str
    end_session: str  # empty where it says none that can be used
    keys: tuple[jwk.Key, ...]
    read_at: datetime


class Provider:
    """One provider. `back`: where it sends people, which it has to know of."""

    def __init__(self, oidc: Oidc, back: str, clock: Clock) -> None:
        self._oidc, self._back, self._clock = oidc, back, clock
        self._known: _Published | None = None
        self._looking = threading.Lock()

    def probe(self) -> tuple[Sentence, ...]:
        """What it says of itself. Raises `Transient`: it cannot be used now."""
        found = self._published()
        asked = sentence("provider.asked", issuer=self._oidc.issuer, n=len(found.keys))
        return (asked,) if found.end_session else (asked, sentence("provider.no-end"))

    def address_for(self, pending: Pending) -> str:
        """Where a browser is sent to sign in (Core 3.1.2.1). Raises `Transient`: the provider cannot be used now."""
        found = self._published()
        asked = {
            "response_type": "code", "client_id": self._oidc.client_id, "redirect_uri": self._back,
            "scope": " ".join(self._oidc.scopes), "state": pending.state, "nonce": pending.nonce,
            "code_challenge": pending.challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return _with(found.authorization, asked)

    def sign_out_address(self, language: str) -> str:
        """Where a browser is sent to sign out there, too (RP-Initiated Logout 2); empty where the provider offers no such place.

        No ID token is kept only to be shown there, so that the provider asks the person first, as it must. Nor is it told where to
        send the browser afterwards: it refuses what was not registered with it, and then would sign nobody out.

        Raises `Transient`: the provider cannot be used now.
        """
        end = self._published().end_session
        return _with(end, {"client_id": self._oidc.client_id, "ui_locales": language}) if end else ""

    def claims_for(self, code: str, pending: Pending) -> dict[str, Any]:
        """What the provider says about who has come back with that code.

        Raises:
            Transient: it cannot be used now. Permanent: it refuses the code, or what it says cannot be accepted.
        """
        token = self._exchanged(code, pending)
        expected = Expected(self._oidc.issuer, self._oidc.client_id, pending.nonce)
        try:
            return claims_of(token, self._published().keys, expected, self._clock.now())
        except UnknownKey:
            newest = self._published(newer_than=_SOONEST)
        try:
            return claims_of(token, newest.keys, expected, self._clock.now())
        except UnknownKey as error:
            raise Permanent(
                "the ID token names a key that the provider does not publish", code="provider-answer"
            ) from error

    def _exchanged(self, code: str, pending: Pending) -> str:
        """The ID token for a code (Core 3.1.3)."""
        found, oidc = self._published(), self._oidc
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._back,
            "code_verifier": pending.verifier,
        }  # fmt: skip
        headers = dict(_FORM)
        known = "" if oidc.client_secret_file is None else secret("web.oidc", oidc.client_secret_file).decode()
        if known and not found.secret_in_body:
            pair = f"{quote(oidc.client_id, safe='')}:{quote(known, safe='')}"  # RFC 6749 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": oidc.client_id} | ({"client_secret": known} if known else {})
        reply = self._ask("POST", found.token, urlencode(form).encode(), headers)
        if reply.status in (400, 401, 403):
            said = _object(reply.body).get("error")
            raise Permanent(
                f"the provider refused the code ({reply.status}, {str(said)[:60]}); see client_id and client_secret_file",
                code="provider-refused",
            )
        if reply.status != 200:
            raise _down(f"its token endpoint answered {reply.status}")
        token = _object(reply.body).get("id_token")
        if not isinstance(token, str):
            raise Permanent("the provider's answer holds no ID token", code="provider-answer")
        return token

    def _published(self, newer_than: timedelta = _KEPT) -> _Published:
        with self._looking:
            now = self._clock.now()
            if self._known is None or not timedelta(0) <= now - self._known.read_at < newer_than:
                self._known = self._look(now)
            return self._known

    def _look(self, now: datetime) -> _Published:
        about = self._json(self._oidc.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if about.get("issuer") != self._oidc.issuer:
            raise _down("it calls itself another issuer than web.oidc.issuer, which must be the same to the letter")
        places = {key: self._endpoint(about, key) for key in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
        ways = about.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        keys = keys_in(self._json(places["jwks_uri"]))
        if not keys:
            raise _down("it publishes no key that signatures could be verified with")
        return _Published(
            places["authorization_endpoint"], places["token_endpoint"], "client_secret_basic" not in ways,
            places["jwks_uri"], self._end_session(about), keys, now,
        )  # fmt: skip

    def _end_session(self, about: dict[str, Any]) -> str:
        """That it is missing, or cannot be used, keeps nobody from signing in."""
        try:
            return self._endpoint(about, "end_session_endpoint")
        except Transient:
            return ""

    def _endpoint(self, about: dict[str, Any], key: str) -> str:
        found = about.get(key)
        parts = urlsplit(found) if isinstance(found, str) else None
        if parts is None or not parts.hostname or parts.scheme not in ("http", "https"):
            raise _down(f"it does not say its {key}")
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise _down(f"its {key} is not https")
        return str(found)

    def _json(self, url: str) -> dict[str, Any]:
        reply = self._ask("GET", url, b"", {"Accept": "application/json"})
        if reply.status != 200:
            raise _down(f"{url} answered {reply.status}")
        return _object(reply.body)

    def _ask(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Reply:
        place = WebPlace("the OpenID provider", url, self._oidc.timeout_s, ca_file=self._oidc.ca_file)
        # The client takes a slash at the end of its URL away, and some providers insist on theirs.
        path = "/" if url.endswith("/") else ""
        with place.service() as service:
            try:
                return service.exchange(method, path, body, headers, deadline=place.deadline(), most_bytes=_MOST_BYTES)
            except NodeError as error:
                raise unheard(error) from error


def _with(address: str, asked: dict[str, str]) -> str:
    """An address of the provider, which may have a query of its own, with what it is asked."""
    joint = "&" if urlsplit(address).query else "?"
    return f"{address}{joint}{urlencode(asked)}"


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _down("its answer is not JSON") from error
    if not isinstance(found, dict):
        raise _down("its answer is no JSON object")
    return found


def _down(what: str) -> Transient:
    return Transient(f"the OpenID provider cannot be used: {what}", code="provider-down")
