"""The ledger's tables. Every stage writes its own; between two stages there is nothing but these.

Moments are aware UTC `datetime` outside and fixed-width text inside, so that they sort as they read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy import event as event_of_sqlalchemy
from sqlalchemy.types import TypeDecorator

SCHEMA_VERSION = 3

# What brings a database of a version to the next one; tables that are new are made in any case.
UPGRADES: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE reading ADD COLUMN impression TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE reading ADD COLUMN comparison TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE reading ADD COLUMN regions JSON NOT NULL DEFAULT '[]'",
        "ALTER TABLE reading ADD COLUMN verdicts JSON NOT NULL DEFAULT '[]'",
        "ALTER TABLE reading ADD COLUMN priority VARCHAR(16) NOT NULL DEFAULT ''",
        "ALTER TABLE reading ADD COLUMN reasons JSON NOT NULL DEFAULT '[]'",
    ),
    2: ("CREATE INDEX IF NOT EXISTS document_by_revision ON document (revision_id)",),
}


class Moment(TypeDecorator[datetime]):
    """Aware UTC datetime as ``YYYY-MM-DDTHH:MM:SS.ffffff`` text."""

    impl = String(26)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC)


metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

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
    Column("facts", Text, nullable=False),  # JSON of InstanceFacts
    UniqueConstraint("sop_instance_uid", "version"),
    Index("instance_by_study", "study_instance_uid"),
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
)

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

document = Table(
    "document",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision_id", Integer, ForeignKey("study_revision.id"), nullable=False),
    Column("kind", String(8), nullable=False),  # sr | sc | gsps | plain-sr | oru | flag | retract | json
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
    Index("job_one_waiting", "kind", "key", unique=True, sqlite_where=text("state = 'waiting'")),
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
    Column("facts", Text, nullable=False),  # JSON of InstanceFacts
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
)

# Images that this node has asked a peer to send (C-MOVE): they come like any other, and are not to be read.
prior_awaited = Table(
    "prior_awaited",
    metadata,
    Column("sop_instance_uid", String(64), primary_key=True),
    Column("source", String(64), nullable=False),
    Column("until", Moment, nullable=False),
)

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
)

# Why results of a study are not sent as ever: withdrawn | reported | cancelled.
study_stop = Table(
    "study_stop",
    metadata,
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("words", Text, nullable=False),
    Column("since", Moment, nullable=False),
)

# Which messages were about a study.
message_study = Table(
    "message_study",
    metadata,
    Column("message_id", Integer, ForeignKey("hl7_message.id"), primary_key=True),
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), primary_key=True),
    Index("message_study_by_study", "study_instance_uid"),
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

# Who did what: only ever added to, and chained (agent.store.audit).
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),  # without gaps
    Column("at", Moment, nullable=False),
    Column("message", Text, nullable=False),  # XML of PS3.15 A.5.1
    Column("link", String(64), nullable=False),
)
for _what in ("UPDATE", "DELETE"):
    event_of_sqlalchemy.listen(
        audit,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER audit_no_{_what.lower()} BEFORE {_what} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit trail is only ever added to'); END"
        ),
    )

# How far the syslog server has been sent it.
audit_forwarded = Table(
    "audit_forwarded",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("up_to", Integer, nullable=False),
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
    Index("alarm_open", "code", "about", unique=True, sqlite_where=text("recovered_at IS NULL")),
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
