"""The errors of the interface: one shape, documented at every call."""

from __future__ import annotations

from typing import Any

from agent.web.api.models.base import Error

_WORDS = {
    401: "No token, or one that does not count (any more); no session.",
    403: "The role of the token, or of the person, may not do this; or the call came from another site.",
    404: "There is no such study, or no such path.",
    405: "The path is there, and is not called by this method.",
    409: "It cannot be done as things stand; `code` says why.",
    422: "A parameter or the body is not as it should be.",
    503: "The ledger cannot be used at the moment, or nothing more can be served; try again.",
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: these statuses, with the shape of their bodies."""
    return {status: {"model": Error, "description": _WORDS[status]} for status in statuses}
