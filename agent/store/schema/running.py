"""The work to be done, who does it, how long it took and what is wrong with it."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, String, Table, Text, UniqueConstraint

from agent.store.dialect import partial_index
from agent.store.schema.base import Moment, metadata

job = Table(
    "job",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("lane", String(64), nullable=False, default=""),
    Column("key", String(80), nullable=False),
    Column("state", String(8), nullable=False),  # waiting | running | parked
    Column("priority", Integer, nullable=False, default=0),
    Column("run_at", Moment, nullable=False),
    Column(
        "rank_at", Moment, nullable=False
    ),  # run_at moved earlier by priority: the order of service, which ages by itself
    Column("claims", Integer, nullable=False, default=0),
    Column("failures", Integer, nullable=False, default=0),
    Column("fence", Integer, nullable=False, default=0),
    Column("owner", String(64), nullable=False, default=""),
    Column("lease_until", Moment),
    Column("error", Text, nullable=False, default=""),
    Column("created_at", Moment, nullable=False),
    Index("job_order", "kind", "lane", "state", "rank_at"),
    partial_index("job_one_waiting", "kind", "key", where="state = 'waiting'"),
)

# How long after its last image a study got what it waits for; only ever added to.
turnaround = Table(
    "turnaround",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("what", String(8), nullable=False),  # flag, or the kind of document that a destination took
    Column("revision_id", Integer, nullable=False),  # no foreign key: what was measured outlives the study
    Column("destination", String(64), nullable=False),  # empty for a flag
    Column("seconds", Float, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("revision_id", "what", "destination"),
)

# What is, or was, wrong with the line. Never about a study: who is told may be anybody.
alarm = Table(
    "alarm",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code", String(32), nullable=False),
    Column("about", String(128), nullable=False),  # a destination, a role, a stage, a key of the settings; may be empty
    Column("count", Integer, nullable=False),  # how many, when it was raised
    Column("raised_at", Moment, nullable=False),
    Column("told_at", Moment),  # when somebody was first told
    Column("recovered_at", Moment),
    Column("recovery_told_at", Moment),
    partial_index("alarm_open", "code", "about", where="recovered_at IS NULL"),
)

process = Table(
    "process",
    metadata,
    Column("role", String(16), primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # starting | loading | ready | failed | stopped
    Column("words", Text, nullable=False, default=""),
    Column("started_at", Moment, nullable=False),
    Column("beat_at", Moment, nullable=False),
)

# Somebody wants the settings file to be read again.
settings_request = Table(
    "settings_request",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asked_at", Moment, nullable=False),
    Column("asked_by", String(64), nullable=False),  # an account, or the user of a command
)

# With which settings each role runs, and what became of the newest request.
settings_in_force = Table(
    "settings_in_force",
    metadata,
    Column("role", String(16), primary_key=True),
    Column("request_id", Integer, nullable=False),  # the newest that it has answered
    Column("at", Moment, nullable=False),
    Column("outcome", String(16), nullable=False),  # started | taken-up | refused
    Column("digest", String(64), nullable=False),  # sha256 of the file whose peers and destinations it works with
    Column("restart", JSON, nullable=False),  # sections that differ in the file and need a start
    Column("words", Text, nullable=False, default=""),  # why it was refused
)

# Whose ledger this is, where several machines can reach it: one row, the identity of the storage root that its paths are in.
home = Table("home", metadata, Column("storage_id", String(32), primary_key=True))
