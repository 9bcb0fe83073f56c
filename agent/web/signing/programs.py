"""Changes to the tokens of programs, by a command or on the page of an administrator: each one transaction with its line in the
audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from agent.audit.trail import Trail
from agent.clock import Clock
from agent.errors import Permanent
from agent.settings.values import check_one_line
from agent.store import tokens
from agent.store.engine import Ledger
from agent.web.rights import Role
from agent.web.signing.tokens import PROGRAM, new_token

LONGEST_NAME, USUAL_DAYS, LONGEST_DAYS = 64 - len(PROGRAM), 365, 1830


@dataclass(frozen=True, slots=True)
class Programs:
    """The tokens. Every method raises `Permanent`, whose code says why nothing was changed. `trail`: names who does it.

    `by`: the account that does it; empty at a command."""

    ledger: Ledger
    trail: Trail
    clock: Clock
    by: str = ""

    def add(self, name: str, role: Role, days: int = USUAL_DAYS) -> tuple[str, datetime]:
        """A new token, which is kept nowhere, and when it ends."""
        name, now = _name(name), self.clock.now()
        token, until = new_token(), now + timedelta(days=days)
        try:
            with self.ledger.begin() as tx:
                tokens.add(tx, token, name, role, made_by=self.by, expires_at=until, now=now)
                self.trail.rights_changed(tx, PROGRAM + name, f"token-{role}", roles=True, now=now)
        except IntegrityError as error:
            words = f"there is, or was, a token {name}; give this one another name, see: preread tokens list"
            raise Permanent(words, code="token-name-taken") from error
        return token, until

    def revoke(self, name: str) -> None:
        """It opens nothing from now on."""
        name, now = " ".join(name.split()), self.clock.now()
        with self.ledger.begin() as tx:
            if not tokens.revoke(tx, name, now=now):
                words = f"there is no token {name} that counts; see: preread tokens list"
                raise Permanent(words, code="no-such-token")
            self.trail.rights_changed(tx, PROGRAM + name, "token-revoked", roles=False, now=now)


def _name(text: str) -> str:
    """As it is kept, and stands in lists and in the audit trail."""
    name = " ".join(text.split())
    try:
        check_one_line(name)
    except ValueError as error:
        raise Permanent(f"the name of a token {error}", code="token-name") from error
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Permanent(f"the name of a token has 1 to {LONGEST_NAME} characters", code="token-name")
    return name
