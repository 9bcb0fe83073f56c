"""All that is known of a study's patient and order, weighed: a function of what is there, and of nothing else.

It is asked again whenever an image comes or something is heard, so that it does not matter which came first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from agent.imaging.facts import InstanceFacts
from agent.orders.matching import BY_HAND, CANCELLED, KnownOrder, Match, Rival, contradictions, match
from agent.orders.people import Doubt, Overlay, Registry, Statement
from agent.orders.reports import FinishedReport, that_hold
from agent.settings import Matching
from structured_report.content import Order, Patient, Study

IMAGES, ORDER, REGISTRY = "images", "order", "registry"
_NUMBERS = ("accession_number", "placer_order_number", "filler_order_number")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided: `order_id`, or `without_order`, or neither; under which `patient` (images, order, registry or
    empty). `known_order` and `known_statement`: the newest ids that were known then; what came later is weighed."""

    order_id: int | None = None
    without_order: bool = False
    patient: str = ""
    known_order: int = 0
    known_statement: int = 0


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What was heard that may concern a study, and what was decided."""

    statements: Sequence[Statement] = ()
    orders: Sequence[KnownOrder] = ()
    reports: Sequence[FinishedReport] = ()
    rivals: Sequence[Rival] = ()
    decision: Decision = field(default_factory=Decision)


@dataclass(frozen=True, slots=True)
class Weighed:
    """Whose the images are and which order they belong to.

    Attributes:
        facts: of the images, with what holds of their patient.
        doubt: why nothing may leave; the order is None then.
        images_name_another_order: a person chose the order, and numbers of the images are those of another one.
        reported: the report that a person has finished; None where results go out all the same.
        reports: every report about the study that a person has finished and that holds, oldest first.
        taken_back: the message that took one back last.
    """

    facts: tuple[InstanceFacts, ...]
    overlays: tuple[Overlay, ...] = ()
    match: Match = field(default_factory=Match)
    doubt: Doubt | None = None
    images_name_another_order: bool = False
    reported: FinishedReport | None = None
    reports: tuple[FinishedReport, ...] = ()
    taken_back: FinishedReport | None = None

    @property
    def order(self) -> KnownOrder | None:
        """The order of the study."""
        return self.match.order if self.doubt is None else None

    @property
    def is_cancelled(self) -> bool:
        """Whether the study's order was cancelled."""
        return self.order is not None and self.order.state == CANCELLED


def weigh(facts: Sequence[InstanceFacts], about: Study, known: Knowledge, settings: Matching) -> Weighed:
    """Weigh what is known of the images of one study.

    Args:
        facts: at least one, all of one study, the one that decides about its identity first.
        about: the study as the images have it.
    """
    registry = Registry(known.statements, settings.issuer)
    decision = known.decision
    if decision.patient in (IMAGES, ORDER):
        registry = Registry([s for s in known.statements if s.id > decision.known_statement], settings.issuer)
    chosen = next((o for o in known.orders if o.id == decision.order_id), None)
    based = [_of_order(f, chosen.patient) for f in facts] if chosen and decision.patient == ORDER else list(facts)
    trusted = decision.patient == REGISTRY
    identified = [registry.identify(_patient_of(f), trusted=trusted) for f in based]
    overlaid = tuple(_with_patient(f, i.patient) for f, i in zip(based, identified, strict=True))
    overlays = tuple(dict.fromkeys(o for i in identified for o in i.overlays))
    doubt = next((i.doubt for i in identified if i.doubt is not None), None)
    about = replace(about, patient=identified[0].patient)
    matched = _match(about, known, chosen, registry, settings)
    said = [r for r in known.reports if _is_reported_by(about, matched, r, registry)]
    reports = that_hold(said)
    taken_back = next((r for r in reversed(said) if r.is_taken_back), None)
    reported = reports[0] if reports and settings.suppress_after_final else None
    doubt = doubt or _nobody(about, decision) or matched.doubt
    doubt = doubt or _other_numbers(facts, about, known, registry) or _shared_number(about, matched, known, registry)
    named = chosen is not None and _names_another(about.order, chosen, known)
    return Weighed(overlaid, overlays, matched, doubt, named, reported, reports, taken_back)


def _names_another(images: Order, chosen: KnownOrder, known: Knowledge) -> bool:
    """Whether a number of the images is not that of the order which a person chose, or, where that has none, is another order's."""
    others = [o.order for o in known.orders if o.id != chosen.id]
    for name in _NUMBERS:
        mine, its = (str(getattr(order, name)).strip() for order in (images, chosen.order))
        if mine and (mine != its if its else any(str(getattr(o, name)).strip() == mine for o in others)):
            return True
    return False


def with_order(study: Study, weighed: Weighed) -> Study:
    """The study with its order. What the images carry goes first; the indication of the order is the newer one.

    Where a person has chosen another order than the images name, none of their numbers is told: a RIS that files by any one of
    them would put the result there.
    """
    if weighed.order is None:
        return study
    mine, its = study.order, weighed.order.order
    if weighed.images_name_another_order:
        mine = replace(
            mine,
            accession_number="",
            placer_order_number="",
            filler_order_number="",
            requested_procedure_id="",
            scheduled_procedure_step_id="",
            placer_assigner=None,
            filler_assigner=None,
        )
    indication = its.indication or mine.indication
    return replace(study, order=replace(mine.filled_from(its), indication=indication, match=weighed.match.how))


def _match(about: Study, known: Knowledge, chosen: KnownOrder | None, registry: Registry, settings: Matching) -> Match:
    if chosen is not None:
        return _chosen(about, known.decision, chosen, registry)
    orders = known.orders
    if known.decision.without_order:
        orders = [o for o in orders if o.id > known.decision.known_order]
    found = match(
        about,
        orders,
        known.rivals,
        window=timedelta(hours=settings.window_h),
        who=lambda p: registry.identify(p).patient,
    )
    if settings.hold_without_order and found == Match() and not known.decision.without_order:
        return Match(doubt=Doubt("no-order", "no order of this study is known, and the settings say to wait for one"))
    return found


def _other_numbers(facts: Sequence[InstanceFacts], about: Study, known: Knowledge, registry: Registry) -> Doubt | None:
    """Images under several accession numbers are reported under one of them; none may be that of another patient's order."""
    if known.decision.order_id is not None or known.decision.without_order:
        return None
    others = {f.accession_number.strip() for f in facts} - {"", about.order.accession_number.strip()}
    for order in known.orders:
        if order.order.accession_number.strip() not in others:
            continue
        if differing := contradictions(about.patient, registry.identify(order.patient).patient):
            words = f"an order with an accession number of the images is of another patient: {', '.join(differing)}"
            return Doubt("order-of-another-patient", words)
    return None


def _nobody(about: Study, decision: Decision) -> Doubt | None:
    """A result that names nobody is filed by its accession number alone, under whoever has that."""
    if decision.patient or about.patient.patient_id.strip() or about.patient.name.strip("^= "):
        return None
    return Doubt("patient-unnamed", "the images have neither a Patient ID nor a name")


def _shared_number(about: Study, matched: Match, known: Knowledge, registry: Registry) -> Doubt | None:
    """An accession number that images of two patients carry, and of which no order says whose it is, is that of one of them at
    most."""
    decision, accession = known.decision, about.order.accession_number.strip()
    if not accession or matched.order is not None or decision.order_id is not None or decision.without_order:
        return None
    for rival in known.rivals:
        if rival.accession_number.strip() != accession:
            continue
        if differing := contradictions(about.patient, registry.identify(rival.patient).patient):
            words = f"study {rival.study_instance_uid} carries the same accession number and is of another patient"
            return Doubt("accession-of-two-patients", f"{words}: {', '.join(differing)}")
    return None


def _chosen(about: Study, decision: Decision, chosen: KnownOrder, registry: Registry) -> Match:
    """A person's choice holds, unless the order has come to be of another patient since, or the images have."""
    ordered = registry.identify(chosen.patient).patient
    if not decision.patient and (differing := contradictions(about.patient, ordered)):
        words = f"the order that a person chose is of another patient than the images: {', '.join(differing)}"
        return Match(doubt=Doubt("order-of-another-patient", words), candidates=(chosen.id,))
    return Match(chosen, BY_HAND, candidates=(chosen.id,))


def _is_reported_by(about: Study, matched: Match, report: FinishedReport, registry: Registry) -> bool:
    """Whether that report is about the study: it names it, or its accession number, or its order, and not another patient."""
    its = report.order
    ours = about.order if matched.order is None else matched.order.order
    pairs = (
        (about.study_instance_uid, report.study_instance_uid),
        (about.order.accession_number, its.accession_number),
        (ours.accession_number, its.accession_number),
        (ours.placer_order_number, its.placer_order_number),
        (ours.filler_order_number, its.filler_order_number),
    )
    named = any(a.strip() and a.strip() == b.strip() for a, b in pairs)
    return named and not contradictions(about.patient, registry.identify(report.patient).patient)


def _patient_of(facts: InstanceFacts) -> Patient:
    return Patient(
        facts.patient_id,
        facts.issuer_of_patient_id,
        facts.patient_name,
        facts.patient_birth_date,
        facts.patient_sex,
    )


def _of_order(facts: InstanceFacts, patient: Patient) -> InstanceFacts:
    """The image as that of the order's patient. Where the image names somebody else, the age in it is somebody else's."""
    is_other = facts.patient_id.strip() != patient.patient_id.strip()
    return _with_patient(replace(facts, patient_age="") if is_other else facts, patient)


def _with_patient(facts: InstanceFacts, patient: Patient) -> InstanceFacts:
    """A modality reckons the age that it states from the birth date that it was given: it goes with that."""
    stated, holds = (text.replace(".", "").strip() for text in (facts.patient_birth_date, patient.birth_date))
    return replace(
        facts,
        patient_age=facts.patient_age if stated == holds else "",
        patient_id=patient.patient_id,
        issuer_of_patient_id=patient.issuer,
        patient_name=patient.name,
        patient_birth_date=patient.birth_date,
        patient_sex=patient.sex,
    )
