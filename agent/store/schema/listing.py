"""What the worklist shows: one row a study, made from the other tables (agent.store.listing_rows) and from nothing else.

Nothing is decided by it, and it may be thrown away: it is made anew from what the stages wrote.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from agent.store.schema.base import Moment, metadata

listing = Table(
    "listing",
    metadata,
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), primary_key=True),
    Column("version", Integer, nullable=False),  # of what makes rows
    Column("position", BigInteger, nullable=False),  # in the worklist; agent.store.listing_rows.position
    # Whose and what it is: of the newest revision, else of the newest image.
    Column("patient_name", Text, nullable=False),  # PN
    Column("patient_id", Text, nullable=False),
    Column("birth_date", Text, nullable=False),  # DA
    Column("sex", Text, nullable=False),
    Column("accession_number", Text, nullable=False),
    Column("study_date", Text, nullable=False),  # DA
    Column("study_time", Text, nullable=False),  # TM
    Column("description", Text, nullable=False),
    Column("modality", Text, nullable=False),
    Column("scanner", String(16), nullable=False),  # calling AE title of the newest image
    Column("scanner_model", Text, nullable=False),
    Column("images", Integer, nullable=False),
    Column("constancy", Boolean, nullable=False),  # a film of the constancy test, of nobody
    # Where it stands.
    Column("state", String(24), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("explanation", Text, nullable=False),
    Column("standing", String(24), nullable=False),  # the one word for people; agent.store.listing_rows.STANDINGS
    Column("revision", Integer, nullable=False),
    Column("priority", String(16), nullable=False),  # routine (also while nothing has ranked it) | urgent | critical
    Column("reasons", JSON, nullable=False),
    Column("flag", String(16), nullable=False),  # priority that the fast look gave; empty when there is no flag
    Column("flag_trouble", Text, nullable=False),
    Column("flagged_at", Moment),
    Column("outcome", String(16), nullable=False),  # of the reading; empty before
    Column("read_at", Moment),
    Column("findings", JSON, nullable=False),  # agent.store.listing_rows.chips
    Column("delivered", Integer, nullable=False),  # of the newest revision
    Column("waiting", Integer, nullable=False),
    Column("parked", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Column("failing", String(16), nullable=False),  # the first stage that does not get on; empty when all do
    Column("trouble", Boolean, nullable=False),  # a person should look: as `preread studies --trouble` has it
    Column("reported_at", Moment),  # since when a person's finished report is known
    # agent.store.reviews, of the draft as a whole; without it by-finding (every finding was judged) or begun (only some were); NULL
    # until there is one
    Column("verdict", String(16)),
    Column("verdict_by", String(64)),
    Column("reviewed", Boolean, nullable=False),  # as a whole, or every finding
    Column("arrived_at", Moment, nullable=False),
    Column("last_received_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    # What is searched and sorted by, folded (agent.store.listing_rows.folded).
    Column("study_moment", String(64), nullable=False),  # digits of study date and time
    Column("name_key", String(64), nullable=False),
    Column("other_name_key", String(64), nullable=False),  # of the ideographic group
    Column("id_key", String(64), nullable=False),
    Column("accession_key", String(64), nullable=False),
    Index("listing_order", "position", "study_instance_uid"),
    Index("listing_by_standing", "standing", "position", "study_instance_uid"),
    Index("listing_by_priority", "priority", "position", "study_instance_uid"),
    Index("listing_by_scanner", "scanner", "position", "study_instance_uid"),
    Index("listing_by_failing", "failing", "position", "study_instance_uid"),
    Index("listing_by_trouble", "trouble", "position", "study_instance_uid"),
    Index("listing_by_review", "reviewed", "position", "study_instance_uid"),
    Index("listing_by_moment", "study_moment", "study_instance_uid"),
    Index("listing_by_name", "name_key", "study_instance_uid"),
    Index("listing_by_other_name", "other_name_key", "study_instance_uid"),
    Index("listing_by_id", "id_key", "study_instance_uid"),
    Index("listing_by_accession", "accession_key", "study_instance_uid"),
)

# Which studies have a finding among their chips.
listing_finding = Table(
    "listing_finding",
    metadata,
    Column("study_instance_uid", String(64), ForeignKey("study.study_instance_uid"), primary_key=True),
    Column("concept", String(32), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Index("listing_by_finding", "concept", "position", "study_instance_uid"),
)

# How far the rows follow the history of the studies.
listing_progress = Table(
    "listing_progress",
    metadata,
    Column("id", Integer, primary_key=True),  # 1
    Column("event_id", Integer, nullable=False),  # every event up to here is in the rows
    Column("version", Integer, nullable=False),  # of what makes rows, when all were last made
    Column("walked_to", String(64), nullable=False, default=""),  # the sweep has looked at studies up to here
)
