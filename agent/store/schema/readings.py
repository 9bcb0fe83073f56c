"""What was read: the fast look, the reading, everything the model wrote, how soon somebody should look."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from agent.store.dialect import JsonText
from agent.store.schema.base import Moment, metadata

reading = Table(
    "reading",
    metadata,
    Column("revision_id", Integer, ForeignKey("study_revision.id"), primary_key=True),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(64), nullable=False, default=""),
    Column("explanation", Text, nullable=False, default=""),
    Column("provenance", JSON, nullable=False),
    Column("reply", Text, nullable=False, default=""),  # of the first question, exactly; all of them: table `reply`
    Column("reasoning", Text, nullable=False, default=""),
    Column("draft", Text, nullable=False, default=""),
    Column("findings", JSON, nullable=False),
    Column("notes", JSON, nullable=False),  # what rendering and reading had to remark
    Column("seconds", Float, nullable=False, default=0.0),
    Column("completed_at", Moment, nullable=False),
    Column("impression", Text, nullable=False, default=""),
    Column("comparison", Text, nullable=False, default=""),
    Column("regions", JSON, nullable=False, default=list),  # structured_report.content.Region
    Column("verdicts", JSON, nullable=False, default=list),  # structured_report.content.Verdict
    Column("priority", String(16), nullable=False, default=""),  # empty when nothing ranked it
    Column("reasons", JSON, nullable=False, default=list),
)

# The fast look before the reading.
flag = Table(
    "flag",
    metadata,
    Column("revision_id", Integer, ForeignKey("study_revision.id"), primary_key=True),
    Column("priority", String(16), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("probabilities", JSON, nullable=False),  # structured_report.content.Probability
    Column("provenance", JSON, nullable=False),
    Column("trouble", Text, nullable=False, default=""),  # why there is no flag, where there is none
    Column("seconds", Float, nullable=False),
    Column("flagged_at", Moment, nullable=False),
)

# How soon a person should look at a study; only ever raised.
urgency = Table(
    "urgency",
    metadata,
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), primary_key=True),
    Column("priority", String(16), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("raised_at", Moment, nullable=False),
)

# Everything the model wrote, exactly as it wrote it.
reply = Table(
    "reply",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision_id", Integer, ForeignKey("study_revision.id"), nullable=False),
    Column("task", String(32), nullable=False),
    Column("about", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("seconds", Float, nullable=False),
    Index("reply_by_revision", "revision_id"),
)

# Images of earlier studies, fetched to be compared with. They are never read for themselves, so no study stands for them.
prior_image = Table(
    "prior_image",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("study_instance_uid", String(64), nullable=False),
    Column("series_instance_uid", String(64), nullable=False),
    Column("sop_class_uid", String(64), nullable=False),
    Column("transfer_syntax_uid", String(64), nullable=False),
    Column("digest", String(64), nullable=False),  # sha256 of the data set's bytes as they came
    Column("data_set_offset", Integer, nullable=False),
    Column("path", Text, nullable=False),  # relative to the storage root
    Column("facts", JsonText, nullable=False),  # JSON of InstanceFacts
    Column("source", String(64), nullable=False),  # name of the peer or service; "self": received here as a study
    Column("kept_at", Moment, nullable=False),
    UniqueConstraint("sop_instance_uid", "digest"),
)

# What a revision waits for before it is read, and what became of it.
prior_search = Table(
    "prior_search",
    metadata,
    Column("revision_id", Integer, ForeignKey("study_revision.id"), primary_key=True),
    Column("deadline_at", Moment, nullable=False),
    Column(
        "outcome", String(16), nullable=False, default=""
    ),  # empty: under way | found | none | refused | failed | late
    Column("prior_image_id", Integer, ForeignKey("prior_image.id")),
    Column("remarks", JSON, nullable=False, default=list),  # sentences for the reader
    Column("used", Boolean),  # NULL until the revision is read
    Column("finished_at", Moment),
    Index("prior_search_by_image", "prior_image_id"),
)

# Images that this node has asked a peer to send (C-MOVE): they come like any other, and are not to be read.
prior_awaited = Table(
    "prior_awaited",
    metadata,
    Column("sop_instance_uid", String(64), primary_key=True),
    Column("source", String(64), nullable=False),
    Column("until", Moment, nullable=False),
)

# The constancy test, run by run.
qc_run = Table(
    "qc_run",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("started_by", String(16), nullable=False),  # hand | schedule
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("passed", Boolean),  # NULL while it runs
    Column("build", JSON, nullable=False),  # structured_report.content.Provenance of what was tested
    Column("films", JSON, nullable=False),  # what was sent
    Column("checks", JSON, nullable=False),  # what was checked
    Index("qc_run_by_start", "started_at"),
)

# What the model was shown of a film of the constancy test, in few pixels; of films of patients there is none.
qc_picture = Table(
    "qc_picture",
    metadata,
    Column("revision_id", Integer, ForeignKey("study_revision.id"), primary_key=True),
    Column("rows", Integer, nullable=False),  # of the picture as it was shown
    Column("columns", Integer, nullable=False),
    Column("grid", LargeBinary, nullable=False),  # agent.imaging.shrunk, row by row, one byte a pixel
)
