"""Tokens of programs that call the interface. The token is with the program alone; here is its digest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from agent.store.schema import api_token
from agent.store.sessions import digest_of


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of one token. `role`: a value of `agent.web.rights.Role`; `made_by`: empty at the command line."""

    id: int
    name: str
    role: str
    made_by: str
    created_at: datetime
    expires_at: datetime
    seen_at: datetime | None
    revoked_at: datetime | None

    def counts(self, now: datetime) -> bool:
        """Whether it opens anything still."""
        return self.revoked_at is None and now < self.expires_at


_COLUMNS = tuple(api_token.c[name] for name in Token.__dataclass_fields__)


def add(tx: Connection, token: str, name: str, role: str, *, made_by: str, expires_at: datetime, now: datetime) -> None:
    """A new token. Raises `sqlalchemy.exc.IntegrityError` when the name was given before, revoked or not."""
    values = {"name": name, "role": role, "made_by": made_by, "created_at": now, "expires_at": expires_at}
    tx.execute(insert(api_token).values(digest=digest_of(token), **values))


def of_token(view: Connection, token: str) -> Token | None:
    """What is known of that token, whether it still counts or not."""
    row = view.execute(select(*_COLUMNS).where(api_token.c.digest == digest_of(token))).first()
    return None if row is None else Token(*row)


def every(view: Connection) -> tuple[Token, ...]:
    """All that were ever made, by name."""
    return tuple(Token(*row) for row in view.execute(select(*_COLUMNS).order_by(api_token.c.name)))


def seen(tx: Connection, token_id: int, *, now: datetime) -> None:
    """It was used."""
    tx.execute(update(api_token).where(api_token.c.id == token_id).values(seen_at=now))


def revoke(tx: Connection, name: str, *, now: datetime) -> bool:
    """It opens nothing from now on; returns whether there was such a token that was not revoked."""
    c = api_token.c
    done = tx.execute(update(api_token).where(c.name == name, c.revoked_at.is_(None)).values(revoked_at=now))
    return done.rowcount > 0
