"""Who may use the pages and the interface, and who does at the moment."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from agent.store.schema.base import Moment, metadata

account = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),  # what a person types; never a patient's
    Column("full_name", String(128), nullable=False, default=""),
    Column("role", String(16), nullable=False),  # viewer | radiologist | administrator
    Column("password_hash", Text, nullable=False, default=""),  # argon2id; empty: no local password
    Column("subject", String(255), unique=True),  # of the OpenID provider: issuer and sub
    Column("must_change", Boolean, nullable=False, default=False),  # the password, before anything else
    Column("disabled", Boolean, nullable=False, default=False),
    Column("failures", Integer, nullable=False, default=0),  # wrong passwords in a row
    Column("locked_until", Moment),
    Column("language", String(8), nullable=False, default=""),  # empty: as the browser asks
    Column("theme", String(16), nullable=False, default=""),  # empty: as the browser asks
    Column("created_at", Moment, nullable=False),
    Column("signed_in_at", Moment),
)

# Signed in: only the digest of the token in the cookie is kept.
web_session = Table(
    "web_session",
    metadata,
    Column("digest", String(64), primary_key=True),  # sha256 of the token
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("address", String(64), nullable=False),
    Index("web_session_by_account", "account_id"),
)

# Tokens of programs that call the interface: only the digest is kept. A row stays when its token is revoked.
api_token = Table(
    "api_token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),  # sha256 of the token
    Column("name", String(64), nullable=False, unique=True),  # of the program, or of what it is for
    Column("role", String(16), nullable=False),  # viewer | radiologist | administrator
    Column("made_by", String(64), nullable=False),  # name of an account; empty: at the command line
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("seen_at", Moment),
    Column("revoked_at", Moment),
)
