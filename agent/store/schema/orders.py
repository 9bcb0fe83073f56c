"""What other systems say of orders, patients and reports, and whose a study is."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from agent.store.schema.base import Moment, metadata

# What a modality worklist answered about a study that had arrived.
worklist_answer = Table(
    "worklist_answer",
    metadata,
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), primary_key=True),
    Column("source", String(64), nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("status", String(8), nullable=False),  # DIMSE status in hex; empty when there was no answer
    Column("words", Text, nullable=False, default=""),
    Column("entries", JSON, nullable=False),  # agent.intake.worklist.WorklistOrder
)

# Messages about orders, patients and reports, kept before they are acknowledged.
hl7_message = Table(
    "hl7_message",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("received_at", Moment, nullable=False),
    Column("sender", String(512), nullable=False),  # MSH-3 and MSH-4
    Column("address", String(64), nullable=False),
    Column("control_id", String(199), nullable=False),
    Column("type", String(16), nullable=False),  # MSH-9, for example ORM^O01
    Column("digest", String(64), nullable=False),  # sha256 of the bytes
    Column("content", LargeBinary, nullable=False),  # exactly as it came, without the frame
    Column("said", JSON, nullable=False),  # agent.orders.said.Heard
    Column("state", String(16), nullable=False),  # waiting | done | ignored | attention
    Column("words", Text, nullable=False, default=""),  # what became of it
    Column("acted_at", Moment),
    UniqueConstraint("sender", "control_id", "digest"),  # a message that is sent again is acted on once
    Index("hl7_message_by_state", "state", "id"),
)

# Orders, as messages and worklists state them; newer statements are written over older ones.
patient_order = Table(
    "patient_order",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("accession_number", String(64), nullable=False, index=True),
    Column("placer_order_number", String(199), nullable=False, index=True),
    Column("filler_order_number", String(199), nullable=False, index=True),
    Column(
        "study_instance_uid", String(64), nullable=False, index=True
    ),  # that the order names; mostly of no study here
    Column("patient_id", String(250), nullable=False, index=True),
    Column("patient", JSON, nullable=False),  # structured_report.content.Patient
    Column("order", JSON, nullable=False),  # structured_report.content.Order
    Column("priority", String(16), nullable=False, default=""),
    Column("scheduled_at", String(32), nullable=False, default=""),  # digits that sort, local time of the site
    Column("modality", String(16), nullable=False, default=""),
    Column("state", String(16), nullable=False),  # placed | cancelled | completed
    Column("source", String(64), nullable=False),  # "hl7", or the name of the worklist
    Column("message_id", Integer, ForeignKey("hl7_message.id")),  # the newest; NULL from a worklist
    Column("heard_at", Moment, nullable=False),
    Index("patient_order_by_message", "message_id"),
)

# What was said of patients, in the order in which it was heard. A merge has `gone_id`.
patient_statement = Table(
    "patient_statement",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", Integer, ForeignKey("hl7_message.id"), nullable=False),
    Column("patient_id", String(250), nullable=False, index=True),
    Column("patient", JSON, nullable=False),  # structured_report.content.Patient
    Column("gone_id", String(250), nullable=False, default="", index=True),
    Column("gone", JSON),  # structured_report.content.Patient
    Column("heard_at", Moment, nullable=False),
    Index("patient_statement_by_message", "message_id"),
)

# Reports that a person has finished.
final_report = Table(
    "final_report",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", Integer, ForeignKey("hl7_message.id"), nullable=False),
    Column("accession_number", String(64), nullable=False, index=True),
    Column("placer_order_number", String(199), nullable=False, index=True),
    Column("filler_order_number", String(199), nullable=False, index=True),
    Column("study_instance_uid", String(64), nullable=False, index=True),
    Column("patient", JSON, nullable=False),  # structured_report.content.Patient
    Column("status", String(4), nullable=False),
    Column("heard_at", Moment, nullable=False),
    Index("final_report_by_message", "message_id"),
)

# By what a message finds a study: every Patient ID and accession number that one of its images carries.
study_key = Table(
    "study_key",
    metadata,
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), primary_key=True),
    Column("kind", String(16), primary_key=True),  # patient | accession
    Column("value", String(1024), primary_key=True),
    Index("study_key_by_value", "kind", "value"),
)

# Something was heard about these studies that has not been weighed yet: nothing of them leaves until it is.
study_unsettled = Table(
    "study_unsettled",
    metadata,
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), primary_key=True),
    Column("since", Moment, nullable=False),
)

# How a study was matched when it was last weighed.
study_match = Table(
    "study_match",
    metadata,
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), primary_key=True),
    Column("order_id", Integer, ForeignKey("patient_order.id")),
    Column("how", String(32), nullable=False),  # structured_report.content.Order.match
    Column("doubt", String(64), nullable=False),  # code; empty when there is none
    Column("candidates", JSON, nullable=False),  # ids of the orders that came into question
    Column("overlays", JSON, nullable=False),  # agent.orders.people.Overlay
    Column("weighed_at", Moment, nullable=False),
    Index("study_match_by_order", "order_id"),
)

# What a person decided about a study; the newest holds. What was heard later is weighed as ever.
study_decision = Table(
    "study_decision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), nullable=False, index=True),
    Column("order_id", Integer, ForeignKey("patient_order.id")),
    Column("without_order", Boolean, nullable=False),
    Column("patient", String(16), nullable=False),  # images | order | registry; empty when not decided
    Column("reason", Text, nullable=False),
    Column("known_order", Integer, nullable=False),  # the newest ids at that time
    Column("known_statement", Integer, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Index("study_decision_by_order", "order_id"),
)

# Why results of a study are not sent as ever: withdrawn | reported | cancelled | held (by a person).
study_stop = Table(
    "study_stop",
    metadata,
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("words", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Index(
        "study_stop_by_kind", "kind", "study_instance_uid"
    ),  # what is held is little, what was reported grows for ever
)

# Which messages were about a study.
message_study = Table(
    "message_study",
    metadata,
    Column("message_id", Integer, ForeignKey("hl7_message.id"), primary_key=True),
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), primary_key=True),
    Index("message_study_by_study", "study_instance_uid"),
)
