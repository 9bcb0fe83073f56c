"""Who did what, and what was deleted on purpose."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table, Text

from agent.store.dialect import append_only
from agent.store.schema.base import Moment, metadata

# Who did what: only ever added to, and chained (agent.store.audit).
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),  # without gaps
    Column("at", Moment, nullable=False),
    Column("message", Text, nullable=False),  # XML of PS3.15 A.5.1
    Column("link", String(64), nullable=False),
)

append_only(audit, "the audit trail is only ever added to")

# How far the syslog server has been sent it.
audit_forwarded = Table(
    "audit_forwarded",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("up_to", Integer, nullable=False),
)

# When the chain was gone through, and what came out.
audit_check = Table(
    "audit_check",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("by", String(64), nullable=False),  # name of an account; empty: at the command line
    Column("up_to", Integer, nullable=False),
    Column("head", String(64), nullable=False),
    Column("broken", Text, nullable=False),  # why the chain does not fit; empty when it does
)

# Files that were deleted on purpose, while something still names them.
forgotten_file = Table(
    "forgotten_file",
    metadata,
    Column("path", Text, primary_key=True),  # relative to the storage root
    Column("at", Moment, nullable=False),
)

# Files that nothing names any more, on their way out: written down in the transaction that took their names away.
doomed_file = Table(
    "doomed_file",
    metadata,
    Column("path", Text, primary_key=True),
    Column("since", Moment, nullable=False),
)
