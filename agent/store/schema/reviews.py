"""What radiologists said of drafts: agreement data, never a part of what is sent."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from agent.store.schema.base import Moment, metadata

# Only ever added to; of the rows about one thing (study, revision, finding) the newest counts.
review = Table(
    "review",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), nullable=False),
    Column("revision", Integer, nullable=False),  # number of the study revision that was looked at
    Column("finding", String(64), nullable=False),  # key of the vocabulary; empty: the draft as a whole
    Column("stated", String(16), nullable=False),  # presence as the draft had it; empty: it said nothing, or the whole
    Column("verdict", String(16), nullable=False),  # accepted | corrected | rejected | missed | taken-back
    Column("presence", String(16), nullable=False, default=""),  # of a correction, or of what was missed
    Column("laterality", String(16), nullable=False, default=""),
    Column("words", Text, nullable=False, default=""),  # the radiologist's own
    Column("account", String(64), nullable=False),  # name of who judged
    Column("at", Moment, nullable=False),
    Index("review_by_study", "study_instance_uid", "revision", "finding"),
    Index("review_by_time", "at"),
)
