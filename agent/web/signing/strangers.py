"""People whom the OpenID provider knows, and their accounts here.

An account is bound to issuer and `sub`, which the provider never gives to anybody else, and never to a name or a mail address, which it
may: whoever is renamed to `chief` there does not become the `chief` here. Nor does an account with a password ever become one of the
provider's, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from agent.audit.trail import Trail
from agent.settings import Oidc
from agent.store import accounts
from agent.store.accounts import Account
from agent.web.rights import Role
from agent.web.signing.names import name_from
from agent.web.signing.people import LONGEST_FULL_NAME


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who has come back from the provider. `role`: None when it gives them none here."""

    subject: str
    name: str
    full_name: str
    role: Role | None

    @classmethod
    def of(cls, claims: Mapping[str, Any], oidc: Oidc) -> Stranger:
        """By what a verified ID token says."""
        said = claims.get("name")
        full_name = "".join(c for c in said if c.isprintable()).strip() if isinstance(said, str) else ""
        called = _claim(claims, oidc.name_claim)
        name = name_from(called if isinstance(called, str) else "") or "person"
        held = _texts(_claim(claims, oidc.role_claim))
        role = next((Role(role) for value, role in oidc.roles.items() if value in held), None)
        return cls(f"{oidc.issuer} {claims['sub']}", name, full_name[:LONGEST_FULL_NAME], role)


def account_of(tx: Connection, trail: Trail, stranger: Stranger, role: Role, *, now: datetime) -> Account:
    """The account, made where there is none, with the role and the name that the provider says today."""
    found = accounts.by_subject(tx, stranger.subject)
    if found is None:
        name = _free_name(tx, stranger.name)
        accounts.add(
            tx, name, role.value, "", full_name=stranger.full_name, subject=stranger.subject, must_change=False, now=now
        )
        trail.rights_changed(tx, name, f"added-{role}", roles=True, now=now)
    elif (found.role, found.full_name) != (role.value, stranger.full_name):
        accounts.set_values(tx, found.id, role=role.value, full_name=stranger.full_name)
        if found.role != role.value:
            trail.rights_changed(tx, found.name, f"role-{role}", roles=True, now=now)
    made = accounts.by_subject(tx, stranger.subject)
    assert made is not None, "it was found or made in this transaction"
    return made


def _free_name(tx: Connection, wanted: str) -> str:
    if accounts.by_name(tx, wanted) is None:
        return wanted
    number = 2
    while accounts.by_name(tx, f"{wanted}-{number}") is not None:
        number += 1
    return f"{wanted}-{number}"


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of that name, dots and all; else the one that the dots lead to."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _texts(claim: Any) -> set[str]:
    listed = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return {one for one in listed if isinstance(one, str)}
