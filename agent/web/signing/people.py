"""Changes to the accounts of people, by a command or on the page of an administrator: each one transaction with its line in the
audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from agent.audit.trail import Trail
from agent.clock import Clock
from agent.errors import Permanent
from agent.settings.values import check_one_line
from agent.store import accounts, sessions
from agent.store.accounts import Account
from agent.store.engine import Ledger
from agent.web.rights import Role
from agent.web.signing.names import account_name, folded
from agent.web.signing.passwords import hashed, new_password

LONGEST_FULL_NAME = 128


@dataclass(frozen=True, slots=True)
class People:
    """The accounts. Every method raises `Permanent`, whose code says why nothing was changed. `trail`: names who does it."""

    ledger: Ledger
    trail: Trail
    clock: Clock

    def add(self, name: str, role: Role, full_name: str = "") -> str:
        """A new account; its first password, which must be changed at the first sign-in and is kept nowhere."""
        name, full_name = account_name(name), _full_name(full_name)
        password, now = new_password(), self.clock.now()
        kept = hashed(password)
        try:
            with self.ledger.begin() as tx:
                accounts.add(tx, name, role, kept, full_name=full_name, must_change=True, now=now)
                self.trail.rights_changed(tx, name, f"added-{role}", roles=True, now=now)
        except IntegrityError as error:
            raise Permanent(
                f"there is an account {name} already; see: preread users list", code="name-taken"
            ) from error
        return password

    def set_role(self, name: str, role: Role) -> None:
        """What the account is for; it counts from the person's next click on."""
        now = self.clock.now()
        with self.ledger.begin() as tx:
            found = _found(tx, name)
            if found.role == role:
                return
            if found.subject is not None:
                raise Permanent(
                    f"{found.name} signs in through the OpenID provider, which says the role at every sign-in; change it there, "
                    "or the table roles of [web.oidc]",
                    code="from-provider",
                )
            _somebody_is_left(tx, found)
            accounts.set_values(tx, found.id, role=role.value)
            self.trail.rights_changed(tx, found.name, f"role-{role}", roles=True, now=now)

    def disable(self, name: str) -> None:
        """Let the person in no longer, and sign them out everywhere."""
        now = self.clock.now()
        with self.ledger.begin() as tx:
            found = _found(tx, name)
            if found.disabled:
                return
            _somebody_is_left(tx, found)
            accounts.set_values(tx, found.id, disabled=True)
            sessions.end_all_of(tx, found.id)
            self.trail.rights_changed(tx, found.name, "disabled", roles=False, now=now)

    def enable(self, name: str) -> None:
        """Let a person in again whose account was disabled, or is locked after wrong passwords."""
        now = self.clock.now()
        with self.ledger.begin() as tx:
            found = _found(tx, name)
            if found.disabled or found.locked_until is not None or found.failures:
                accounts.set_values(tx, found.id, disabled=False, failures=0, locked_until=None)
                action = "enabled" if found.disabled else "unlocked"
                self.trail.rights_changed(tx, found.name, action, roles=False, now=now)

    def reset_password(self, name: str) -> str:
        """A new first password, and everybody who had the old one is signed out; a lock is lifted, too."""
        password, now = new_password(), self.clock.now()
        kept = hashed(password)
        with self.ledger.begin() as tx:
            found = _found(tx, name)
            if found.subject is not None:
                raise Permanent(
                    f"{found.name} signs in through the OpenID provider and has no password here",
                    code="no-password-here",
                )
            accounts.set_values(tx, found.id, password_hash=kept, must_change=True, failures=0, locked_until=None)
            sessions.end_all_of(tx, found.id)
            self.trail.rights_changed(tx, found.name, "password-reset", roles=False, now=now)
        return password

    def sign_out(self, name: str) -> None:
        """Sign the person out everywhere."""
        now = self.clock.now()
        with self.ledger.begin() as tx:
            found = _found(tx, name)
            sessions.end_all_of(tx, found.id)
            self.trail.rights_changed(tx, found.name, "signed-out-everywhere", roles=False, now=now)

    def choose_password(self, tx: Connection, account: Account, kept: str, *, now: datetime) -> None:
        """The person's own choice. Every session of the account ends; whoever made the choice is given a new one."""
        accounts.set_values(tx, account.id, password_hash=kept, must_change=False, failures=0, locked_until=None)
        sessions.end_all_of(tx, account.id)
        self.trail.rights_changed(tx, account.name, "password-changed", roles=False, now=now)


def _found(tx: Connection, name: str) -> Account:
    found = accounts.by_name(tx, folded(name))
    if found is None:
        raise Permanent(f"there is no account {name[:80]!r}; see: preread users list", code="unknown-account")
    return found


def _somebody_is_left(tx: Connection, going: Account) -> None:
    """Nobody could give rights any more, and nobody mend the site."""
    if going.role != Role.ADMINISTRATOR or going.disabled:
        return
    if [a.id for a in accounts.with_role(tx, Role.ADMINISTRATOR.value)] == [going.id]:
        raise Permanent(
            f"{going.name} is the last administrator who can sign in; make another one first", code="last-administrator"
        )


def _full_name(typed: str) -> str:
    name = typed.strip()
    try:
        check_one_line(name)
    except ValueError as error:
        raise Permanent(f"the full name {error}", code="bad-full-name") from error
    if len(name) > LONGEST_FULL_NAME:
        raise Permanent(f"the full name has more than {LONGEST_FULL_NAME} characters", code="bad-full-name")
    return name
