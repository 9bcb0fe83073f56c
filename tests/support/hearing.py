"""An office that hears of orders and patients: its real stages stepped by hand, a RIS at its end, and no model.

Its films are of hands, so that what is reported ("not analysed") needs nobody who reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import hl7
from pydicom import Dataset

from agent.clock import SystemClock
from agent.delivery.build import build_destinations
from agent.delivery.outbox import Outbox
from agent.hl7.listener import MllpListener, acknowledge
from agent.imaging.facts import facts_of
from agent.imaging.headers import locate_data_set
from agent.intake.assembly import assembly_of
from agent.orders.said import Heard, OrderChange, OrderSaid, PatientSaid, PatientsMerged, ReportSaid, Said
from agent.orders.stage import OrdersStage
from agent.reporting.stage import Reporting
from agent.service import open_store
from agent.settings import Settings
from agent.store import heard, orders, overview, studies
from agent.store.arrivals import Arrival, record
from agent.store.engine import Ledger
from agent.store.heard import HeardMessage
from agent.work.queue import Job, Queue, enqueue
from structured_report.content import Order, Patient, Priority
from tests.support.films import save, small_image

Key = tuple[str, str, str, str]
"""Where a RIS files a result: PID-3.1, OBR-2, OBR-3, OBR-18."""


class KeepingRis(MllpListener):
    """A RIS that keeps every message in its order."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        super().__init__(self._take)

    def _take(self, message: bytes) -> bytes:
        self.messages.append(message)
        return acknowledge(message, application="RIS", facility="TEST")


def filed_under(message: bytes | hl7.Message) -> Key:
    parsed = hl7.parse(message.decode()) if isinstance(message, bytes) else message
    obr, pid = parsed.segment("OBR"), parsed.segment("PID")
    return (str(pid[3]).split("^")[0], str(obr[2]), str(obr[3]), str(obr[18]))


def takes_back(message: bytes | hl7.Message) -> bool:
    parsed = hl7.parse(message.decode()) if isinstance(message, bytes) else message
    return any(str(s[11]) == "W" for s in parsed.segments("OBX") if len(s) > 11)


def standing(messages: Sequence[bytes | hl7.Message]) -> set[Key]:
    """Under what a RIS that got these has results that were not taken back."""
    last = {filed_under(m): takes_back(m) for m in messages}
    return {key for key, withdrawn in last.items() if not withdrawn}


def hear(ledger: Ledger, *said: Said, sender: str = "RIS|HOSPITAL") -> int:
    """A message that says so, kept as the listener keeps it; returns its id."""
    now = SystemClock().now()
    with ledger.begin() as tx:
        number = len(heard.listed(tx, limit=1_000_000)) + 1
        kind = type(said[0]).__name__ if said else "nothing"
        made = Heard(tuple(said)).to_json()
        message = HeardMessage(sender, "127.0.0.1", f"M{number}", kind, f"{number}", b"MSH", made, now)
        message_id = heard.keep(tx, message)
        assert message_id is not None
        enqueue(tx, "orders", str(message_id), now=now)
    return message_id


def ordered(
    accession: str = "",
    patient: str = "P1",
    *,
    change: OrderChange = OrderChange.PLACED,
    name: str = "Test^Small",
    birth_date: str = "19500102",
    issuer: str = "",
    placer: str = "",
    filler: str = "",
    study: str = "",
    indication: str = "",
    priority: Priority | None = None,
    at: str = "",
    modality: str = "",
) -> OrderSaid:
    return OrderSaid(
        change,
        Patient(patient, issuer, name, birth_date),
        Order(accession, placer, filler, indication=indication),
        study,
        priority,
        at,
        modality,
    )


def person(number: str, name: str = "", birth_date: str = "", issuer: str = "") -> Patient:
    return Patient(number, issuer, name, birth_date)


def merged(gone: str, stays: str, *, issuer: str = "", gone_name: str = "", name: str = "") -> PatientsMerged:
    return PatientsMerged(Patient(stays, issuer, name), Patient(gone, issuer, gone_name))


def corrected(number: str, name: str = "", birth_date: str = "", issuer: str = "") -> PatientSaid:
    return PatientSaid(Patient(number, issuer, name, birth_date))


def reported(accession: str, patient: str = "P1", status: str = "F", *, study: str = "", **who: str) -> ReportSaid:
    whose = Patient(patient, name=who.get("name", "Test^Small"), birth_date=who.get("birth_date", "19500102"))
    return ReportSaid(
        whose, Order(accession, who.get("placer", ""), who.get("filler", "")), study, status, status in "FC"
    )


def report_taken_back(accession: str, patient: str = "P1", status: str = "W", **who: str) -> ReportSaid:
    """The RIS takes a report back that it had sent as finished."""
    said = reported(accession, patient, status, **who)
    return replace(said, is_final=False, is_taken_back=True)


def hand(patient: str = "P1", accession: str = "", study: str = "", **attributes: object) -> Dataset:
    """A film of a hand."""
    attributes = {"PatientID": patient, "AccessionNumber": accession, "PatientBirthDate": "19500102", **attributes}
    image = small_image(8, 8, BodyPartExamined="HAND", **attributes)
    if study:
        image.StudyInstanceUID = study
    return image


class Office:
    """Ledger and stages of the office, and the RIS that it sends to.

    Args:
        ways: other destinations, as settings have them. report: the settings' table.
    """

    def __init__(
        self,
        root: Path,
        ris: KeepingRis,
        *,
        ways: Sequence[dict[str, Any]] = (),
        report: dict[str, Any] | None = None,
        **matching: object,
    ) -> None:
        self.ris = ris
        self.settings = Settings(
            storage={"root": root, "reserve_gb": 0.0},
            intake={"quiet_time_s": 0.0},
            destinations=[{"name": "to-ris", "type": "hl7", "host": "127.0.0.1", "port": ris.port}, *ways],
            report=report or {},
            matching=matching,
        )
        self.ledger, self.files = open_store(self.settings)
        clock = SystemClock()
        self.queue = Queue(self.ledger, clock, "test")
        self.assembly = assembly_of(self.settings, self.ledger, self.queue, clock)
        made = build_destinations(self.settings)
        report = Reporting(self.ledger, self.files, self.queue, clock, self.settings)
        self.stages = {
            "orders": OrdersStage(self.ledger, self.queue, clock),
            "assemble": self.assembly,
            "report": report,
            "deliver": Outbox(self.ledger, self.files, self.queue, clock, self.settings.delivery, made),
        }
        self._arrived = 0

    def close(self) -> None:
        self.ledger.close()

    def arrive(self, *images: Dataset) -> str:
        """Images as the receiver writes them down; returns the UID of their study."""
        for image in images:
            self._arrived += 1
            relative = f"images/{self._arrived}.dcm"
            path = self.files.path(relative)
            path.parent.mkdir(parents=True, exist_ok=True)
            save(image, path)
            now, place = SystemClock().now(), locate_data_set(path)
            version = 1 + sum(
                i.sop_instance_uid == image.SOPInstanceUID for i in self.images(str(image.StudyInstanceUID))
            )
            arrival = Arrival(
                str(image.SOPInstanceUID), version, str(image.StudyInstanceUID), str(image.SeriesInstanceUID),
                str(image.SOPClassUID), place.transfer_syntax_uid, hashlib.sha256(path.read_bytes()).hexdigest(),
                path.stat().st_size, place.offset, relative, "SENDER", "127.0.0.1", "a1", facts_of(image).to_json(),
            )  # fmt: skip
            with self.ledger.begin() as tx:
                record(tx, [arrival], now=now, quiet=timedelta())
                tx.exec_driver_sql("DELETE FROM open_study")
        return str(images[0].StudyInstanceUID)

    def images(self, uid: str) -> tuple[studies.StoredImage, ...]:
        with self.ledger.read() as view:
            return studies.images_of(view, uid)

    def hear(self, *said: Said) -> int:
        return hear(self.ledger, *said)

    def do(self, kind: str) -> bool:
        """The next job of that kind, if there is one."""
        job = self.claim(kind)
        if job is None:
            return False
        self.stages[kind](job)
        return True

    def claim(self, kind: str) -> Job | None:
        lanes = [d.name for d in self.settings.destinations] if kind == "deliver" else [""]
        return next((job for lane in lanes if (job := self.queue.claim(kind, lane)) is not None), None)

    def work(self, *kinds: str) -> None:
        """Everything there is to do, of these kinds or of all."""
        wanted = kinds or tuple(self.stages)
        for _ in range(1000):
            if not any(self.do(kind) for kind in wanted):
                return
        raise AssertionError("the office does not come to rest")

    def study(self, uid: str) -> overview.StudyLine:
        with self.ledger.read() as view:
            (line,) = overview.studies(view, only=[uid])
        return line

    def match(self, uid: str) -> orders.StoredMatch:
        with self.ledger.read() as view:
            found = orders.match_of(view, uid)
        assert found is not None
        return found

    def message(self, message_id: int) -> HeardMessage:
        with self.ledger.read() as view:
            return heard.message(view, message_id)
