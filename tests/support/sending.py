"""Messages of a study on their way to a RIS: the ledger, its queue and the outbox, stepped by hand."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from agent.delivery.build import build_destinations
from agent.delivery.outbox import Outbox
from agent.reporting.messages import control_id_for, message_for
from agent.service import open_store
from agent.settings import Settings
from agent.store import messages, overview, results, schema
from agent.store.dialect import upsert
from agent.store.results import StoredDocument
from agent.work.queue import Queue, enqueue, revive
from structured_report.content import Outcome, PreRead
from tests.support.commitments import SetClock
from tests.support.reports import images, preread
from tests.support.site import PATIENCE_S

EVIDENCE = images()
VALUE = preread(EVIDENCE)
LANE = "to-ris"


class Sending:
    """A site with one RIS. A message is planted as the report stage would have written it, by the same encoder."""

    def __init__(self, root: Path, port: int, *, timeout_s: float = PATIENCE_S, **ris: Any) -> None:
        self.clock = SetClock()
        self.settings = Settings(
            destinations=[{"name": LANE, "type": "hl7", "host": "127.0.0.1", "port": port, **ris}],
            storage={"root": root, "reserve_gb": 0.0},
            delivery={"timeout_s": timeout_s, "first_retry_s": 10.0, "longest_retry_s": 60.0},
        )
        self.ledger, self.files = open_store(self.settings)
        self.queue = Queue(self.ledger, self.clock, "test")
        destinations = build_destinations(self.settings)
        self.outbox = Outbox(self.ledger, self.files, self.queue, self.clock, self.settings.delivery, destinations)

    def close(self) -> None:
        self.ledger.close()

    def plant(self, value: PreRead = VALUE, *, kind: str = "oru") -> bytes:
        """A message about that revision of its study, due at once; returns its bytes."""
        (destination,) = self.settings.destinations
        uid, now = value.study.study_instance_uid, self.clock.now()
        control_id, content = control_id_for(value, destination), message_for(value, destination)
        path = self.files.put_document(content, f"{control_id}.hl7")
        made = StoredDocument(kind, control_id, path, hashlib.sha256(content).hexdigest())
        with self.ledger.begin() as tx:
            revision = self._revision(tx, uid, value.revision)
            if kind in messages.RESULTS:
                results.supersede_undelivered(tx, uid, value.revision, now=now)
                results.supersede_undelivered(tx, uid, value.revision + 1, kinds=("flag",), now=now)
            document_id = results.add_document(tx, revision, made, now=now)
            delivery_id = results.add_delivery(tx, document_id, LANE, now=now)
            enqueue(tx, "deliver", str(delivery_id), lane=LANE, now=now)
        return content

    def _revision(self, tx: Connection, uid: str, number: int) -> int:
        now = self.clock.now()
        row = {"state": "read", "revision": number, "first_received_at": now, "last_received_at": now}
        tx.execute(upsert(schema.study).values(study_instance_uid=uid, **row).on_conflict_do_nothing())
        known = tx.execute(
            select(schema.study_revision.c.id).where(
                schema.study_revision.c.study_instance_uid == uid, schema.study_revision.c.number == number
            )
        ).scalar()
        if known is not None:
            return int(known)
        made = {"number": number, "set_key": str(number), "study": {"patient": {"patient_id": "P"}}, "created_at": now}
        return int(
            tx.execute(insert(schema.study_revision).values(study_instance_uid=uid, **made)).inserted_primary_key[0]
        )

    def attempt(self) -> bool:
        """The next delivery that is due; returns whether there was one."""
        job = self.queue.claim("deliver", LANE)
        if job is None:
            return False
        self.outbox(job)
        return True

    def try_again(self) -> None:
        """As a person has it."""
        now = self.clock.now()
        with self.ledger.begin() as tx:
            for delivery_id, name in results.try_again(tx, VALUE.study.study_instance_uid, now=now):
                revive(tx, "deliver", str(delivery_id), lane=name, now=now)

    def wait(self) -> None:
        """Until whatever waits is due."""
        self.clock.go(minutes=5)

    def deliveries(self, value: PreRead = VALUE) -> list[dict[str, Any]]:
        """In the order in which they were planted."""
        with self.ledger.read() as view:
            return overview.deliveries(view, value.study.study_instance_uid)

    def delivery(self) -> dict[str, Any]:
        (row,) = self.deliveries()
        return row

    def states(self, value: PreRead = VALUE) -> list[str]:
        return [str(d["state"]) for d in self.deliveries(value)]


def later(revision: int, *, outcome: Outcome = Outcome.READ) -> PreRead:
    """A newer result of the same study."""
    about = preread(EVIDENCE, outcome=outcome)
    return replace(
        about, revision=revision, sr_instance_uid=f"2.25.777{revision}{len(outcome)}", explanation=f"look {revision}"
    )


def of_another_study() -> PreRead:
    """A result about somebody else."""
    return replace(VALUE, study=replace(VALUE.study, study_instance_uid="2.25.99"), sr_instance_uid="2.25.7799")
