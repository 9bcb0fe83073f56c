"""Who may use the pages and the interface, and who does at the moment."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from agent.store.schema.base import Moment, metadata

account = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),  # what a person types, in small letters; never a patient's
    Column("full_name", String(128), nullable=False, default=""),
    Column("role", String(16), nullable=False),  # viewer | radiologist | administrator
    Column("password_hash", Text, nullable=False, default=""),  # argon2id; empty: no local password
    Column("subject", String(600), unique=True),  # at an OpenID provider: its issuer, a blank, and `sub` there
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

# Who has tried to sign in from where, and could not: one row an address, forgotten when the time is over.
sign_in_brake = Table(
    "sign_in_brake",
    metadata,
    Column("address", String(64), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("began_at", Moment, nullable=False),
    Index("sign_in_brake_by_age", "began_at"),
)

# A person's own ways of looking at the worklist.
saved_view = Table(
    "saved_view",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("wanted", JSON, nullable=False),  # agent.store.listing.Wanted, without a text: no patient is in it
    Column("is_default", Boolean, nullable=False, default=False),  # what the worklist begins with
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("account_id", "name"),
)
