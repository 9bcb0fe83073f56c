"""One attempt to sign in with a name and a password.

An attempt is counted before its password is looked at, so that many at once are no more than many in a row; it is forgiven when the
password was right. Whoever is not let in learns nothing: an unknown name, an account that is locked or disabled or has no
password here, and a wrong password cost the same work and the same two transactions, and get the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from sqlalchemy import Connection

from agent.audit.trail import Trail
from agent.store import accounts, attempts
from agent.store.accounts import Account
from agent.web.context import WebContext
from agent.web.person import address_of
from agent.web.refused import Refused
from agent.web.signing import session
from agent.web.signing.lockout import BRAKE_AFTER, BRAKE_TIME, counted_as, lock_after
from agent.web.signing.names import folded
from agent.web.signing.passwords import Turnstile, fits, hashed, is_outdated


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who seems to ask. `kept`: the hash that the password must fit, empty when none will do; `locks`: whether this is one wrong
    password too many, if it is wrong."""

    account: Account | None
    kept: str
    locks: bool = False


class Entrance:
    """The door for people with a password."""

    def __init__(self, context: WebContext) -> None:
        self._context, self._turnstile = context, Turnstile()
        self._trail = Trail.of(context.settings)

    def let_in(self, request: Request, name: str, password: str) -> str | None:
        """The token of a new session; None for whoever is not let in.

        Raises:
            Refused: too many have tried from that address. Transient: too many try at once.
        """
        address = address_of(request)
        counted = counted_as(address)
        with self._turnstile.one():
            asked = self._count(folded(name), address, counted)
            right = fits(asked.kept, password)
            better = hashed(password) if right and is_outdated(asked.kept) else ""
        now = self._context.clock.now()
        with self._context.ledger.begin() as tx:
            if not right or asked.account is None:
                self._write_down(tx, asked, address, now)
                return None
            attempts.forgive(tx, counted)
            return self._begin(tx, request, asked.account, address, better, now)

    def _count(self, name: str, address: str, counted: str) -> _Asked:
        now = self._context.clock.now()
        since = now - BRAKE_TIME
        with self._context.ledger.read() as view:
            if attempts.so_far(view, counted, since=since) > BRAKE_AFTER:
                raise Refused(429, "too-many-attempts")
        with self._context.ledger.begin() as tx:
            number = attempts.count(tx, counted, since=since, now=now)
            if number <= BRAKE_AFTER:
                return self._asked(tx, name, now)
            self._trail.refused(tx, "unknown", address, "too-many-attempts", now=now)
        raise Refused(429, "too-many-attempts")

    def _asked(self, tx: Connection, name: str, now: datetime) -> _Asked:
        found = accounts.by_name(tx, name)
        if found is None or found.disabled or (found.locked_until is not None and found.locked_until > now):
            return _Asked(found, "")
        lock = lock_after(accounts.count_failure(tx, found.id))
        if lock:
            accounts.set_values(tx, found.id, locked_until=now + lock)
        return _Asked(found, found.password_hash, locks=bool(lock))

    def _write_down(self, tx: Connection, asked: _Asked, address: str, now: datetime) -> None:
        name = asked.account.name if asked.account is not None else ""
        self._trail.not_signed_in(tx, name, address, serious=asked.locks, now=now)
        if asked.locks:
            self._trail.locked(tx, name, address, now=now)

    def _begin(
        self, tx: Connection, request: Request, account: Account, address: str, better: str, now: datetime
    ) -> str:
        values = {"failures": 0, "locked_until": None, "signed_in_at": now}
        accounts.set_values(tx, account.id, **values, **({"password_hash": better} if better else {}))
        self._trail.signed_in(tx, account.name, address, now=now)
        return session.begin(tx, request, self._context.settings.web, account.id, address, now=now)
