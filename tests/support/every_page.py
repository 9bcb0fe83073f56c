"""Every page that the table of rights lists, with an address of it that exists in the hospital of the browser tests."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.web.rights import GRANTS, RIGHTS, Right, Role
from tests.support.hospital import DOCTOR, IT

_NO_PAGES = ("/static/", "/texts/", "/api/", "/healthz", "/readyz", "/metrics")  # files, and what machines are told
_PEOPLE = {DOCTOR: Role.RADIOLOGIST, IT: Role.ADMINISTRATOR}


# Addresses that answer with something else than a page of their own: pictures, streams, files to keep, other addresses.
NOT_SHOWN = {
    "/live",
    "/numbers/{name}",
    "/sign-in/oidc",
    "/sign-in/oidc/callback",
    "/studies/{uid}/standing",
} | {f"/studies/{{uid}}/images/{{sop_instance_uid}}/{what}" for what in ("preview", "about", "values")}


def pages() -> list[str]:
    """The paths of routes that show something to a person."""
    return sorted(
        path for method, path in RIGHTS if method == "GET" and not path.startswith(_NO_PAGES) and path not in NOT_SHOWN
    )


def who_sees(path: str) -> str:
    """Somebody of the hospital who may see it; "" for a page that is for who is not signed in."""
    right = RIGHTS[("GET", path)]
    if right is Right.OPEN:
        return ""
    if right is Right.ACCOUNT:
        return DOCTOR
    return next(name for name, role in _PEOPLE.items() if right in GRANTS[role])


def address(path: str, values: Mapping[str, str]) -> str:
    """The path with something in each of its holes: by their names, or for that path alone. Raises `KeyError` for a hole that
    nobody has thought of."""
    if path in values:
        return values[path]
    return re.sub(r"{(\w+)(?::path)?}", lambda hole: values[hole.group(1)], path)
