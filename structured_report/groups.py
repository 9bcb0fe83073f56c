"""The measurement groups of the report: TID 1410 for each box of a finding, TID 1501 for a finding without one, and for
what only a short question denied or left open (PS3.16)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import highdicom as hd
import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from structured_report import concepts
from structured_report.content import Code, Finding, Laterality, PreRead, Presence, Provenance, Region
from structured_report.vocabulary import vocabulary, whole_vocabulary

BY_DRAFT, BY_QUESTION = "basis=draft", "basis=short question"


def coded(code: Code) -> CodedConcept:
    """The code as highdicom has it."""
    return CodedConcept(code.value, code.scheme, code.meaning)


@dataclass(frozen=True, slots=True)
class Tracked:
    """A finding, or one box of it, as the thing that is followed from report to report.

    Attributes:
        label: Tracking Identifier: concept, side, and a number from the second box on.
        uid: Tracking Unique Identifier, a function of the study and the label: a later revision's finding is the same
            thing.
        basis: `BY_DRAFT` or `BY_QUESTION`.
    """

    label: str
    uid: str
    finding: Finding
    region: Region | None
    basis: str


def tracked(preread: PreRead) -> list[Tracked]:
    """Every group the report has, in its order: the draft's findings, then what only the short questions checked."""
    seen: dict[str, int] = {}
    boxes = regions_by_finding(preread)
    made = []
    for finding, basis in (*((f, BY_DRAFT) for f in preread.findings), *((f, BY_QUESTION) for f in preread.checked)):
        for region in boxes.get(finding, ()) or (None,) if basis is BY_DRAFT else (None,):
            label = _label(finding, seen)
            made.append(Tracked(label, _tracking_uid(preread.study.study_instance_uid, label), finding, region, basis))
    return made


def regions_by_finding(preread: PreRead) -> Mapping[Finding, tuple[Region, ...]]:
    """The boxes of each finding that is present. A box belongs to the finding of its concept and side; one whose side
    nothing states goes to the first of its concept, and one on the other side of all of them to none."""
    present = [f for f in preread.findings if f.presence is Presence.PRESENT]
    owned: dict[Finding, tuple[Region, ...]] = {}
    for region in preread.regions:
        same = [f for f in present if f.concept == region.concept]
        owner = next((f for f in same if f.laterality is region.laterality), None) or next(
            (f for f in same if _may_hold(f.laterality, region.laterality)), None
        )
        if owner is not None:
            owned[owner] = (*owned.get(owner, ()), region)
    return owned


def _may_hold(finding: Laterality | None, region: Laterality | None) -> bool:
    return finding in (None, Laterality.BILATERAL) or region in (None, Laterality.BILATERAL)


def _label(finding: Finding, seen: dict[str, int]) -> str:
    """Concept and side; numbered from the second group on that has the same."""
    name = "-".join(filter(None, (finding.concept, finding.laterality)))
    seen[name] = seen.get(name, 0) + 1
    return name if seen[name] == 1 else f"{name}-{seen[name]}"


def _tracking_uid(study_instance_uid: str, label: str) -> str:
    seed = hashlib.sha256(f"{study_instance_uid}|{label}".encode()).digest()[:16]
    return f"2.25.{uuid.UUID(bytes=seed, version=5).int}"


def groups(preread: PreRead, images: Sequence[Dataset]) -> Iterator[Dataset]:
    """The groups as content items. `images`: the headers of the study's images."""
    by_uid = {str(i.SOPInstanceUID): i for i in images}
    for one in tracked(preread):
        image = by_uid.get(one.region.sop_instance_uid) if one.region is not None else None
        if one.region is None or image is None:
            yield finding_group(preread, one, images)
        else:
            yield _located_group(preread, one, one.region, image)


def _located_group(
    preread: PreRead, one: Tracked, region: Region, image: Dataset
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """TID 1410: a finding with a closed polyline in the stored image (PS3.3 C.18.6.1). The side is that of the box where
    it has one."""
    corners = [(region.x0, region.y0), (region.x1, region.y0), (region.x1, region.y1), (region.x0, region.y1)]
    outline = np.array([*corners, corners[0]], dtype=np.float32)
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(identifier=one.label, uid=hd.UID(one.uid)),
        referenced_region=ImageRegion(
            GraphicTypeValues.POLYLINE, outline, SourceImageForRegion.from_source_image(image)
        ),
        **_common(preread, one, region.laterality or one.finding.laterality),
    )


def finding_group(preread: PreRead, one: Tracked, images: Sequence[Dataset]) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: one finding, present, absent or undetermined."""
    used = [u.sop_instance_uid for u in preread.images if u.used]
    sources = [i for i in images if str(i.SOPInstanceUID) in used] or list(images)
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(identifier=one.label, uid=hd.UID(one.uid)),
        source_images=[SourceImageForMeasurementGroup.from_source_image(i) for i in sources],
        **_common(preread, one, one.finding.laterality),
    )


def placeholder(preread: PreRead, images: Sequence[Dataset]) -> Dataset:
    """A group that is only there because highdicom insists on one; it is taken out again."""
    finding = Finding("lung_opacity", Presence.UNDETERMINED)
    return finding_group(preread, Tracked("none", "2.25.1", finding, None, BY_DRAFT), images)


def _common(preread: PreRead, one: Tracked, side: Laterality | None) -> dict[str, Any]:
    """What both kinds of group say of a finding."""
    finding = one.finding
    concept = vocabulary()[finding.concept]
    evaluations = [
        QualitativeEvaluation(name=coded(concept.code), value=coded(concepts.PRESENCE_VALUES[finding.presence]))
    ]
    if finding.severity is not None:
        degree = whole_vocabulary().severities[finding.severity].code
        evaluations.append(QualitativeEvaluation(name=coded(concepts.SEVERITY), value=coded(degree)))
    return {
        "finding_type": coded(concept.code),
        "finding_sites": None if concept.site is None else [_site(concept.site, side, finding.place)],
        "algorithm_id": _algorithm(preread.provenance, one.basis),
        "measurements": _certainty(preread, finding),
        "qualitative_evaluations": evaluations,
    }


def _site(site: Code, side: Laterality | None, place: str) -> FindingSite:
    return FindingSite(
        anatomic_location=coded(site),
        laterality=None if side is None else coded(concepts.LATERALITY_VALUES[side]),
        topographical_modifier=coded(whole_vocabulary().places[place].code) if place else None,
    )


def _certainty(preread: PreRead, finding: Finding) -> list[Measurement] | None:
    """The probability of the finding, and only a calibrated one."""
    known = next((p for p in preread.probabilities if p.concept == finding.concept and p.calibration), None)
    if known is None or finding.presence is Presence.UNDETERMINED:
        return None
    percent = 100 * (known.value if finding.presence is Presence.PRESENT else 1 - known.value)
    return [Measurement(name=coded(concepts.CERTAINTY), value=round(percent, 1), unit=codes.UCUM.Percent)]


def _algorithm(made_by: Provenance, basis: str) -> AlgorithmIdentification:
    """TID 4019. No manufacturer: highdicom writes it as 122405, for which the template, which is not extensible, has
    no row."""
    # Name and version are those of Contributing Equipment and of the device observer (IHE AIR Table 6.5.3.1-1).
    parameters = [f"software={made_by.algorithm_name}", basis]
    for name, value in (
        ("weights_sha256", made_by.weights_digest),
        ("quantization", made_by.quantization),
        ("prompt_id", made_by.prompt_id),
    ):
        if value:
            parameters.append(f"{name}={value}")
    return AlgorithmIdentification(
        name=made_by.model_name,
        version=made_by.algorithm_version,
        parameters=parameters,
        family=codes.DCM.ArtificialIntelligence,
    )
