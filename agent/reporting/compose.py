"""From the ledger's rows to one `PreRead`: what both encoders say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

from agent.imaging.facts import InstanceFacts, differing_orders, unreadable_texts
from agent.orders.matching import BY_HAND, BY_TIME
from agent.reading.build import derived_control_id, derived_uid
from agent.reading.guards.probes import clearly_no
from agent.reading.labels import draft_is_abnormal
from agent.store.flags import StoredFlag
from agent.store.priors import PriorImage
from agent.store.results import StoredReading
from agent.store.studies import Revision, StoredImage, Use
from structured_report.content import (
    Finding,
    ImageUse,
    Narrative,
    Outcome,
    PreRead,
    Presence,
    Priority,
    PriorStudy,
    Probability,
)
from structured_report.plain import (
    finding_from_json,
    probability_from_json,
    provenance_from_json,
    region_from_json,
    study_from_json,
    verdict_from_json,
)
from structured_report.vocabulary import vocabulary

_MATCHED = {
    BY_TIME: "The images name no order; the one that this goes under fits by patient and time.",
    BY_HAND: "A person has said which order this goes under.",
}


def series_of(sr_instance_uid: str) -> str:
    """Series Instance UID of one of our SRs: each has a series of its own."""
    return derived_uid("sr-series", sr_instance_uid)


def compose(
    revision: Revision,
    images: Sequence[tuple[StoredImage, Use]],
    reading: StoredReading,
    superseded: str | None,
    flag: StoredFlag | None = None,
    prior: PriorImage | None = None,
) -> PreRead:
    """Put together what is reported about one revision.

    Args:
        prior: the earlier film that the reading was made with, where there was one.
        flag: the fast look before the reading, where there was one.
        superseded: SOP Instance UID of the earlier SR that this one replaces, if there is one.
    """
    findings = tuple(finding_from_json(f) for f in reading.findings)
    probabilities = () if flag is None else tuple(probability_from_json(p) for p in flag.probabilities)
    facts = [InstanceFacts.from_json(image.facts) for image, _ in images]
    said = PreRead(
        study=study_from_json(revision.study),
        revision=revision.number,
        outcome=Outcome(reading.outcome),
        provenance=provenance_from_json(reading.provenance),
        images=tuple(_image_use(image, use) for image, use in images),
        analysed_at=reading.completed_at,
        sr_instance_uid="",
        sr_series_uid="",
        control_id="",
        reason=reading.reason,
        explanation=reading.explanation,
        narrative=Narrative(reading.draft, reading.impression, reading.reasoning, reading.comparison),
        findings=findings,
        abnormal=draft_is_abnormal(findings),
        priority=Priority(reading.priority) if reading.priority else None,
        reasons=tuple(reading.reasons),
        probabilities=probabilities,
        checked=only_asked(findings, probabilities) if reading.outcome == Outcome.READ else (),
        partial=reading.outcome == Outcome.READ and lacks_a_view([use for _, use in images]),
        regions=tuple(region_from_json(r) for r in reading.regions),
        verdicts=tuple(verdict_from_json(v) for v in reading.verdicts),
        remarks=(
            *reading.notes,
            *filter(None, (_how_matched(revision), differing_orders(facts), unreadable_texts(facts))),
        ),
        supersedes_sr_uid=superseded or "",
        supersedes_series_uid=series_of(superseded) if superseded else "",
        prior=None if prior is None else _prior_study(prior),
    )
    return _identified(said)


def _how_matched(revision: Revision) -> str:
    """A sentence for the reader where nothing in the images says that the order is theirs; empty otherwise."""
    return _MATCHED.get(str(revision.study.get("order", {}).get("match", "")), "")


def lacks_a_view(uses: Sequence[Use]) -> bool:
    """Whether an image that was to be read could not be, and no other of its view was read in its place."""
    return bool({u.role for u in uses if u.role} - {u.role for u in uses if u.used})


def only_asked(findings: Sequence[Finding], probabilities: Sequence[Probability]) -> tuple[Finding, ...]:
    """What the short questions say of findings that the draft does not mention: denied where the answer is a clear no, else
    undetermined. A question alone never makes a finding present."""
    stated = {f.concept for f in findings}
    return tuple(
        Finding(p.concept, Presence.ABSENT if clearly_no(p) else Presence.UNDETERMINED)
        for p in probabilities
        if p.concept not in stated and p.concept in vocabulary()
    )


def compose_flag(revision: Revision, images: Sequence[tuple[StoredImage, Use]], flag: StoredFlag) -> PreRead:
    """Put together what is said of a revision before it has been read."""
    said = PreRead(
        study=study_from_json(revision.study),
        revision=revision.number,
        outcome=Outcome.FLAGGED,
        provenance=provenance_from_json(flag.provenance),
        images=tuple(_image_use(image, use) for image, use in images),
        analysed_at=flag.flagged_at,
        sr_instance_uid="",
        sr_series_uid="",
        control_id="",
        priority=Priority(flag.priority),
        reasons=tuple(flag.reasons),
        probabilities=tuple(probability_from_json(p) for p in flag.probabilities),
    )
    return _identified(said)


def _identified(said: PreRead) -> PreRead:
    """With UIDs that are a function of everything that is said: the same again is the same object, and nothing else is.

    A second agent, an offline reading, or a line whose ledger was lost may come to the same study and revision number;
    other content under a UID that a PACS knows would be refused, or would overwrite.
    """
    said_of_all = asdict(said)
    order = said_of_all["study"]["order"]
    for newer in ("placer_assigner", "filler_assigner"):
        if order[newer] is None:  # who says nothing of it says what was said before there was a place for it
            del order[newer]
    everything = json.dumps(said_of_all, sort_keys=True, default=str)
    sr_uid = derived_uid("sr", said.study.study_instance_uid, everything)
    return replace(said, sr_instance_uid=sr_uid, sr_series_uid=series_of(sr_uid), control_id=derived_control_id(sr_uid))


def _prior_study(prior: PriorImage) -> PriorStudy:
    return PriorStudy(
        study_instance_uid=prior.study_instance_uid,
        study_date=InstanceFacts.from_json(prior.facts).study_date,
        sop_class_uid=prior.sop_class_uid,
        sop_instance_uid=prior.sop_instance_uid,
        series_instance_uid=prior.series_instance_uid,
    )


def _image_use(image: StoredImage, use: Use) -> ImageUse:
    facts = InstanceFacts.from_json(image.facts)
    return ImageUse(
        sop_class_uid=facts.sop_class_uid,
        sop_instance_uid=facts.sop_instance_uid,
        series_instance_uid=facts.series_instance_uid,
        used=use.used,
        role=use.role if use.used else "",
        reason=use.reason,
        explanation=use.explanation,
    )
