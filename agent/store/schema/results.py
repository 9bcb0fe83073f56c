"""Documents, where they go, and what the peers said."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from agent.store.schema.base import Moment, metadata

document = Table(
    "document",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision_id", Integer, ForeignKey("study_revision.id"), nullable=False),
    Column("kind", String(8), nullable=False),  # sr | sc | gsps | plain-sr | ko | oru | flag | retract | json
    Column("identifier", String(64), nullable=False),  # SOP Instance UID, or MSH-10
    Column("path", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("kind", "identifier"),
    Index("document_by_revision", "revision_id"),
)

report_shortfall = Table(  # a row stands while the last report of a revision lacks something
    "report_shortfall",
    metadata,
    Column("revision_id", Integer, ForeignKey("study_revision.id"), primary_key=True),
    Column("codes", JSON, nullable=False),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("document_id", Integer, ForeignKey("document.id"), nullable=False),
    Column("destination", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # waiting | delivered | committed | parked | superseded | held
    Column("attempts", Integer, nullable=False, default=0),
    Column("words", Text, nullable=False, default=""),  # the peer's own, of the last attempt
    Column("created_at", Moment, nullable=False),
    Column("next_try_at", Moment),
    Column("finished_at", Moment),
    UniqueConstraint("document_id", "destination"),
    Index("delivery_by_state", "state", "destination"),
)

# A message that was sent, or is being sent, and that the destination has not answered: it may have it.
unanswered = Table(
    "unanswered",
    metadata,
    Column("delivery_id", Integer, ForeignKey("delivery.id"), primary_key=True),
    Column("sent_at", Moment, nullable=False),
)

# What was delivered and is to be committed: the peer has answered Success, and has yet to say that it keeps it.
commitment = Table(
    "commitment",
    metadata,
    Column("delivery_id", Integer, ForeignKey("delivery.id"), primary_key=True),
    Column("sop_class_uid", String(64), nullable=False),  # as it was stored, which may not be the document's own
    Column("sop_instance_uid", String(64), nullable=False),
    Column("sent_at", Moment, nullable=False),  # when it was last stored
    Column("asked_at", Moment),  # when the peer last took the request; NULL while it has not
    Column("failures", Integer, nullable=False, default=0),  # reports in a row that it was not committed
)

# Every request, written down before it is sent: whatever becomes of this process, an answer finds what it is about.
commitment_request = Table(
    "commitment_request",
    metadata,
    Column("transaction_uid", String(64), primary_key=True),
    Column("delivery_id", Integer, ForeignKey("delivery.id"), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("answered_at", Moment),
    Column("failure_reason", Integer),  # of the answer: 0 is committed, else PS3.3 C.14.1.1
    Column("settled", Boolean, nullable=False, default=False),  # whether the office has acted on the answer
    Index("commitment_request_by_delivery", "delivery_id"),
)
