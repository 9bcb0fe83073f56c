"""Who is signed in. The token is in the person's browser alone; here is its digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from agent.store.schema import web_session


@dataclass(frozen=True, slots=True)
class Session:
    """One browser of one person."""

    digest: str
    account_id: int
    began_at: datetime
    seen_at: datetime
    address: str


def digest_of(token: str) -> str:
    """What is kept of a token: SHA-256, in hex."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def begin(tx: Connection, token: str, account_id: int, address: str, *, now: datetime) -> None:
    """Somebody has signed in."""
    values = {"account_id": account_id, "began_at": now, "seen_at": now, "address": address}
    tx.execute(insert(web_session).values(digest=digest_of(token), **values))


def of_token(view: Connection, token: str) -> Session | None:
    """The session of that token, whether it still counts or not."""
    row = view.execute(select(web_session).where(web_session.c.digest == digest_of(token))).first()
    return None if row is None else Session(**row._mapping)


def of_account(view: Connection, account_id: int) -> tuple[Session, ...]:
    """Every session of a person, the one used last first."""
    found = select(web_session).where(web_session.c.account_id == account_id).order_by(web_session.c.seen_at.desc())
    return tuple(Session(**row._mapping) for row in view.execute(found))


def of_digest(view: Connection, digest: str) -> Session | None:
    """The session of the token with that digest, whether it still counts or not."""
    row = view.execute(select(web_session).where(web_session.c.digest == digest)).first()
    return None if row is None else Session(**row._mapping)


def seen(tx: Connection, digest: str, *, now: datetime) -> None:
    """It was used."""
    tx.execute(update(web_session).where(web_session.c.digest == digest).values(seen_at=now))


def end(tx: Connection, digest: str) -> None:
    """It counts no longer."""
    tx.execute(delete(web_session).where(web_session.c.digest == digest))


def end_all_of(tx: Connection, account_id: int) -> None:
    """Sign a person out everywhere."""
    tx.execute(delete(web_session).where(web_session.c.account_id == account_id))


def end_older(tx: Connection, *, seen_before: datetime, began_before: datetime) -> None:
    """Forget sessions that no longer count."""
    c = web_session.c
    tx.execute(delete(web_session).where((c.seen_at < seen_before) | (c.began_at < began_before)))


def count(view: Connection, *, seen_after: datetime, began_after: datetime) -> int:
    """How many browsers are signed in: those that were used since then and began since then."""
    c = web_session.c
    query = select(func.count()).where(c.seen_at > seen_after, c.began_at > began_after)
    return int(view.execute(query).scalar_one())
