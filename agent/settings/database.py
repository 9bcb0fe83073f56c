"""Where the ledger is kept: a file, or a database on a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, field_serializer, field_validator

from agent.settings.types import Frozen
from agent.settings.values import LOOPBACK, check_home, check_one_line, check_path

SQLITE, POSTGRESQL = "sqlite:///", "postgresql+psycopg://"
_SECRETS_OF_A_QUERY = {"password", "sslpassword"}


def check_database_url(value: str) -> str:
    """The URL, if a ledger can be kept there. Raises `ValueError` in words for the person who typed it, without the password."""
    check_one_line(value)
    if value.startswith(POSTGRESQL):
        return _check_server(value)
    if value and (not value.startswith(SQLITE) or value == SQLITE):
        raise ValueError(
            f'must be empty (a file in storage.root), "{SQLITE}PATH" for another file, or "{POSTGRESQL}USER@HOST:PORT/NAME" for a '
            "database on a PostgreSQL server"
        )
    check_home(value.removeprefix(SQLITE))
    return value


def _check_server(value: str) -> str:
    from sqlalchemy.engine import make_url  # a command that has its ledger in a file starts without it
    from sqlalchemy.exc import ArgumentError

    example = f'for example "{POSTGRESQL}preread@10.0.0.7:5432/preread"'
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError(
            f"is no URL: {example}; in a password, write @ as %40, : as %3A and / as %2F, or use password_file"
        ) from None
    if not url.database:
        raise ValueError(f"names no database on the server: {example}")
    if not url.host and "host" not in url.query:
        raise ValueError(f"names no server: {example}; for a socket add ?host=/run/postgresql")
    if held := sorted(_SECRETS_OF_A_QUERY & set(url.query)):
        raise ValueError(f"must not hold {held[0]} behind the question mark; use password_file")
    return value


def with_password(url: str, password: str) -> str:
    """The URL of a server with that password in it."""
    from sqlalchemy.engine import make_url

    return make_url(url).set(password=password).render_as_string(hide_password=False)


def has_password(url: str) -> bool:
    """Whether the URL of a server holds one."""
    from sqlalchemy.engine import make_url

    return make_url(url).password is not None


class Database(Frozen):
    """The ledger."""

    url: str = Field(default="", repr=False)
    url_file: Annotated[Path | None, BeforeValidator(check_path)] = None
    password_file: Annotated[Path | None, BeforeValidator(check_path)] = None

    @field_validator("url")
    @classmethod
    def _usable(cls, value: str) -> str:
        return check_database_url(value)

    @field_serializer("url")
    def _shown(self, value: str) -> str:
        """As it may be printed."""
        if not self.on_a_server:
            return value
        from sqlalchemy.engine import make_url

        return make_url(value).render_as_string(hide_password=True)

    @property
    def may_be_overheard(self) -> bool:
        """Whether what goes to the server can be read, or changed, on the way: it is another host, and its certificate is not
        asked for (libpq, `sslmode`)."""
        if not self.on_a_server:
            return False
        from sqlalchemy.engine import make_url

        url = make_url(self.url)
        host = url.host or str(url.query.get("host", ""))
        return not host.startswith("/") and host not in LOOPBACK and url.query.get("sslmode") != "verify-full"

    @property
    def on_a_server(self) -> bool:
        """Whether the ledger is kept by PostgreSQL."""
        return self.url.startswith(POSTGRESQL)
