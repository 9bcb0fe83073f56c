"""Studies: what arrived, the revisions that were made of it, what each image is used for."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from agent.store.dialect import JsonText
from agent.store.schema.base import Moment, metadata

study = Table(
    "study",
    metadata,
    Column("study_instance_uid", String(64), primary_key=True),
    Column(
        "state", String(24), nullable=False
    ),  # receiving | assembled | read | abstained | not-analysed | needs-attention | withdrawn | reported
    Column("reason", String(64), nullable=False, default=""),
    Column("explanation", Text, nullable=False, default=""),
    Column("first_received_at", Moment, nullable=False),
    Column("last_received_at", Moment, nullable=False),
    Column("revision", Integer, nullable=False, default=0),  # number of the newest study revision, 0 before the first
    Index("study_by_arrival", "last_received_at"),
    Index("study_by_state", "state", "last_received_at"),
    Index("study_by_first_arrival", "first_received_at"),
)

instance = Table(
    "instance",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("version", Integer, nullable=False),  # 1, then 2 when the header was changed by the sender
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), nullable=False),
    Column("series_instance_uid", String(64), nullable=False),
    Column("sop_class_uid", String(64), nullable=False),
    Column("transfer_syntax_uid", String(64), nullable=False),
    Column("digest", String(64), nullable=False),  # sha256 of the data set's bytes as they were sent
    Column("size", Integer, nullable=False),  # bytes of the data set
    Column("data_set_offset", Integer, nullable=False),
    Column("path", Text, nullable=False),  # relative to the storage root
    Column("calling_ae_title", String(16), nullable=False),
    Column("address", String(64), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("facts", JsonText, nullable=False),  # JSON of InstanceFacts
    UniqueConstraint("sop_instance_uid", "version"),
    Index("instance_by_study", "study_instance_uid"),
    Index("instance_by_sender", "calling_ae_title", "received_at"),
)

# Which open association has brought images of which study: a study is not complete while one is open.
open_study = Table(
    "open_study",
    metadata,
    Column("association_id", String(64), primary_key=True),
    Column("study_instance_uid", String(64), primary_key=True),
)

study_revision = Table(
    "study_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("set_key", String(64), nullable=False),  # digest over the set of instances
    Column("study", JSON, nullable=False),  # structured_report.content.Study
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("study_instance_uid", "number"),
)

image_use = Table(
    "image_use",
    metadata,
    Column("revision_id", Integer, ForeignKey("study_revision.id"), primary_key=True),
    Column("instance_id", Integer, ForeignKey("instance.id"), primary_key=True),
    Column("used", Boolean, nullable=False),
    Column("role", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("explanation", Text, nullable=False),
    Index("image_use_by_instance", "instance_id"),
)

# Where the read stage could not do what assembly had chosen: an image that cannot be decoded, and the one in its place.
image_use_change = Table(
    "image_use_change",
    metadata,
    Column("revision_id", Integer, ForeignKey("study_revision.id"), primary_key=True),
    Column("instance_id", Integer, ForeignKey("instance.id"), primary_key=True),
    Column("used", Boolean, nullable=False),
    Column("role", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("explanation", Text, nullable=False),
    Index("image_use_change_by_instance", "instance_id"),
)

refusal = Table(
    "refusal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("what", String(16), nullable=False),  # association | instance
    Column("calling_ae_title", String(16), nullable=False),
    Column("called_ae_title", String(16), nullable=False),
    Column("address", String(64), nullable=False),
    Column("status", String(8), nullable=False),  # DIMSE status in hex, empty for associations
    Column("reason", String(64), nullable=False),
    Column("comment", Text, nullable=False),
    Column("sop_instance_uid", String(64), nullable=False, default=""),
    Column(
        "path", Text, nullable=False, default=""
    ),  # the bytes in quarantine, relative to the storage root; empty when not kept
)

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("study_instance_uid", String(64), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("code", String(64), nullable=False),
    Column("words", Text, nullable=False, default=""),
    Index("event_by_study", "study_instance_uid", "id"),
)
