"""Studies of many days in a ledger, as the stages write them, so that they can be counted: thousands in a second."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select

from agent.imaging.facts import PHANTOM, InstanceFacts
from agent.store import schema
from structured_report.content import Finding, Order, Patient, Presence, Provenance, Study
from structured_report.plain import finding_to_json, provenance_to_json, study_to_json

_PROVENANCE = provenance_to_json(
    Provenance(
        "cxr-preread project", "commissioning", "cxr-preread", "0.1", "ab" * 32, "none", "protocol@1234", "2.25.7"
    )
)

_DX = "1.2.840.10008.5.1.4.1.1.1.1"


@dataclass(frozen=True)
class Planted:
    """One study. `took`: (what, destination, seconds); `outcome` empty: not read yet; `priority` empty: not flagged."""

    uid: str
    at: datetime
    maker: str = "Acme"
    model: str = "DX 1"
    images: int = 1
    drawn: bool = False
    priority: str = "routine"
    outcome: str = "read"
    reason: str = ""
    present: tuple[str, ...] = ()
    took: tuple[tuple[str, str, float], ...] = ()
    size: int = 1000
    absent: tuple[str, ...] = ("pneumothorax",)
    name: str = "Planted^Petra"
    accession: str = "ACC-7"


def plant(tx: Connection, studies: Sequence[Planted]) -> None:
    """Write them, in this order."""
    first = int(tx.execute(select(func.max(schema.study_revision.c.id))).scalar() or 0) + 1
    rows: dict[Any, list[dict[str, Any]]] = {}

    def put(table: Any, **values: Any) -> None:
        rows.setdefault(table, []).append(values)

    for revision, one in enumerate(studies, first):
        _study(put, one, revision)
    for table, values in rows.items():
        tx.execute(insert(table), values)


def _about(one: Planted) -> dict[str, Any]:
    patient = Patient(patient_id="PID-7", name=one.name)
    return study_to_json(Study(one.uid, patient=patient, order=Order(accession_number=one.accession)))


def _study(put: Any, one: Planted, revision: int) -> None:
    uid, at = one.uid, one.at
    state = one.outcome or "assembled"
    put(
        schema.study, study_instance_uid=uid, state=state, revision=1, reason=one.reason, explanation="",
        first_received_at=at, last_received_at=at,
    )  # fmt: skip
    put(
        schema.study_revision,
        id=revision,
        study_instance_uid=uid,
        number=1,
        set_key="k",
        study=_about(one),
        created_at=at,
    )
    maker, model = PHANTOM if one.drawn else (one.maker, one.model)
    who = ("QC1", "QC1") if one.drawn else ("PID-7", one.accession)
    facts = InstanceFacts(
        manufacturer=maker, manufacturer_model_name=model, patient_id=who[0], accession_number=who[1], patient_name=one.name,
        study_instance_uid=uid, sop_class_uid=_DX, modality="DX", view_position="PA", body_part_examined="CHEST", rows=64,
        columns=64, bits_allocated=16, bits_stored=12, photometric_interpretation="MONOCHROME2",
        presentation_intent_type="FOR PRESENTATION", image_type=("ORIGINAL", "PRIMARY"),
    )  # fmt: skip
    for number in range(one.images):
        sop = f"{uid}.{number + 1}"
        put(
            schema.instance, sop_instance_uid=sop, version=1, study_instance_uid=uid, series_instance_uid=f"{uid}.9",
            sop_class_uid=_DX, transfer_syntax_uid="1.2", digest="d", size=one.size, data_set_offset=0, path=sop,
            calling_ae_title="DX", address="10.0.0.1", received_at=at, facts=facts.to_json(),
        )  # fmt: skip
    later = at + timedelta(seconds=5)
    if one.priority:
        code = "not-flagged" if one.priority == "none" else "flagged"
        put(
            schema.flag, revision_id=revision, priority="routine" if one.priority == "none" else one.priority, reasons=[],
            probabilities=[], provenance={}, trouble="" if code == "flagged" else "no", seconds=1.0, flagged_at=later,
        )  # fmt: skip
        put(schema.event, at=later, study_instance_uid=uid, stage="flag", code=code, words=one.priority)
    if one.outcome:
        put(
            schema.reading, revision_id=revision, outcome=one.outcome, reason=one.reason, provenance=_PROVENANCE, notes=[],
            findings=[finding_to_json(Finding(c, Presence.PRESENT)) for c in one.present]
            + [finding_to_json(Finding(c, Presence.ABSENT)) for c in one.absent],
            completed_at=later,
        )  # fmt: skip
        stage = "assemble" if one.outcome == "not-analysed" else "read"
        words = "revision 1: not analysed: lateral only" if stage == "assemble" else "revision 1, 120 tokens"
        put(
            schema.event,
            at=later,
            study_instance_uid=uid,
            stage=stage,
            code=one.reason or one.outcome,
            words=words,
        )
    for what, destination, seconds in one.took:
        _delivered(put, one, revision, what, destination)
        put(
            schema.turnaround, what=what, revision_id=revision, destination=destination, seconds=seconds,
            at=at + timedelta(seconds=seconds),
        )  # fmt: skip


def _delivered(put: Any, one: Planted, revision: int, what: str, destination: str) -> None:
    if not destination:
        return
    number = revision * 10 + ("sr", "oru").index(what)
    put(schema.document, id=number, revision_id=revision, kind=what, identifier=f"1.9.{number}", path=f"{number}", digest="d",
        created_at=one.at)  # fmt: skip
    put(schema.delivery, document_id=number, destination=destination, state="delivered", attempts=1, words="0000",
        created_at=one.at, finished_at=one.at)  # fmt: skip


_CONCEPTS = ("pleural_effusion", "consolidation", "cardiomegaly", "pneumothorax", "pulmonary_edema", "atelectasis")
_SCANNERS = (("Siemens Healthineers", "Ysio X.pree"), ("Philips", "DigitalDiagnost C90"), ("GE", "Optima XR220amx"))


def realistic(last: datetime, days: int, a_day: int, seed: int = 1) -> list[Planted]:
    """What a department might see in the days up to then."""
    chance, made = random.Random(seed), []
    for day in range(days):
        for number in range(chance.randint(a_day // 2, a_day)):
            at = last - timedelta(days=days - 1 - day) + timedelta(hours=chance.triangular(-9, 12, 1))
            maker, model = chance.choices(_SCANNERS, (6, 3, 1))[0]
            outcome = chance.choices(("read", "abstained", "not-analysed"), (90, 3, 7))[0]
            flagged = outcome != "not-analysed"
            seconds = chance.lognormvariate(2.3, 0.4)
            took = [("flag", "", seconds)] if flagged else []
            if outcome == "read":
                took += [("sr", "to-pacs", seconds + chance.lognormvariate(3.8, 0.4))]
                took += [("oru", "to-ris", seconds + chance.lognormvariate(3.8, 0.5))]
            reasons = {
                "read": "",
                "abstained": "reply-truncated",
                "not-analysed": chance.choice(("lateral-only", "not-chest")),
            }
            made.append(
                Planted(
                    uid=f"1.2.{day}.{number}",
                    at=at,
                    maker=maker,
                    model=model,
                    images=chance.choice((1, 1, 2)),
                    priority=chance.choices(("routine", "urgent", "critical"), (85, 12, 3))[0] if flagged else "",
                    outcome=outcome,
                    reason=reasons[outcome],
                    present=tuple(c for n, c in enumerate(_CONCEPTS) if chance.random() < 0.2 / (n + 1)),
                    took=tuple(took),
                    size=chance.randint(8_000_000, 20_000_000),
                )
            )
    return sorted(made, key=lambda one: one.at)
