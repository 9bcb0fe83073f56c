"""One study from files to a `PreRead`, through the same functions as the line, without ledger or queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.clock import Clock
from agent.errors import Permanent
from agent.imaging.facts import InstanceFacts, unreadable_identity
from agent.imaging.headers import load_header, locate_data_set
from agent.imaging.views import FRONTAL, select_images
from agent.intake.assembly import not_analysed_because
from agent.intake.case import first_read_first, use_of
from agent.intake.identity import disagreement, study_of
from agent.intake.inspect import Refused, inspect
from agent.model.load import load_model
from agent.reading.build import Build
from agent.reading.desk import make_desk, open_study
from agent.reading.flag import flag_study
from agent.reading.read import Read, read_study
from agent.reading.rows import flag_row, reading_row
from agent.reporting.compose import compose
from agent.settings import Settings
from agent.store.files import FileStore, digest_from
from agent.store.flags import StoredFlag
from agent.store.results import StoredReading
from agent.store.studies import Revision, StoredImage, Use
from structured_report.content import Outcome, PreRead
from structured_report.plain import provenance_to_json, study_to_json


@dataclass(frozen=True, slots=True)
class OfflineStudy:
    """A reading and the headers that a Structured Report about it refers to."""

    preread: PreRead
    evidence: tuple[Any, ...]


def read_files(files: Sequence[Path], settings: Settings, clock: Clock) -> OfflineStudy:
    """Read the images in the files as one study.

    Raises:
        Permanent: a file is not a readable DICOM image, or the files are of more than one study or patient.
        PrereadError: the model cannot be loaded or failed.
    """
    undeclared = settings.intake.undeclared_character_set
    images = [stored_image(n, path, undeclared=undeclared) for n, path in enumerate(files)]
    facts = [InstanceFacts.from_json(i.facts) for i in images]
    if len({f.study_instance_uid for f in facts}) > 1:
        raise Permanent("the files are of more than one study; read one study at a time", code="several-studies")
    if (unreadable := unreadable_identity(facts)) != "":
        words = f"{unreadable} cannot be read: not in the character set that the image declares"
        raise Permanent(f"{words}; see intake.undeclared_character_set where it declares none", code="character-set")
    if (differing := disagreement(facts)) != "":
        raise Permanent(f"the files differ in {differing}; they may be of different patients", code="patient-differs")
    uses = [use_of(i, s) for i, s in zip(images, select_images(facts, settings.gate), strict=True)]
    reading, flag, uses = _read(images, uses, settings, clock)
    about = study_to_json(study_of(first_read_first(facts, uses)))
    revision = Revision(0, facts[0].study_instance_uid, 1, "", about)
    preread = compose(revision, list(zip(images, uses, strict=True)), reading, None, flag)
    return OfflineStudy(preread, tuple(load_header(path, undeclared=undeclared) for path in files))


def stored_image(number: int, path: Path, *, undeclared: str = "") -> StoredImage:
    """A file that was never received, as the stages know images. Raises `Permanent` for what the line would refuse."""
    try:
        where = locate_data_set(path)
        facts = inspect(path, where.offset, where.transfer_syntax_uid, undeclared=undeclared)
    except Refused as error:
        raise Permanent(f"{path}: {error.comment} [{error.reason}]", code="unreadable-file") from error
    return StoredImage(
        number,
        facts.sop_instance_uid,
        1,
        digest_from(path, where.offset),
        str(path.resolve()),
        where.offset,
        where.transfer_syntax_uid,
        facts.to_json(),
    )


def _read(
    images: Sequence[StoredImage], uses: Sequence[Use], settings: Settings, clock: Clock
) -> tuple[StoredReading, StoredFlag | None, list[Use]]:
    started = clock.now()
    flag, read, provenance = None, Read(Outcome.NOT_ANALYSED), Build.of(settings.report).without_model()
    if not any(u.used and u.role == FRONTAL for u in uses):
        read = Read(Outcome.NOT_ANALYSED, *not_analysed_because(uses))
    else:
        model = load_model(settings.model)
        desk = make_desk(settings, FileStore(Path("/"), 0), model)
        provenance = desk.provenance()
        prepared = desk.prepare(list(zip(images, uses, strict=True)))
        if prepared.problem is not None:
            read = Read.nothing_to_read(prepared)
        else:
            study = open_study(model, prepared, desk.protocol, settings.model)
            flagged = flag_study(study, settings.triage.findings, desk.rules, desk.calibration)
            flag = flag_row(0, flagged, provenance=provenance_to_json(provenance), started=started, now=clock.now())
            read = read_study(study, flagged, desk.rules, indication=_indication(images))
            read = replace(read, ranked=read.ranked.raised_to(flagged.ranked))
            study.close()
        model.close()
    changed = {c.key: Use(c.key, c.used, c.role, c.reason, c.explanation) for c in read.changes}
    reading = reading_row(
        0,
        read,
        provenance=provenance_to_json(provenance),
        uid_of={i.instance_id: i.sop_instance_uid for i in images},
        seconds=(clock.now() - started).total_seconds(),
        completed_at=clock.now(),
    )
    return reading, flag, [changed.get(u.instance_id, u) for u in uses]


def _indication(images: Sequence[StoredImage]) -> str:
    return next((f.indication for i in images if (f := InstanceFacts.from_json(i.facts)).indication), "")
