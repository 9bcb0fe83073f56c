"""What the line did, counted by day: small tables that are read in place of the large ones."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table

from agent.store.schema.base import metadata

# How often something happened on one day, or in one month, of the site. `what` says what `about` and `place` are:
# agent.store.daily. It is read along its key, and holds nothing else.
daily_count = Table(
    "daily_count",
    metadata,
    Column("what", String(16), primary_key=True),
    Column(
        "day", String(10), primary_key=True
    ),  # YYYY-MM-DD in the site's zone; YYYY-MM: the days of that month together
    Column("about", String(64), primary_key=True),
    Column("place", String(128), primary_key=True),
    Column("n", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Up to which row each of the tables that only grow has been counted.
counted_up_to = Table(
    "counted_up_to",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("up_to", Integer, nullable=False),
)
