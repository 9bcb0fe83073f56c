"""What must hold whatever has happened, looked at from outside: the files, the ledger's tables, what the peers have, and what
the commands say. Nothing of the program's own reading of its ledger is trusted here."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hl7
from pydicom import Dataset, dcmread

from tests.faults.tables import Tables
from tests.support.moody_peers import RECEIPTS

# What a complaint is about.
LOST, DUPLICATED, MISFILED, UNSEEN, UNSETTLED, LEAKED, DEFECT = (
    "lost", "duplicated", "misfiled", "unseen", "unsettled", "leaked", "defect",
)  # fmt: skip
KINDS = (LOST, DUPLICATED, MISFILED, UNSEEN, UNSETTLED, LEAKED, DEFECT)
FINAL = {"read", "abstained", "not-analysed"}


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that does not hold: one of `KINDS`, and what was found."""

    kind: str
    words: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"


@dataclass(frozen=True, slots=True)
class Film:
    """An image as it was sent. `pixels`: sha256 of its pixel data."""

    sop_instance_uid: str
    study_instance_uid: str
    patient_id: str
    accession: str
    pixels: str

    @classmethod
    def of(cls, image: Dataset) -> Film:
        return cls(
            str(image.SOPInstanceUID), str(image.StudyInstanceUID), str(image.PatientID), str(image.AccessionNumber),
            hashlib.sha256(image.PixelData).hexdigest(),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refused:
    """What a sender was told: the status of a C-STORE, or that its association was rejected (then `status` is empty and
    `about` is its AE title, else the SOP Instance UID)."""

    about: str
    status: str


@dataclass(slots=True)
class Evidence:
    """What the outside knows. `acknowledged`: SOP Instance UIDs answered Success. `refusals`: what the command lists."""

    root: Path
    pacs: Path
    ris: Path
    ledger: Tables
    films: dict[str, Film] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    refused: list[Refused] = field(default_factory=list)
    refusals: Sequence[Mapping[str, Any]] = ()

    def acknowledged_studies(self) -> dict[str, list[Film]]:
        """The films that were answered Success, by accession number."""
        found: dict[str, list[Film]] = defaultdict(list)
        for uid in sorted(self.acknowledged):
            found[self.films[uid].accession].append(self.films[uid])
        return found


def check(evidence: Evidence) -> list[Complaint]:
    """Everything that does not hold; nothing when all is well. The site must have settled."""
    ledger = evidence.ledger
    return [
        *_images(evidence, ledger),
        *_studies(evidence, ledger),
        *_reports(evidence, ledger),
        *_messages(evidence, ledger),
        *_refusals(evidence),
    ]


def _images(evidence: Evidence, ledger: Tables) -> Iterator[Complaint]:
    known = {
        row["sop_instance_uid"]: row
        for row in ledger.rows("SELECT sop_instance_uid, path, digest, data_set_offset FROM instance ORDER BY version")
    }
    for uid in sorted(evidence.acknowledged):
        row, film = known.get(uid), evidence.films[uid]
        if row is None:
            yield Complaint(LOST, f"image {uid} was answered Success and is not in the ledger")
            continue
        path = evidence.root / row["path"]
        if not path.is_file():
            yield Complaint(LOST, f"image {uid} was answered Success and {row['path']} is gone")
            continue
        if hashlib.sha256(path.read_bytes()[row["data_set_offset"] :]).hexdigest() != row["digest"]:
            yield Complaint(LOST, f"image {uid} was answered Success and {row['path']} is not what was received")
        elif Film.of(dcmread(path)) != film:
            yield Complaint(LOST, f"image {uid} was answered Success and {row['path']} is not what was sent")


_DELIVERIES = """
    SELECT study.study_instance_uid AS study, revision.number = study.revision AS newest, document.kind, document.identifier,
           delivery.destination, delivery.state, delivery.words
    FROM delivery JOIN document ON document.id = delivery.document_id JOIN study_revision AS revision ON
         revision.id = document.revision_id JOIN study ON study.study_instance_uid = revision.study_instance_uid
"""


def _studies(evidence: Evidence, ledger: Tables) -> Iterator[Complaint]:
    states = {row["study_instance_uid"]: row["state"] for row in ledger.rows("SELECT * FROM study")}
    deliveries = defaultdict(list)
    for row in ledger.rows(_DELIVERIES):
        deliveries[row["study"]].append(row)
    for accession, films in evidence.acknowledged_studies().items():
        study = films[0].study_instance_uid
        if states.get(study) not in FINAL:
            yield Complaint(UNSETTLED, f"study {accession} stands at {states.get(study, 'nothing')}")
        for row in deliveries[study]:
            wanted = {"delivered", "committed"} if row["newest"] else {"delivered", "committed", "superseded"}
            if row["state"] not in wanted:
                words = f"{row['kind']} of {accession} to {row['destination']} is {row['state']}: {row['words']}"
                yield Complaint(UNSETTLED, words)


def _documents(ledger: Tables, kind: str) -> dict[str, tuple[str, int, int]]:
    """(study, its revision, the newest revision of that study) of every document of that kind, by its identifier."""
    rows = ledger.rows(
        "SELECT document.identifier, revision.study_instance_uid AS study, revision.number, study.revision AS newest "
        "FROM document JOIN study_revision AS revision ON revision.id = document.revision_id "
        "JOIN study ON study.study_instance_uid = revision.study_instance_uid WHERE document.kind = ?",
        kind,
    )
    return {row["identifier"]: (row["study"], row["number"], row["newest"]) for row in rows}


def _reports(evidence: Evidence, ledger: Tables) -> Iterator[Complaint]:
    """In the PACS: one report for each study that no other of its reports replaces, about the right patient."""
    documents, by_study = _documents(ledger, "sr"), defaultdict(list)
    for path in sorted(evidence.pacs.glob("*.dcm")):
        report = dcmread(path)
        by_study[str(report.StudyInstanceUID)].append(report)
    known = {film.study_instance_uid: film for film in evidence.films.values()}
    for study, reports in by_study.items():
        film = known.get(study)
        for report in reports:
            told = str(report.PatientID), str(report.AccessionNumber)
            if film is None or told != (film.patient_id, film.accession):
                yield Complaint(
                    MISFILED, f"the PACS has a report for {told[1]} under a patient or study that it is not of"
                )
        replaced = {uid for report in reports for uid in _predecessors(report)}
        current = [str(r.SOPInstanceUID) for r in reports if str(r.SOPInstanceUID) not in replaced]
        if len(current) > 1:
            yield Complaint(DUPLICATED, f"the PACS has {len(current)} current reports for {reports[0].AccessionNumber}")
        for uid in current:
            _, revision, newest = documents.get(uid, ("", 0, -1))
            if revision != newest:
                yield Complaint(DUPLICATED, f"the PACS's report for {reports[0].AccessionNumber} is not the newest")
    for accession, films in evidence.acknowledged_studies().items():
        if films[0].study_instance_uid not in by_study:
            yield Complaint(LOST, f"the PACS has no report for {accession}")


def _predecessors(report: Dataset) -> Iterator[str]:
    for document in report.get("PredecessorDocumentsSequence", []):
        for series in document.ReferencedSeriesSequence:
            yield from (str(instance.ReferencedSOPInstanceUID) for instance in series.ReferencedSOPSequence)


def _messages(evidence: Evidence, ledger: Tables) -> Iterator[Complaint]:
    """In the RIS: for each study the newest result last, each message once however often it came, about the right patient."""
    documents = _documents(ledger, "oru")
    by_accession = {film.accession: film for film in evidence.films.values()}
    first, digests = _first_receipts(evidence.ris)
    yield from (
        Complaint(DUPLICATED, f"message {identifier} came with {len(d)} different contents")
        for identifier, d in digests.items()
        if len(d) > 1
    )
    by_study: dict[str, list[str]] = defaultdict(list)
    for path in sorted(evidence.ris.glob("*.hl7"), key=lambda p: first.get(p.stem, -1)):
        message = hl7.parse(path.read_bytes().decode())
        accession = str(message.segment("OBR")[18])
        patient_id = str(message.segment("PID")[3]).split("^")[0]
        film = by_accession.get(accession)
        if film is None or patient_id != film.patient_id:
            yield Complaint(MISFILED, f"the RIS has a message for {accession} under a patient that it is not of")
            continue
        by_study[accession].append(path.stem)
    for accession in evidence.acknowledged_studies():
        if accession not in by_study:
            yield Complaint(LOST, f"the RIS has no message for {accession}")
            continue
        if unknown := [identifier for identifier in by_study[accession] if identifier not in documents]:
            yield Complaint(DUPLICATED, f"the RIS has a message for {accession} that nobody made: {unknown[0]}")
            continue
        numbers = [documents[identifier][1] for identifier in by_study[accession]]
        newest = documents[by_study[accession][-1]][2]
        if numbers != sorted(set(numbers)) or numbers[-1] != newest:
            yield Complaint(
                DUPLICATED, f"the RIS has results of revisions {numbers} of {newest} for {accession}, in that order"
            )


def _first_receipts(folder: Path) -> tuple[dict[str, int], dict[str, set[str]]]:
    """When each message first came, as a number, and the digests of what came under its control id."""
    first: dict[str, int] = {}
    digests: dict[str, set[str]] = defaultdict(set)
    lines = (folder / RECEIPTS).read_text("utf-8").splitlines() if (folder / RECEIPTS).is_file() else []
    for number, line in enumerate(lines):
        receipt = json.loads(line)
        first.setdefault(receipt["identifier"], number)
        digests[receipt["identifier"]].add(receipt["digest"])
    return first, digests


def _refusals(evidence: Evidence) -> Iterator[Complaint]:
    seen = {(r["sop_instance_uid"], r["status"]) for r in evidence.refusals if r["reason"] and r["comment"]}
    seen |= {(r["calling_ae_title"], "") for r in evidence.refusals if r["what"] == "association" and r["reason"]}
    for refused in dict.fromkeys(evidence.refused):
        if (refused.about, refused.status) not in seen:
            what = f"status {refused.status}" if refused.status else "a rejected association"
            yield Complaint(UNSEEN, f"{what} for {refused.about} is not among the refusals, or without its reason")
