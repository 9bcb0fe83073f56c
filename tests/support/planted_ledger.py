"""A ledger with trouble in it, as the stages would have written it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Connection, Float, Integer, LargeBinary, delete, insert, update

from agent.service import open_store
from agent.settings import Settings
from agent.store import processes, schema, studies

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

    def revision_of(self, uid: str) -> int:
        with self.ledger.read() as view:
            newest = studies.newest_revision(view, uid)
        assert newest is not None
        return newest.id

    def finished(self, uid: str, *, days: int, state: str = "read") -> int:
        """A study with an image and a report that was delivered, which came so many days before 2026-06-01; returns its
        revision's id."""
        revision = self.everything(uid, patient_id=f"PID-{uid}", name="N", accession=f"ACC-{uid}")
        came = datetime(2026, 6, 1, 12, tzinfo=UTC) - timedelta(days=days)
        with self.ledger.begin() as tx:
            c = schema.study.c
            tx.execute(
                update(schema.study).where(c.study_instance_uid == uid).values(state=state, last_received_at=came)
            )
            tx.execute(delete(schema.job))
            tx.execute(delete(schema.study_unsettled))
            tx.execute(delete(schema.forgotten_file))
        return revision

    def everything(
        self, uid: str, *, patient_id: str, name: str, accession: str, reply: str = "r", draft: str = "d"
    ) -> int:
        """A row about that study in every table that is about studies, with the files that they name; returns the
        revision's id."""
        patient = {"patient_id": patient_id, "name": name, "issuer": "", "birth_date": "", "sex": ""}
        about = {"patient": patient, "order": {"accession_number": accession}}
        said = {
            "study_instance_uid": uid, "patient_id": patient_id, "accession_number": accession, "state": "delivered",
            "sop_instance_uid": f"{uid}.1", "facts": json.dumps({**patient, "accession_number": accession}), "reply": reply,
            "draft": draft, "words": name, "kind": "sr", "identifier": f"{uid}.9", "priority": "", "gone_id": "",
        }  # fmt: skip
        ids: dict[str, int] = {}
        with self.ledger.begin() as tx:
            for table in sorted(schema.metadata.sorted_tables, key=lambda t: t is schema.job):
                if table.name in ABOUT_NO_STUDY:
                    continue
                row = {c.name: _value(c, table.name, uid, about, said, ids) for c in table.columns if not _is_id(c)}
                for more in _ROWS.get(table.name, lambda *_: [{}])(ids, patient_id, accession):
                    ids[table.name] = _put(tx, table, **(row | more))
                if "path" in row and table.name != "forgotten_file":
                    file = self.files.path(str(row["path"]))
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(b"x")
        return ids["study_revision"]

    def delivery(self, revision: int, *, state: str, words: str = "", destination: str = "to-pacs") -> None:
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


# Tables whose rows are about the line, or outlive every study.
ABOUT_NO_STUDY = {
    "listing_progress",
    "settings_request", "settings_in_force",
    "schema_version", "home", "process", "alarm", "qc_run", "audit", "audit_forwarded", "doomed_file", "turnaround", "audit_check",
    "daily_count", "counted_up_to", "api_token", "account", "web_session", "sign_in_brake", "saved_view",
}  # fmt: skip
_TARGETS = {"message_id": "hl7_message", "order_id": "patient_order"}
# Where a row must differ from what its columns' names say.
_ROWS: dict[str, Callable[[dict[str, int], str, str], list[dict[str, Any]]]] = {
    "study": lambda *_: [{"state": "read", "revision": 1}],
    "study_key": lambda _, patient, accession: [
        {"kind": "patient", "value": patient}, {"kind": "accession", "value": accession},
    ],
    "job": lambda ids, *_: [{"kind": "read", "key": str(ids["study_revision"]), "state": "waiting", "lane": ""}],
    "hl7_message": lambda _ids, _patient, accession: [
        {"state": "done", "sender": "RIS", "address": "10.0.0.1", "control_id": "M1", "type": "ORM^O01", "content": b"MSH|",
         "digest": hashlib.sha256(accession.encode()).hexdigest()},
    ],
    "qc_picture": lambda *_: [{"grid": b"x"}],
}  # fmt: skip


def _is_id(column: Column[Any]) -> bool:
    return column.name == "id" and isinstance(column.type, Integer)


def _value(
    column: Column[Any], table: str, uid: str, about: Mapping[str, Any], said: Mapping[str, Any], ids: dict[str, int]
) -> Any:
    """Something that fits the column, and says whose it is where it can."""
    name, kind = column.name, column.type
    if name in ("path",):
        suffix = ".hl7" if table == "document" else ".dcm"
        what = "instance" if table == "forgotten_file" else table
        return f"{'documents' if table == 'document' else 'images'}/{uid}-{what}{suffix}"
    if name.endswith("_id") and isinstance(kind, Integer):
        return ids[_TARGETS.get(name) or name.removesuffix("_id").replace("revision", "study_revision")]
    if name in said and not isinstance(kind, Integer | Float):
        return said[name]
    if isinstance(kind, JSON):
        return about
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, Integer | Float):
        return 1
    if isinstance(kind, schema.Moment):
        return NOW
    if isinstance(kind, LargeBinary):
        return b"x"
    return f"{name}-{uid}"


def _put(tx: Connection, table: Any, **values: Any) -> int:
    """Insert the row; returns its id, 0 where the table is keyed by something else."""
    key = tx.execute(insert(table).values(**values)).inserted_primary_key[0]
    return key if isinstance(key, int) else 0
