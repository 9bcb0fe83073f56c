"""Names of accounts: what a person types at the door, without two that look alike."""

from __future__ import annotations

import re
import unicodedata

from agent.errors import Permanent

LONGEST = 64
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


def folded(typed: str) -> str:
    """The name as it is kept: without blanks around it, in small letters."""
    return unicodedata.normalize("NFKC", typed).strip().lower()


def account_name(typed: str) -> str:
    """The name, if an account may have it. Raises `Permanent`."""
    name = folded(typed)
    if not _NAME.fullmatch(name):
        raise Permanent(
            f'"{typed[:80]}" cannot be the name of an account: letters a to z, digits and . _ @ - only, beginning with a letter '
            f"or a digit, at most {LONGEST}; capital letters count as small ones",
            code="bad-name",
        )
    return name


def name_from(claimed: str) -> str:
    """A name that an account may have, as near as can be to what an OpenID provider says; empty when nothing is left."""
    plain = unicodedata.normalize("NFKD", claimed).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._@-]+", "-", plain).lstrip("._@-")[: LONGEST - 4].rstrip("-")
