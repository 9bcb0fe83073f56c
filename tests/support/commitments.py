"""One report on its way to a PACS that is to commit it: our receiver, the outbox and the commit stage, stepped by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from sqlalchemy import insert

from agent.delivery.build import build_destinations, committing
from agent.delivery.commitment import CommitStage
from agent.delivery.outbox import Outbox
from agent.intake.admission import Admission
from agent.intake.listen import node_contexts
from agent.service import open_store
from agent.settings import Settings
from agent.store import overview, schema, trouble
from agent.work.queue import Queue, enqueue
from dicom_nodes.commitment import SOP_INSTANCE
from dicom_nodes.contexts import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, STORAGE_COMMITMENT
from dicom_nodes.scp import StorageSCP
from structured_report.sr import encode_sr, file_bytes
from tests.support.reports import images, preread
from tests.support.site import PATIENCE_S, free_port, until

EVIDENCE = images()
VALUE = preread(EVIDENCE)


class SetClock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def go(self, **by: float) -> None:
        self.at += timedelta(**by)


class Office:
    """A site whose one report waits to be delivered, and the stages that see to it."""

    def __init__(
        self, root: Path, pacs_port: int, *, port: int = 0, pacs_title: str = "PACS", plant: bool = True
    ) -> None:
        self.clock = SetClock()
        self.port = port or free_port()
        self.settings = Settings(
            node={"host": "127.0.0.1", "port": self.port},
            peers=[
                {"name": "pacs", "ae_title": pacs_title, "host": "127.0.0.1", "port": pacs_port, "may": ["receive"]},
                {"name": "other", "ae_title": "OTHER", "host": "127.0.0.1", "port": 1, "may": ["receive"]},
                {"name": "modality", "ae_title": "MODALITY", "host": "127.0.0.1", "port": 2, "may": ["send"]},
            ],
            destinations=[
                {"name": "to-pacs", "type": "dicom", "peer": "pacs", "commit": True, "commit_deadline_s": 600},
                {"name": "to-other", "type": "dicom", "peer": "other", "commit": True},
            ],
            storage={"root": root, "reserve_gb": 0.0},
            delivery={"timeout_s": PATIENCE_S, "first_retry_s": 1.0, "longest_retry_s": 10.0},
        )
        self.ledger, self.files = open_store(self.settings)
        self.queue = Queue(self.ledger, self.clock, "test")
        destinations = build_destinations(self.settings)
        self.keepers = committing(self.settings, destinations)
        self.outbox = Outbox(self.ledger, self.files, self.queue, self.clock, self.settings.delivery, destinations)
        self.commit = CommitStage(self.ledger, self.queue, self.clock, self.settings.delivery, self.keepers)
        self.admission = Admission(self.settings, self.ledger, self.files, self.clock)
        self.scp: StorageSCP | None = None
        if plant:
            self._plant()

    def _plant(self) -> None:
        content, uid = file_bytes(encode_sr(VALUE, EVIDENCE)), VALUE.study.study_instance_uid
        path, now = self.files.put_document(content, f"{VALUE.sr_instance_uid}.dcm"), self.clock.now()
        with self.ledger.begin() as tx:
            tx.execute(
                insert(schema.study).values(
                    study_instance_uid=uid, state="read", revision=1, first_received_at=now, last_received_at=now
                )
            )
            tx.execute(
                insert(schema.study_revision).values(
                    id=1, study_instance_uid=uid, number=1, set_key="k", study={}, created_at=now
                )
            )
            digest = hashlib.sha256(content).hexdigest()
            tx.execute(
                insert(schema.document).values(
                    id=1,
                    revision_id=1,
                    kind="sr",
                    identifier=VALUE.sr_instance_uid,
                    path=path,
                    digest=digest,
                    created_at=now,
                )
            )
            tx.execute(
                insert(schema.delivery).values(
                    id=1, document_id=1, destination="to-pacs", state="waiting", created_at=now, next_try_at=now
                )
            )
            enqueue(tx, "deliver", "1", lane="to-pacs", now=now)

    def listen(self) -> None:
        self.scp = StorageSCP(
            self.admission,
            host="127.0.0.1",
            port=self.port,
            contexts=node_contexts(self.settings),
            max_associations=4,
            network_timeout_s=PATIENCE_S,
        )
        self.scp.start()

    def close(self) -> None:
        if self.scp is not None:
            self.scp.stop(2.0)
        self.admission.close()
        self.ledger.close()

    def deliver(self) -> None:
        job = self.queue.claim("deliver", "to-pacs")
        assert job is not None, "nothing to deliver"
        self.outbox(job)

    def see_to_it(self) -> bool:
        """Do what is due about commitments; returns whether anything was."""
        job = self.queue.claim("commit", "to-pacs")
        if job is None:
            return False
        self.commit(job)
        return True

    def settled(self, state: str, *, seconds: float = PATIENCE_S) -> dict[str, Any]:
        """See to what is due until the delivery has that state."""

        def reached() -> dict[str, Any] | None:
            while self.see_to_it():
                pass
            found = self.delivery()
            return found if found["state"] == state else None

        try:
            return dict(until(reached, seconds=seconds, what=f"the delivery is {state}"))
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.delivery()}, {self.history()}") from None

    def delivery(self) -> dict[str, Any]:
        with self.ledger.read() as view:
            (row,) = overview.deliveries(view, VALUE.study.study_instance_uid)
        return row

    def history(self) -> list[str]:
        with self.ledger.read() as view:
            return [f"{e['code']}: {e['words']}" for e in overview.history(view, VALUE.study.study_instance_uid)]

    def in_trouble(self) -> list[str]:
        with self.ledger.read() as view:
            return [p.words for found in trouble.parked_deliveries(view).values() for p in found]

    def associate(self, calling: str, *, role: bool, sop_class: str = STORAGE_COMMITMENT) -> Association:
        """Somebody comes to our node."""
        ae = AE(ae_title=calling)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = PATIENCE_S
        ae.add_requested_context(sop_class)
        roles = [build_role(sop_class, scp_role=True)] if role else []
        return ae.associate("127.0.0.1", self.port, ae_title="PREREAD", ext_neg=roles)


def information(transaction: str, *, committed: Sequence[str] = (), failed: Sequence[tuple[str, int]] = ()) -> Dataset:
    """Event Information as a peer writes it (PS3.4 Table J.3-2)."""
    data_set = Dataset()
    data_set.TransactionUID = transaction
    data_set.ReferencedSOPSequence = [_item(uid) for uid in committed]
    if failed:
        data_set.FailedSOPSequence = [_item(uid) for uid, _ in failed]
        for item, (_, reason) in zip(data_set.FailedSOPSequence, failed, strict=True):
            item.FailureReason = reason
    return data_set


def _item(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = COMPREHENSIVE_3D_SR, uid
    return item


class ScriptedPacs:
    """Stores everything, and answers requests for commitment as it is told: on the same association, or never."""

    def __init__(
        self, *, same_association: bool = False, reasons: Sequence[int] = (0,), action_status: int = 0
    ) -> None:
        self.transactions: list[str] = []
        self.stored: list[str] = []
        self._same, self._reasons, self._action_status = same_association, list(reasons), action_status
        ae = AE(ae_title="PACS")
        for sop_class in (COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, STORAGE_COMMITMENT):
            ae.add_supported_context(sop_class)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_N_ACTION, self._asked)]
        self._server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = int(self._server.server_address[1])

    def _store(self, event: Any) -> int:
        self.stored.append(str(event.dataset.SOPInstanceUID))
        return 0

    def _asked(self, event: Any) -> tuple[int, None]:
        asked = event.action_information
        self.transactions.append(str(asked.TransactionUID))
        (item,) = asked.ReferencedSOPSequence
        assert item.ReferencedSOPClassUID == COMPREHENSIVE_3D_SR
        if self._same and self._action_status == 0:
            reason = self._reasons.pop(0) if len(self._reasons) > 1 else self._reasons[0]
            answer = report(self.transactions[-1], str(item.ReferencedSOPInstanceUID), reason)
            _soon(lambda: event.assoc.send_n_event_report(*answer))
        return self._action_status, None

    def stop(self) -> None:
        self._server.shutdown()


def report(transaction: str, uid: str, reason: int = 0) -> tuple[Dataset, int, str, str]:
    """What pynetdicom's `send_n_event_report` is given to say that of one instance."""
    said = information(transaction, failed=[(uid, reason)]) if reason else information(transaction, committed=[uid])
    return said, 2 if reason else 1, STORAGE_COMMITMENT, SOP_INSTANCE


def _soon(what: Callable[[], Any]) -> None:
    """After the response to the request has gone out."""
    import threading

    threading.Timer(0.1, what).start()
