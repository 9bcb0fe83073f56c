"""One study from files to a `PreRead`, through the same functions as the line, without ledger or queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.clock import Clock
from agent.errors import Permanent
from agent.imaging.facts import InstanceFacts
from agent.imaging.headers import load_header, locate_data_set
from agent.imaging.views import FRONTAL, select_images
from agent.intake.assembly import first_read_first, not_analysed_because, use_of
from agent.intake.identity import disagreement, study_of
from agent.intake.inspect import Refused, inspect
from agent.model.load import load_model
from agent.reading.build import Build
from agent.reading.pictures import candidate
from agent.reading.read import Read, read_images
from agent.reporting.compose import compose
from agent.settings import Settings
from agent.store.results import StoredReading
from agent.store.studies import Revision, StoredImage, Use
from structured_report.content import Outcome, PreRead
from structured_report.plain import finding_to_json, provenance_to_json, study_to_json


@dataclass(frozen=True, slots=True)
class OfflineStudy:
    """A reading and the headers that a Structured Report about it refers to."""

    preread: PreRead
    evidence: tuple[Any, ...]


def read_study(files: Sequence[Path], settings: Settings, clock: Clock) -> OfflineStudy:
    """Read the images in the files as one study.

    Raises:
        Permanent: a file is not a readable DICOM image, or the files are of more than one study or patient.
        PrereadError: the model cannot be loaded or failed.
    """
    images = [_stored(n, path) for n, path in enumerate(files)]
    facts = [InstanceFacts.from_json(i.facts) for i in images]
    if len({f.study_instance_uid for f in facts}) > 1:
        raise Permanent("the files are of more than one study; read one study at a time", code="several-studies")
    if (differing := disagreement(facts)) != "":
        raise Permanent(f"the files differ in {differing}; they may be of different patients", code="patient-differs")
    uses = [use_of(i, s) for i, s in zip(images, select_images(facts, settings.gate), strict=True)]
    reading, uses = _read(images, uses, settings, clock)
    about = study_to_json(study_of(first_read_first(facts, uses)))
    revision = Revision(0, facts[0].study_instance_uid, 1, "", about)
    preread = compose(revision, list(zip(images, uses, strict=True)), reading, None)
    return OfflineStudy(preread, tuple(load_header(path) for path in files))


def _stored(number: int, path: Path) -> StoredImage:
    try:
        where = locate_data_set(path)
        facts = inspect(path, where.offset, where.transfer_syntax_uid)
    except Refused as error:
        raise Permanent(f"{path}: {error.comment} [{error.reason}]", code="unreadable-file") from error
    return StoredImage(
        number, facts.sop_instance_uid, 1, "", str(path), where.offset, where.transfer_syntax_uid, facts.to_json()
    )


def _read(
    images: Sequence[StoredImage], uses: Sequence[Use], settings: Settings, clock: Clock
) -> tuple[StoredReading, list[Use]]:
    started = clock.now()
    build = Build.of(settings.report)
    if not any(u.used and u.role == FRONTAL for u in uses):
        reason, explanation = not_analysed_because(uses)
        read, provenance = Read(Outcome.NOT_ANALYSED, reason, explanation), build.without_model()
    else:
        model = load_model(settings.model)
        wanted = [
            candidate(i.instance_id, Path(i.path), used=u.used, role=u.role, reason=u.reason)
            for i, u in zip(images, uses, strict=True)
        ]
        read = read_images(model, [c for c in wanted if c is not None], settings.model)
        provenance = build.with_model(model.identity, read.prompt_id)
        model.close()
    changed = {c.key: Use(c.key, c.used, c.role, c.reason, c.explanation) for c in read.changes}
    reading = StoredReading(
        revision_id=0,
        outcome=read.outcome,
        reason=read.reason,
        explanation=read.explanation,
        provenance=provenance_to_json(provenance),
        reply=read.reply,
        reasoning=read.reasoning,
        draft=read.draft,
        findings=[finding_to_json(f) for f in read.findings],
        notes=list(read.notes),
        seconds=(clock.now() - started).total_seconds(),
        completed_at=clock.now(),
    )
    return reading, [changed.get(u.instance_id, u) for u in uses]
