"""Signing in through an OpenID provider of the site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from agent.settings.types import Frozen, Line, OptionalPath
from agent.settings.values import LOOPBACK, check_http_url


def _issuer(value: str) -> str:
    found = check_http_url(
        value,
        example="https://sso.hospital/realms/radiology",
        instead="the client's secret belongs in client_secret_file",
    )
    parts = urlsplit(found)
    if parts.scheme != "https" and (parts.hostname or "") not in LOOPBACK:
        raise ValueError("must be https: who answers for this site's people must be known by its certificate")
    return found


def _scopes(value: tuple[str, ...]) -> tuple[str, ...]:
    if "openid" not in value:
        raise ValueError('must hold "openid", without which no provider says who somebody is')
    return value


Scope = Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$", max_length=128)]  # RFC 6749 3.3
SiteRole = Literal["viewer", "radiologist", "administrator"]


class Oidc(Frozen):
    """OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636)."""

    name: Annotated[Line, Field(min_length=1, max_length=64)] = "OpenID"
    issuer: Annotated[str, AfterValidator(_issuer), Field(max_length=300)]
    client_id: Annotated[Line, Field(min_length=1, max_length=255)]
    client_secret_file: OptionalPath = None
    scopes: Annotated[tuple[Scope, ...], AfterValidator(_scopes)] = ("openid", "profile")
    role_claim: Annotated[Line, Field(min_length=1, max_length=255)] = "roles"
    roles: Annotated[dict[str, SiteRole], Field(min_length=1)]
    name_claim: Annotated[Line, Field(min_length=1, max_length=255)] = "preferred_username"
    ca_file: OptionalPath = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0

    @model_validator(mode="after")
    def _belongs_together(self) -> Oidc:
        if self.ca_file is not None and not self.issuer.startswith("https:"):
            raise ValueError("ca_file: the issuer is not https, so no certificate is ever looked at")
        return self

    def beside(self, base: Path) -> Oidc:
        """With relative paths meaning: relative to that folder."""
        files = {key: getattr(self, key) for key in ("client_secret_file", "ca_file")}
        return self.model_copy(update={k: base / f.expanduser() for k, f in files.items() if f is not None})
