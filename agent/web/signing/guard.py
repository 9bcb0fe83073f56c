"""Every call passes here: who is it, and may they?"""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import Request

from agent.settings import Web
from agent.store import accounts, sessions
from agent.store.accounts import Account
from agent.store.sessions import Session
from agent.web.context import WebContext
from agent.web.person import Person
from agent.web.refused import Refused
from agent.web.rights import RIGHTS, Right, Role
from agent.web.signing.session import token_in
from agent.web.signing.tokens import bearer, owner

BY_THEMSELVES = frozenset({("GET", "/live"), ("POST", "/worklist/rows"), ("GET", "/studies/{uid}/standing")})
"""What pages ask while nobody touches them: it keeps nobody signed in. Their scripts say so of other calls, where a header can be
sent: all that can be done with it is to be signed out earlier."""
_SAID = "x-by-itself"
_SEEN_EVERY = timedelta(seconds=60)  # more often nobody needs to know, and each is a write


class Guard:
    """A dependency of every route."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def __call__(self, request: Request) -> None:
        """Put the caller into `request.state.person`.

        Raises:
            Refused: nobody is signed in, or not somebody who may.
        """
        route = request.scope["route"]
        asked = (request.method, route.path)
        right = RIGHTS[asked]
        token = bearer(request)
        by_itself = asked in BY_THEMSELVES or _SAID in request.headers
        request.state.person = found = (
            self._who(request, counts=not by_itself) if token is None else owner(self._context, token)
        )
        if right is Right.OPEN:
            return
        if found is None:
            raise Refused(401, "not-signed-in")
        if not found.may(right):
            raise Refused(403, "must-change" if found.must_change else "not-yours")

    def recognise(self, request: Request) -> None:
        """The same of a call that leads to no route, whose page is still made for somebody. It keeps nobody signed in.

        Raises:
            PrereadError: nobody can tell at the moment.
        """
        request.state.person = self._who(request, counts=False)

    def _who(self, request: Request, *, counts: bool) -> Person | None:
        """Whose session it is. `counts`: the call keeps the person signed in."""
        context, now = self._context, self._context.clock.now()
        web = context.settings.web
        token = token_in(request, web)
        if not token:
            return None
        with context.ledger.read() as view:
            session = sessions.of_token(view, token)
            account = accounts.by_id(view, session.account_id) if session is not None else None
        if session is None or account is None or not _counts(session, account, web, now):
            return None
        if counts and now - session.seen_at > _SEEN_EVERY:
            with context.ledger.begin() as tx:
                sessions.seen(tx, session.digest, now=now)
        return Person(
            account.id, account.name, account.full_name, Role(account.role), account.language, account.theme,
            session.digest, account.must_change,
        )  # fmt: skip

    def still(self, person: Person) -> bool:
        """Whether somebody who has called, and is still being answered, might call now. It does not count as being there."""
        context = self._context
        with context.ledger.read() as view:
            session = sessions.of_digest(view, person.session)
            account = accounts.by_id(view, person.account_id)
        if session is None or account is None or account.role != person.role or account.must_change:
            return False
        return _counts(session, account, context.settings.web, context.clock.now())


def _counts(session: Session, account: Account, web: Web, now: datetime) -> bool:
    fresh = now - session.seen_at <= timedelta(minutes=web.idle_min)
    return fresh and now - session.began_at <= timedelta(hours=web.longest_h) and not account.disabled
