"""Every route, and who may call it: one table. A route that is not here does not start, nor does a line without its route."""

from __future__ import annotations

from enum import Enum, StrEnum


class Role(StrEnum):
    """What an account is for."""

    VIEWER = "viewer"
    RADIOLOGIST = "radiologist"
    ADMINISTRATOR = "administrator"


class Right(Enum):
    """What a route asks of its caller."""

    OPEN = "everybody who reaches the port"
    ACCOUNT = "everybody who is signed in, whatever must be done first"
    SEE = "whoever may see patients"
    JUDGE = "whoever may accept, correct and reject"
    MEND = "whoever may change the site and what becomes of a study"


GRANTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.SEE}),
    Role.RADIOLOGIST: frozenset({Right.SEE, Right.JUDGE}),
    Role.ADMINISTRATOR: frozenset({Right.SEE, Right.MEND}),
}

RIGHTS: dict[tuple[str, str], Right] = {
    ("GET", "/healthz"): Right.OPEN,
    ("GET", "/readyz"): Right.OPEN,
    ("GET", "/metrics"): Right.OPEN,  # which asks for its own token
    ("GET", "/static/{build}/{name:path}"): Right.OPEN,
    ("GET", "/texts/{build}/{language}.json"): Right.OPEN,
    ("GET", "/sign-in"): Right.OPEN,
    ("POST", "/sign-in"): Right.OPEN,
    ("POST", "/sign-out"): Right.ACCOUNT,
    ("GET", "/"): Right.SEE,
    ("GET", "/ledger"): Right.SEE,
    ("POST", "/ledger/find"): Right.SEE,
    ("GET", "/ledger/refusals"): Right.SEE,
    ("GET", "/ledger/messages"): Right.SEE,
    ("GET", "/ledger/messages/{number}"): Right.MEND,
    ("POST", "/ledger/messages/{number}"): Right.MEND,
    ("GET", "/ledger/{uid}"): Right.SEE,
    ("GET", "/ledger/{uid}/{action}"): Right.MEND,
    ("POST", "/ledger/{uid}/{action}"): Right.MEND,
    ("GET", "/peers"): Right.MEND,
    ("GET", "/peers/form/{what}"): Right.MEND,
    ("POST", "/peers/form/{what}"): Right.MEND,
    ("POST", "/peers/reload"): Right.MEND,
    ("GET", "/peers/reload/{number}"): Right.MEND,
    ("POST", "/peers/test"): Right.MEND,
    ("GET", "/peers/test/{task_id}"): Right.MEND,
}
