"""The ledger's tables, a module for each room. Every stage writes its own; between two stages there is nothing but these.

Moments are aware UTC `datetime` outside and fixed-width text inside, so that they sort as they read.
"""

from __future__ import annotations

from agent.store.schema.base import Moment, metadata
from agent.store.schema.counts import counted_up_to, daily_count
from agent.store.schema.keeping import audit, audit_check, audit_forwarded, doomed_file, forgotten_file
from agent.store.schema.listing import listing, listing_finding, listing_progress
from agent.store.schema.orders import (
    final_report,
    hl7_message,
    message_study,
    patient_order,
    patient_statement,
    study_decision,
    study_key,
    study_match,
    study_stop,
    study_unsettled,
    worklist_answer,
)
from agent.store.schema.people import account, saved_view, sign_in_brake, web_session
from agent.store.schema.readings import (
    flag,
    prior_awaited,
    prior_image,
    prior_search,
    qc_picture,
    qc_run,
    reading,
    reply,
    urgency,
)
from agent.store.schema.results import commitment, commitment_request, delivery, document, report_shortfall, unanswered
from agent.store.schema.reviews import review
from agent.store.schema.running import alarm, home, job, process, settings_in_force, settings_request, turnaround
from agent.store.schema.studies import (
    event,
    image_use,
    image_use_change,
    instance,
    open_study,
    refusal,
    study,
    study_revision,
)
from agent.store.schema.tokens import api_token
from agent.store.schema.versions import SCHEMA_VERSION, UPGRADES, schema_version

__all__ = [
    "SCHEMA_VERSION",
    "UPGRADES",
    "Moment",
    "account",
    "alarm",
    "api_token",
    "audit",
    "audit_check",
    "audit_forwarded",
    "commitment",
    "commitment_request",
    "counted_up_to",
    "daily_count",
    "delivery",
    "document",
    "doomed_file",
    "event",
    "final_report",
    "flag",
    "forgotten_file",
    "hl7_message",
    "home",
    "image_use",
    "image_use_change",
    "instance",
    "job",
    "listing",
    "listing_finding",
    "listing_progress",
    "message_study",
    "metadata",
    "open_study",
    "patient_order",
    "patient_statement",
    "prior_awaited",
    "prior_image",
    "prior_search",
    "process",
    "qc_picture",
    "qc_run",
    "reading",
    "refusal",
    "reply",
    "report_shortfall",
    "review",
    "saved_view",
    "schema_version",
    "settings_in_force",
    "settings_request",
    "sign_in_brake",
    "study",
    "study_decision",
    "study_key",
    "study_match",
    "study_revision",
    "study_stop",
    "study_unsettled",
    "turnaround",
    "unanswered",
    "urgency",
    "web_session",
    "worklist_answer",
]
