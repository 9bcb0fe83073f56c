"""An OpenID provider on loopback: discovery, keys, authorization with PKCE, token endpoint. It checks what it is asked as a real one
does, and says something wrong about people when it is told to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

CLIENT, SECRET = "preread", "s3cret/with+signs"


@dataclass(frozen=True)
class _Code:
    challenge: str
    nonce: str
    redirect_uri: str


class OidcProvider:
    """`person`: claims about who signs in there. `spoil`: changes header and claims of the next ID token before it is signed."""

    def __init__(self) -> None:
        self.key: Key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.published: list[Key] = [self.key, RSAKey.generate_key(2048, {"kid": "for-others", "use": "enc"})]
        self.algorithm = "RS256"
        self.person: dict[str, Any] = {"sub": "4711", "preferred_username": "anna", "name": "Dr. Anna Muster"}
        self.spoil: Callable[[dict[str, Any], dict[str, Any]], None] = lambda header, claims: None
        self.about: dict[str, Any] = {}
        self.refuses_person, self.status, self.asked = False, 200, 0
        self._codes: dict[str, _Code] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}/realms/radiology"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def sign_in(self, address: str) -> str:
        """What a browser does that was sent here, and a person who signs in: the address that it is sent back to."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["response_type"] == "code" and asked["client_id"] == CLIENT, asked
        assert "openid" in asked["scope"].split() and asked["code_challenge_method"] == "S256", asked
        if self.refuses_person:
            return f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        code = secrets.token_urlsafe()
        self._codes[code] = _Code(asked["code_challenge"], asked["nonce"], asked["redirect_uri"])
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def answer(self, method: str, path: str, body: str, authorization: str) -> tuple[int, dict[str, Any]]:
        self.asked += 1
        if self.status != 200:
            return self.status, {}
        if path.endswith("/.well-known/openid-configuration"):
            return 200, self._configuration()
        if path.endswith("/keys"):
            return 200, dict(KeySet(self.published).as_dict(private=False))
        if path.endswith("/token/") and method == "POST":
            return self._token(dict(parse_qsl(body)), authorization)
        return 404, {}

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token/",
            "jwks_uri": f"{self.issuer}/keys",
        } | self.about

    def _token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if not _is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or form.get("redirect_uri") != code.redirect_uri or form["grant_type"] != "authorization_code":
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
            return 400, {"error": "invalid_grant", "error_description": "PKCE"}
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": self._id_token(code)}

    def _id_token(self, code: _Code) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": code.nonce} | self.person
        header: dict[str, Any] = {"alg": self.algorithm, "kid": self.key.kid}
        self.spoil(header, claims)
        if header["alg"] in ("none", "HS256"):
            return self._forged(header, claims)
        return jwt.encode(header, claims, self.key, algorithms=[header["alg"]])

    def _forged(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Without a signature, or with one that the public key is the secret of: what no library would make."""
        signed = b".".join(_plain(json.dumps(part).encode()) for part in (header, claims))
        public = self.key.as_pem(private=False)  # type: ignore[union-attr]
        signature = b"" if header["alg"] == "none" else hmac.digest(public, signed, "sha256")
        return (signed + b"." + _plain(signature)).decode()

    def turn_to_elliptic_curves(self) -> None:
        """Another key, of another kind, published beside the old one."""
        self.key = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
        self.published = [*self.published, self.key]
        self.algorithm = "ES256"


def _plain(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _is_client(form: dict[str, str], authorization: str) -> bool:
    if authorization.startswith("Basic "):
        name, _, word = base64.b64decode(authorization[6:]).decode().partition(":")
        return (unquote(name), unquote(word)) == (CLIENT, SECRET)
    return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)


def _handler(provider: OidcProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            status, said = provider.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            return

    return Handler
