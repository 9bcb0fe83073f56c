"""What the driver of PostgreSQL raises, in words: worth another try, or what a person has to do first.

Conditions go by SQLSTATE (PostgreSQL, Appendix A). A connection that is refused brings none: libpq hands on the server's
sentence alone, and where the server does not speak English that one is taken for something that passes.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from agent.errors import Permanent, PrereadError, Transient

_REFUSED = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "authentication failed for",
    "not permitted to log in",
)
_NO_USER = 'role "{user}" does not exist'
# Classes of conditions that pass: of the connection, of resources, of locks, of an operator, of the system; a transaction that
# was rolled back; a standby, which takes over or goes away; tables that are not there while somebody brings them back.
_PASSING = ("08", "53", "55", "57", "58", "40", "25006", "42P01")
_DAMAGED = ("XX001", "XX002")


def in_words(error: DBAPIError, name: str, user: str) -> PrereadError | None:
    """What is wrong with the database of that name, to which `user` connects; None for a mistake of this program."""
    state, words = getattr(error.orig, "sqlstate", None) or "", _first_line(error)
    if state in ("28P01", "28000") or any(w in words for w in (*_REFUSED, _NO_USER.format(user=user))):
        return Permanent(
            f"the database {name} does not let {user or 'this user'} in ({words}); put user and password right in database.url, "
            "database.password_file or ~/.pgpass, and the server's pg_hba.conf",
            code="database-refused",
        )
    if state == "3D000" or ("database" in words and words.endswith("does not exist")):
        return Permanent(
            f"there is no database {name} ({words}); make it with createdb, owned by {user or 'this user'}",
            code="database-missing",
        )
    if state == "42501":
        return Permanent(
            f"{user or 'this user'} may not do that in the database {name} ({words}); make it the owner of the database",
            code="database-refused",
        )
    if state in _DAMAGED:
        return Permanent(f"the database {name} is damaged: {words}; restore it from a backup", code="database-damaged")
    if state == "54000":
        return Permanent(
            f"the database {name} cannot index a value that is so long ({words}); whoever sent it has to shorten it",
            code="value-too-long",
        )
    if state == "55P03":
        return Transient(f"another writer holds the database {name} for too long", code="database-busy")
    if state.startswith(_PASSING) or error.connection_invalidated or (not state and _is_of_connection(error)):
        return Transient(f"the database {name} cannot be used at the moment: {words}", code="database-unavailable")
    return None


def _is_of_connection(error: DBAPIError) -> bool:
    return isinstance(error, OperationalError | InterfaceError)


def _first_line(error: DBAPIError) -> str:
    """The server's sentence, or libpq's, without its detail, which may quote a row."""
    lines = [line.strip() for line in str(error.orig).splitlines() if line.strip()]
    line = lines[0] if lines else type(error.orig).__name__
    return line.partition("FATAL:")[2].strip() or line.removeprefix("connection failed: ")
