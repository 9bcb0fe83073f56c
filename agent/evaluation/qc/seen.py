"""What has become of a film that was sent, by the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from agent.store import flags, overview, qc, results, studies
from agent.store.flags import StoredFlag
from agent.store.qc import Shown
from agent.store.results import StoredReading
from agent.work.queue import is_wanted


@dataclass(frozen=True, slots=True)
class Seen:
    """How far the study of one film has come.

    Attributes:
        arrived_at: when its last image was kept; None when the line does not know it.
        documents: (kind, when it was made) of each document of the newest revision.
        shown: what the model was shown of its frontal image.
        reported: whether the report stage is through with that revision.
    """

    arrived_at: datetime | None = None
    flag: StoredFlag | None = None
    reading: StoredReading | None = None
    documents: tuple[tuple[str, datetime], ...] = ()
    shown: Shown | None = None
    reported: bool = False

    @property
    def flagged(self) -> bool:
        """Whether there will be no flag, or no other, than there is."""
        return self.flag is not None or self.reading is not None


def look(view: Connection, study_instance_uid: str) -> Seen:
    """How far that study has come."""
    lines = overview.studies(view, only=[study_instance_uid])
    if not lines:
        return Seen()
    revision = studies.newest_revision(view, study_instance_uid)
    if revision is None:
        return Seen(lines[0].last_received_at)
    made = [d for d in overview.documents(view, study_instance_uid) if d["revision"] == revision.number]
    reading = results.reading_of(view, revision.id)
    return Seen(
        arrived_at=lines[0].last_received_at,
        flag=flags.flag_of(view, revision.id),
        reading=reading,
        documents=tuple((d["kind"], d["created_at"]) for d in made if d["kind"] != "flag"),
        shown=qc.shown_of(view, revision.id),
        # A reading is written in one transaction with its report job, and the documents with the end of that job.
        reported=reading is not None and not is_wanted(view, "report", str(revision.id)),
    )
