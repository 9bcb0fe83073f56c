"""Which programs may call the interface."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from agent.store.schema.base import Moment, metadata

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
