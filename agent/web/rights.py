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
    ("GET", "/sign-in/oidc"): Right.OPEN,
    ("GET", "/sign-in/oidc/callback"): Right.OPEN,
    ("POST", "/sign-out"): Right.ACCOUNT,
    ("GET", "/sign-out/oidc"): Right.OPEN,
    ("GET", "/account"): Right.ACCOUNT,
    ("POST", "/account/appearance"): Right.ACCOUNT,
    ("GET", "/account/password"): Right.ACCOUNT,
    ("POST", "/account/password"): Right.ACCOUNT,
    ("POST", "/account/sessions/end"): Right.ACCOUNT,
    ("GET", "/people"): Right.MEND,
    ("POST", "/people/add"): Right.MEND,
    ("POST", "/people/disable"): Right.MEND,
    ("POST", "/people/enable"): Right.MEND,
    ("POST", "/people/reset-password"): Right.MEND,
    ("POST", "/people/role"): Right.MEND,
    ("POST", "/people/sign-out"): Right.MEND,
    ("GET", "/"): Right.SEE,
    ("GET", "/live"): Right.SEE,
    ("POST", "/worklist/rows"): Right.SEE,
    ("POST", "/worklist/search"): Right.SEE,
    ("POST", "/worklist/views"): Right.SEE,
    ("POST", "/worklist/views/forget"): Right.SEE,
    ("GET", "/studies/{uid}"): Right.SEE,
    ("GET", "/studies/{uid}/standing"): Right.SEE,
    ("POST", "/studies/{uid}/reviews"): Right.JUDGE,
    ("GET", "/studies/{uid}/images/{sop_instance_uid}/preview"): Right.SEE,
    ("GET", "/studies/{uid}/images/{sop_instance_uid}/about"): Right.SEE,
    ("GET", "/studies/{uid}/images/{sop_instance_uid}/values"): Right.SEE,
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
    ("GET", "/peers/remove/{what}"): Right.MEND,
    ("POST", "/peers/remove/{what}"): Right.MEND,
    ("GET", "/peers/retry/{name}"): Right.MEND,
    ("POST", "/peers/retry/{name}"): Right.MEND,
    ("POST", "/peers/test"): Right.MEND,
    ("GET", "/peers/test/{task_id}"): Right.MEND,
    ("GET", "/system"): Right.SEE,
    ("POST", "/system/qc"): Right.MEND,
    ("POST", "/system/audit"): Right.MEND,
    ("GET", "/system/doctor"): Right.MEND,
    ("POST", "/system/doctor"): Right.MEND,
    ("GET", "/tokens"): Right.MEND,
    ("POST", "/tokens/add"): Right.MEND,
    ("POST", "/tokens/revoke"): Right.MEND,
    ("GET", "/numbers"): Right.SEE,
    ("GET", "/numbers/{name}"): Right.SEE,
    ("GET", "/api/v1/openapi.json"): Right.SEE,
    ("GET", "/api/v1/studies"): Right.SEE,
    ("POST", "/api/v1/studies/search"): Right.SEE,
    ("GET", "/api/v1/studies/{study_instance_uid}"): Right.SEE,
    ("POST", "/api/v1/studies/{study_instance_uid}/reviews"): Right.JUDGE,
    ("POST", "/api/v1/studies/{study_instance_uid}/retry"): Right.MEND,
    ("POST", "/api/v1/studies/{study_instance_uid}/hold"): Right.MEND,
    ("POST", "/api/v1/studies/{study_instance_uid}/release"): Right.MEND,
    ("POST", "/api/v1/studies/{study_instance_uid}/reread"): Right.MEND,
    ("POST", "/api/v1/studies/{study_instance_uid}/withdraw"): Right.MEND,
    ("GET", "/api/v1/peers"): Right.SEE,
    ("GET", "/api/v1/destinations"): Right.SEE,
    ("GET", "/api/v1/system"): Right.SEE,
    ("GET", "/api/v1/numbers"): Right.SEE,
    ("GET", "/api/v1/events"): Right.SEE,
}
