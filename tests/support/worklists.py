"""Studies as the stages of the line would have written them, through the store's own functions, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select

from agent.imaging.facts import PHANTOM, InstanceFacts
from agent.store import arrivals, flags, identity, results, studies
from agent.store.arrivals import Arrival
from agent.store.engine import Ledger
from agent.store.flags import StoredFlag
from agent.store.results import StoredDocument, StoredReading
from agent.store.schema import delivery, document, study_revision
from structured_report.content import Finding, Order, Patient, Presence, Priority, Probability, Study
from structured_report.plain import finding_to_json, probability_to_json, study_to_json

NOW = datetime(2026, 1, 3, 10, tzinfo=UTC)


class SetClock:
    """A clock that a test sets."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


class Worklist:
    """Makes studies in a ledger. Every step is one transaction, like that of the stage which does it."""

    def __init__(self, ledger: Ledger, clock: SetClock) -> None:
        self.ledger, self.clock = ledger, clock
        self._images = 0

    def arrive(
        self,
        uid: str,
        *,
        name: str = "DOE^JOHN",
        patient_id: str = "PID-1",
        accession: str = "ACC-1",
        scanner: str = "ROOM1",
        study_date: str = "20260103",
        study_time: str = "101400",
        constancy: bool = False,
        description: str = "Chest PA and lateral",
    ) -> None:
        """One image of the study."""
        self._images += 1
        facts = InstanceFacts(
            sop_instance_uid=f"{uid}.{self._images}", study_instance_uid=uid, modality="DX", patient_id=patient_id,
            patient_name=name, accession_number=accession, study_date=study_date, study_time=study_time,
            study_description=description, patient_birth_date="19600102", patient_sex="M",
        )  # fmt: skip
        if constancy:
            facts = replace(
                facts, patient_id="QC1", accession_number="QC1", manufacturer=PHANTOM[0], manufacturer_model_name=PHANTOM[1]
            )  # fmt: skip
        arrival = Arrival(
            f"{uid}.{self._images}", 1, uid, f"{uid}.0", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.1.2.1", "d" * 64,
            10, 0, f"images/{self._images}.dcm", scanner, "10.0.0.1", f"association-{self._images}", facts.to_json(),
        )  # fmt: skip
        with self.ledger.begin() as tx:
            arrivals.record(tx, [arrival], now=self.clock.now(), quiet=timedelta())
            arrivals.association_closed(tx, arrival.association_id)

    def assemble(self, uid: str) -> int:
        """A new revision of all images; returns its id."""
        now = self.clock.now()
        with self.ledger.begin() as tx:
            image = InstanceFacts.from_json(studies.images_of(tx, uid)[-1].facts)
            about = Study(
                uid,
                study_date=image.study_date,
                study_time=image.study_time,
                patient=Patient(image.patient_id, "", image.patient_name, image.patient_birth_date, image.patient_sex),
                order=Order(accession_number=image.accession_number),
            )
            newest = studies.newest_revision(tx, uid)
            number = 1 if newest is None else newest.number + 1
            revision = studies.add_revision(
                tx, study_instance_uid=uid, number=number, set_key=f"{uid}-{number}", about=study_to_json(about), uses=[], now=now
            )  # fmt: skip
            studies.set_state(tx, uid, "assembled")
            studies.note(tx, uid, "assemble", "assembled", f"revision {number}", now=now)
        return revision

    def flag(
        self,
        uid: str,
        priority: Priority = Priority.ROUTINE,
        reasons: Sequence[str] = (),
        probabilities: Sequence[Probability] = (),
        trouble: str = "",
    ) -> None:
        """The fast look at the newest revision."""
        now = self.clock.now()
        with self.ledger.begin() as tx:
            said = [probability_to_json(p) for p in probabilities]
            row = StoredFlag(
                self._revision(tx, uid), str(priority), list(reasons), said, {}, trouble, 1.0, now
            )  # fmt: skip
            flags.add_flag(tx, row)
            if not trouble:
                flags.raise_urgency(tx, uid, priority, reasons, now=now)
            studies.note(tx, uid, "flag", "not-flagged" if trouble else "flagged", str(priority), now=now)

    def read(
        self, uid: str, outcome: str = "read", findings: Sequence[Finding] = (), priority: Priority = Priority.ROUTINE
    ) -> None:
        """The reading of the newest revision."""
        now, reason = self.clock.now(), "" if outcome == "read" else f"{outcome}-because"
        with self.ledger.begin() as tx:
            row = StoredReading(
                self._revision(tx, uid), outcome, reason, reason, {}, "", "", "", [finding_to_json(f) for f in findings], [], 1.0,
                now, priority=str(priority),
            )  # fmt: skip
            results.add_reading(tx, row)
            studies.set_state(tx, uid, outcome, reason=reason, explanation=reason)
            flags.raise_urgency(tx, uid, priority, ["the draft says so"], now=now)
            studies.note(tx, uid, "read", reason or "read", now=now)

    def report(self, uid: str, destinations: Sequence[str] = ("to-pacs", "to-ris"), *, hold: bool = False) -> None:
        """Documents of the newest revision, and what is to be sent."""
        now = self.clock.now()
        with self.ledger.begin() as tx:
            revision = self._revision(tx, uid)
            made = results.add_document(
                tx, revision, StoredDocument("sr", f"2.25.{revision}", f"{revision}.dcm", "d"), now=now
            )
            for name in destinations:
                results.add_delivery(tx, made, name, hold=hold, now=now)
            studies.note(tx, uid, "report", "reported", now=now)

    def deliver(self, uid: str, *, fails: bool = False, for_good: bool = False) -> None:
        """Every delivery that waits, tried once."""
        now = self.clock.now()
        with self.ledger.begin() as tx:
            for n in self._waiting(tx, uid):
                if fails:
                    again = None if for_good else now + timedelta(seconds=60)
                    results.attempt_failed(tx, n, words="refused", next_try_at=again, now=now)
                else:
                    results.delivered(tx, n, words="0000", now=now)
                studies.note(tx, uid, "deliver", "refused" if fails else "delivered", now=now)

    def doubt(self, uid: str) -> None:
        """Nobody knows whose it is."""
        now = self.clock.now()
        with self.ledger.begin() as tx:
            studies.set_state(tx, uid, studies.NEEDS_ATTENTION, reason="patients-differ", explanation="two patients")
            results.change_hold(tx, uid, hold=True)
            studies.note(tx, uid, "assemble", "patients-differ", "two patients", now=now)

    def finish(self, uid: str) -> None:
        """A person's report has come."""
        now = self.clock.now()
        with self.ledger.begin() as tx:
            if identity.stop(tx, uid, identity.REPORTED, "a person has finished it", now=now):
                studies.set_state(tx, uid, studies.REPORTED, reason="report-finished", explanation="finished")
                studies.note(tx, uid, "orders", "reported", now=now)

    def _revision(self, view: Connection, uid: str) -> int:
        newest = studies.newest_revision(view, uid)
        assert newest is not None
        return newest.id

    def _waiting(self, view: Connection, uid: str) -> list[int]:
        rows = (
            select(delivery.c.id)
            .join(document, document.c.id == delivery.c.document_id)
            .join(study_revision, study_revision.c.id == document.c.revision_id)
            .where(study_revision.c.study_instance_uid == uid, delivery.c.state == "waiting")
        )
        return [int(n) for n in view.execute(rows).scalars()]


def present(concept: str) -> Finding:
    """A finding that the draft states."""
    return Finding(concept, Presence.PRESENT)
