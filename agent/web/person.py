"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from agent.web.rights import GRANTS, Right, Role


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in."""

    account_id: int
    name: str
    full_name: str
    role: Role
    language: str
    theme: str
    session: str  # digest of the session, empty for a token of a machine
    must_change: bool = False

    def may(self, right: Right) -> bool:
        """Whether that is theirs to do."""
        return right in (Right.OPEN, Right.ACCOUNT) or (not self.must_change and right in GRANTS[self.role])


def caller(request: Request) -> Person | None:
    """Who calls, as the guard has found; None when nobody is signed in."""
    found = getattr(request.state, "person", None)
    return found if isinstance(found, Person) else None


def person(request: Request) -> Person:
    """Who calls a route that only people who are signed in may call."""
    found = caller(request)
    assert found is not None, "the guard lets nobody through"
    return found


def address_of(request: Request) -> str:
    """Where from."""
    return request.client.host if request.client else ""
