"""Accounts of the people who use the pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from agent.store.schema import account


@dataclass(frozen=True, slots=True)
class Account:
    """One person. `role`: a value of `agent.web.rights.Role`."""

    id: int
    name: str
    full_name: str
    role: str
    password_hash: str
    subject: str | None
    must_change: bool
    disabled: bool
    failures: int
    locked_until: datetime | None
    language: str
    theme: str
    created_at: datetime
    signed_in_at: datetime | None


def add(
    tx: Connection,
    name: str,
    role: str,
    password_hash: str,
    *,
    full_name: str = "",
    subject: str | None = None,
    must_change: bool,
    now: datetime,
) -> int:
    """A new account; its number. Raises `sqlalchemy.exc.IntegrityError` when the name is taken.

    Args:
        subject: who it is at the OpenID provider; such an account has no password here.
    """
    done = tx.execute(
        insert(account).values(
            name=name,
            role=role,
            password_hash=password_hash,
            full_name=full_name,
            subject=subject,
            must_change=must_change,
            created_at=now,
        )
    )
    assert done.inserted_primary_key is not None
    return int(done.inserted_primary_key[0])


def by_name(view: Connection, name: str) -> Account | None:
    """The account of that name, exactly."""
    row = view.execute(select(account).where(account.c.name == name)).first()
    return None if row is None else Account(**row._mapping)


def by_id(view: Connection, account_id: int) -> Account | None:
    """The account of that number."""
    row = view.execute(select(account).where(account.c.id == account_id)).first()
    return None if row is None else Account(**row._mapping)


def by_subject(view: Connection, subject: str) -> Account | None:
    """The account of that person at the OpenID provider, whatever name it has here."""
    row = view.execute(select(account).where(account.c.subject == subject)).first()
    return None if row is None else Account(**row._mapping)


def every(view: Connection) -> tuple[Account, ...]:
    """All accounts, by name."""
    return tuple(Account(**row._mapping) for row in view.execute(select(account).order_by(account.c.name)))


def count(view: Connection) -> int:
    """How many there are."""
    return int(view.execute(select(func.count()).select_from(account)).scalar_one())


def with_role(tx: Connection, role: str) -> tuple[Account, ...]:
    """The accounts of that role that are not disabled, kept as they are until the transaction ends."""
    wanted = select(account).where(account.c.role == role, account.c.disabled.is_(False)).with_for_update()
    return tuple(Account(**row._mapping) for row in tx.execute(wanted))


def count_failure(tx: Connection, account_id: int) -> int:
    """One more attempt that may fail; how many in a row there have been now."""
    more = {"failures": account.c.failures + 1}
    tx.execute(update(account).where(account.c.id == account_id).values(more))
    return int(tx.execute(select(account.c.failures).where(account.c.id == account_id)).scalar() or 0)


def set_values(tx: Connection, account_id: int, **values: object) -> None:
    """Change columns of one account."""
    tx.execute(update(account).where(account.c.id == account_id).values(**values))
