"""The version of the schema, and what brings a database of an earlier one up to it."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table

from agent.store.schema.base import metadata

SCHEMA_VERSION = 5

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
    3: (
        "CREATE INDEX IF NOT EXISTS study_by_state ON study (state, last_received_at)",
        "CREATE INDEX IF NOT EXISTS instance_by_sender ON instance (calling_ae_title, received_at)",
    ),
    4: (
        "CREATE INDEX IF NOT EXISTS study_stop_by_kind ON study_stop (kind, study_instance_uid)",
        "CREATE INDEX IF NOT EXISTS study_by_first_arrival ON study (first_received_at)",
        "CREATE INDEX IF NOT EXISTS image_use_by_instance ON image_use (instance_id)",
        "CREATE INDEX IF NOT EXISTS image_use_change_by_instance ON image_use_change (instance_id)",
        "CREATE INDEX IF NOT EXISTS prior_search_by_image ON prior_search (prior_image_id)",
        "CREATE INDEX IF NOT EXISTS patient_order_by_message ON patient_order (message_id)",
        "CREATE INDEX IF NOT EXISTS patient_statement_by_message ON patient_statement (message_id)",
        "CREATE INDEX IF NOT EXISTS final_report_by_message ON final_report (message_id)",
        "CREATE INDEX IF NOT EXISTS study_match_by_order ON study_match (order_id)",
        "CREATE INDEX IF NOT EXISTS study_decision_by_order ON study_decision (order_id)",
    ),
}

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))
