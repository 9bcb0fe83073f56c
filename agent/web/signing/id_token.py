"""An ID token, verified: OpenID Connect Core 3.1.3.7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from agent.errors import Permanent

# Signatures that only the provider can make: nothing whose key this program has, too, and never "none".
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
LEEWAY_S = 60
_OLDEST_S = 600  # it was asked for within the last minutes
_TYPES = {"R": "RSA", "P": "RSA", "E": "EC"}


class UnknownKey(Exception):
    """Signed with a key that is not among those known: perhaps a newer one."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must say."""

    issuer: str
    client_id: str
    nonce: str


def keys_in(published: Mapping[str, Any]) -> tuple[jwk.Key, ...]:
    """The keys of a JWK Set (RFC 7517 5) that signatures can be verified with; others are passed over."""
    listed = published.get("keys")
    found = []
    for one in listed if isinstance(listed, list) else []:
        if not isinstance(one, dict) or one.get("kty") not in ("RSA", "EC", "OKP") or one.get("use", "sig") != "sig":
            continue
        try:
            found.append(jwk.import_key(one, one["kty"]))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return tuple(found)


def claims_of(token: str, keys: Sequence[jwk.Key], expected: Expected, now: datetime) -> dict[str, Any]:
    """What the token says about a person, once it is certain that the provider says it, to us, now, about this sign-in.

    Raises:
        UnknownKey: none of the keys is the one it names. Permanent: it cannot be accepted; the words say what was wrong.
    """
    header = _header(token)
    named = header.get("kid")
    candidates = [k for k in keys if (named is None or k.kid == named) and _is_for(k, str(header["alg"]))]
    if not candidates:
        raise UnknownKey
    verified = _verified(token, candidates)
    _check(verified, expected, int(now.timestamp()))
    return verified


def _header(token: str) -> dict[str, Any]:
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
    except (JoseError, ValueError) as error:
        raise _unacceptable("is no signed JSON Web Token") from error
    if header.get("alg") not in ALGORITHMS:
        raise _unacceptable(f"is signed with {str(header.get('alg'))[:20]!r}, which is not accepted")
    return header


def _is_for(key: jwk.Key, algorithm: str) -> bool:
    kind = "OKP" if algorithm.startswith("Ed") else _TYPES[algorithm[0]]
    return key.key_type == kind and key.get("alg") in (None, algorithm)


def _verified(token: str, candidates: Sequence[jwk.Key]) -> dict[str, Any]:
    for key in candidates:
        try:
            return jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError):
            continue
    raise _unacceptable("has a signature that the provider's key did not make")


def _check(claims: dict[str, Any], expected: Expected, now: int) -> None:
    rules = jwt.JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY_S,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        nonce={"essential": True, "value": expected.nonce},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        rules.validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        raise _unacceptable(f"does not say what it must ({str(error)[:100]})") from error
    if claims["iat"] < now - _OLDEST_S - LEEWAY_S:
        raise _unacceptable("was made too long ago")
    many = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (many or "azp" in claims) and claims.get("azp") != expected.client_id:
        raise _unacceptable("was made for another program (azp)")
    if not isinstance(claims["nonce"], str) or not 0 < len(str(claims["sub"])) <= 255:
        raise _unacceptable("has a nonce or sub that cannot be one")


def _unacceptable(what: str) -> Permanent:
    return Permanent(f"the ID token {what}", code="provider-answer")
