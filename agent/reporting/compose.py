"""From the ledger's rows to one `PreRead`: what both encoders say."""

from __future__ import annotations

from collections.abc import Sequence

from agent.imaging.facts import InstanceFacts
from agent.reading.build import derived_control_id, derived_uid
from agent.reading.labels import draft_is_abnormal
from agent.store.results import StoredReading
from agent.store.studies import Revision, StoredImage, Use
from structured_report.content import ImageUse, Narrative, Outcome, PreRead, Provenance
from structured_report.plain import finding_from_json, provenance_from_json, study_from_json


def sr_uids(study_instance_uid: str, revision: int, provenance: Provenance) -> tuple[str, str]:
    """SOP Instance UID and Series Instance UID of the SR of one revision by one build: a re-run makes the same
    object."""
    parts = (study_instance_uid, str(revision), provenance.device_uid)
    return derived_uid("sr", *parts), derived_uid("sr-series", *parts)


def control_id_for(preread: PreRead, destination: str) -> str:
    """MSH-10 of the message about that pre-read for that destination."""
    return derived_control_id(preread.sr_instance_uid, destination)


def compose(
    revision: Revision,
    images: Sequence[tuple[StoredImage, Use]],
    reading: StoredReading,
    superseded: tuple[Revision, StoredReading] | None,
) -> PreRead:
    """Put together what is reported about one revision.

    Args:
        superseded: the newest earlier revision whose report this one replaces, if there is one.
    """
    provenance = provenance_from_json(reading.provenance)
    sr_uid, series_uid = sr_uids(revision.study_instance_uid, revision.number, provenance)
    before = ("", "")
    if superseded is not None:
        old, old_reading = superseded
        before = sr_uids(old.study_instance_uid, old.number, provenance_from_json(old_reading.provenance))
    findings = tuple(finding_from_json(f) for f in reading.findings)
    return PreRead(
        study=study_from_json(revision.study),
        revision=revision.number,
        outcome=Outcome(reading.outcome),
        provenance=provenance,
        images=tuple(_image_use(image, use) for image, use in images),
        analysed_at=reading.completed_at,
        sr_instance_uid=sr_uid,
        sr_series_uid=series_uid,
        control_id=derived_control_id(sr_uid),
        reason=reading.reason,
        explanation=reading.explanation,
        narrative=Narrative(findings=reading.draft, reasoning=reading.reasoning),
        findings=findings,
        abnormal=draft_is_abnormal(findings),
        guards=tuple(reading.notes),
        supersedes_sr_uid=before[0],
        supersedes_series_uid=before[1],
    )


def _image_use(image: StoredImage, use: Use) -> ImageUse:
    facts = InstanceFacts.from_json(image.facts)
    return ImageUse(
        sop_class_uid=facts.sop_class_uid,
        sop_instance_uid=facts.sop_instance_uid,
        series_instance_uid=facts.series_instance_uid,
        used=use.used,
        role=use.role,
        reason=use.reason,
        explanation=use.explanation,
    )
