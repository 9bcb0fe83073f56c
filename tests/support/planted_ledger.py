"""A ledger with trouble in it, as the stages would have written it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert

from agent.service import open_store
from agent.settings import Settings
from agent.store import processes, schema

NOW = datetime(2026, 1, 3, 10, tzinfo=UTC)


class PlantedLedger:
    """The ledger of a site, to plant rows in."""

    def __init__(self, settings: Settings) -> None:
        self.ledger, self.files = open_store(settings)

    def close(self) -> None:
        self.ledger.close()

    def study(self, uid: str, *, state: str = "read", reason: str = "") -> int:
        """A study with one revision; returns the revision's id."""
        with self.ledger.begin() as tx:
            _put(
                tx,
                schema.study,
                study_instance_uid=uid,
                state=state,
                reason=reason,
                revision=1,
                first_received_at=NOW,
                last_received_at=NOW,
            )
            return _put(
                tx, schema.study_revision, study_instance_uid=uid, number=1, set_key="x", study={}, created_at=NOW
            )

    def delivery(self, revision: int, *, state: str, words: str, destination: str = "to-pacs") -> None:
        with self.ledger.begin() as tx:
            made = _put(
                tx,
                schema.document,
                revision_id=revision,
                kind="sr",
                identifier=f"1.2.{revision}",
                path="p",
                digest="d",
                created_at=NOW,
            )
            _put(
                tx,
                schema.delivery,
                document_id=made,
                destination=destination,
                state=state,
                attempts=1,
                words=words,
                created_at=NOW,
            )

    def job(self, kind: str, key: str, *, state: str, error: str = "") -> None:
        with self.ledger.begin() as tx:
            _put(tx, schema.job, kind=kind, key=key, state=state, error=error, run_at=NOW, rank_at=NOW, created_at=NOW)

    def note(self, uid: str, code: str) -> None:
        with self.ledger.begin() as tx:
            _put(tx, schema.event, study_instance_uid=uid, stage="report", code=code, at=datetime.now(UTC))

    def process(self, role: str, state: str, *, at: datetime | None = None) -> None:
        with self.ledger.begin() as tx:
            processes.announce(tx, role, 1, state, "", now=at or datetime.now(UTC))


def _put(tx: Connection, table: Any, **values: Any) -> int:
    """Insert the row; returns its id, 0 where the table is keyed by something else."""
    key = tx.execute(insert(table).values(**values)).inserted_primary_key[0]
    return key if isinstance(key, int) else 0
