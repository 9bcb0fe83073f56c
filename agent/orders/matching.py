"""Which order does a study belong to? By accession number, then study instance UID, then patient and time; never by a guess.

Where two answers fit, or the order is of another patient than the images, there is a doubt and no match.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from agent.orders.people import Doubt
from agent.priors.identity import differences, is_confirmed, same_birth_date, same_name
from structured_report.content import Order, Patient, Priority, Study

BY_ACCESSION, BY_STUDY_UID, BY_TIME, BY_HAND = (
    "accession number",
    "study instance uid",
    "patient and time",
    "by hand",
)
CANCELLED = "cancelled"
LONGEST_WINDOW = timedelta(days=8)  # more than the settings allow, by the day that a date without a time may be off
# OBR-24 (table 0074) and Modality (PS3.3 C.7.3.1.1.1) of what is certainly no radiograph.
_NO_RADIOGRAPH = frozenset({
    "CT", "CTH", "MR", "NMR", "US", "RUS", "VUS", "OUS", "NM", "NMS", "PT", "MG", "BMD", "RF", "XA", "RTRECORD", "ECG", "EC",
    "EEG", "LAB", "MB", "CH", "HM", "IMM", "SR", "AU", "GLU", "TX", "ES", "OP", "OPT",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """One order. `scheduled_at`: digits of a DTM, local time; `message_id`: the newest message about it, None from a worklist."""

    id: int
    order: Order
    patient: Patient
    study_instance_uid: str = ""
    priority: Priority | None = None
    scheduled_at: str = ""
    modality: str = ""
    state: str = "placed"
    source: str = "hl7"
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Rival:
    """Another study that is here and may belong to the same order. `pinned`: id of the order that a person gave it."""

    study_instance_uid: str
    accession_number: str
    patient: Patient
    study_date: str = ""
    study_time: str = ""
    pinned: int | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """The order, why it is that of the study, or the doubt about it. `candidates`: ids of the orders that came into question."""

    order: KnownOrder | None = None
    how: str = ""
    doubt: Doubt | None = None
    candidates: tuple[int, ...] = ()


def match(
    study: Study,
    orders: Sequence[KnownOrder],
    rivals: Sequence[Rival],
    *,
    window: timedelta,
    who: Callable[[Patient], Patient],
) -> Match:
    """Match a study, whose patient is the one he or she is by now, to one of the orders.

    Args:
        rivals: other studies that carry its accession number, or are of its patient.
        window: how far from the study an order of the same patient may be scheduled; 0: time alone matches nothing.
        who: a patient as he or she is called by now.
    """
    accession, uid = study.order.accession_number.strip(), study.study_instance_uid
    by_accession = [o for o in orders if accession and o.order.accession_number.strip() == accession]
    if by_accession:
        return _by_accession(study, by_accession, rivals, who)
    by_uid = [o for o in orders if o.study_instance_uid.strip() == uid]
    if by_uid:
        return _by_study_uid(study, by_uid, who)
    if window > timedelta():
        return _by_time(study, orders, rivals, window, who)
    return Match()


def contradictions(study: Patient, ordered: Patient) -> tuple[str, ...]:
    """In which identifiers images and order are of two patients, as attribute names.

    Names are spelt in many ways: where Patient ID and birth date agree, a name is no contradiction. Of an order without a
    Patient ID, a name or a birth date has to agree.
    """
    if not ordered.patient_id.strip():
        confirmed = same_name(study.name, ordered.name) or same_birth_date(study.birth_date, ordered.birth_date)
        ordered = replace(ordered, patient_id=study.patient_id)
        found = differences(study, ordered)
        return found if confirmed or found else ("Patient ID",)
    found = differences(study, ordered)
    if same_birth_date(study.birth_date, ordered.birth_date):
        return tuple(f for f in found if f != "Patient's Name")
    return found


def _by_accession(
    study: Study, orders: Sequence[KnownOrder], rivals: Sequence[Rival], who: Callable[[Patient], Patient]
) -> Match:
    uid, accession = study.study_instance_uid, study.order.accession_number.strip()
    ids = tuple(o.id for o in orders)
    orders = _that_stand([o for o in orders if o.study_instance_uid.strip() == uid] or orders)
    if len(orders) > 1:
        words = f"{len(orders)} orders carry the accession number of the images"
        return Match(doubt=Doubt("order-ambiguous", words), candidates=ids)
    (only,) = orders
    others = {
        r.study_instance_uid
        for r in rivals
        if r.pinned == only.id or (r.pinned is None and r.accession_number.strip() == accession)
    }
    if others and only.study_instance_uid.strip() != uid:
        words = (
            f"{len(others) + 1} studies carry the accession number of one order, and the order does not name this one"
        )
        return Match(doubt=Doubt("order-of-two-studies", words), candidates=ids)
    return _checked(study, only, BY_ACCESSION, who)


def _that_stand(orders: Sequence[KnownOrder]) -> Sequence[KnownOrder]:
    """Those that were not cancelled, where there are any: an order that was cancelled and placed anew keeps its accession number."""
    return [o for o in orders if o.state != CANCELLED] or orders


def _by_study_uid(study: Study, orders: Sequence[KnownOrder], who: Callable[[Patient], Patient]) -> Match:
    ids = tuple(o.id for o in orders)
    orders = _that_stand(orders)
    if len(orders) > 1:
        words = f"{len(orders)} orders name the Study Instance UID of the images"
        return Match(doubt=Doubt("order-ambiguous", words), candidates=ids)
    (only,) = orders
    mine, ordered = study.order.accession_number.strip(), only.order.accession_number.strip()
    if mine and ordered and mine != ordered:
        words = "the order that names the Study Instance UID of the images has another accession number than they have"
        return Match(doubt=Doubt("accession-contradicted", words), candidates=(only.id,))
    return _checked(study, only, BY_STUDY_UID, who)


def _checked(study: Study, order: KnownOrder, how: str, who: Callable[[Patient], Patient]) -> Match:
    if differing := contradictions(study.patient, who(order.patient)):
        words = f"the order with the {how} of the images is of another patient than they are: {', '.join(differing)}"
        return Match(doubt=Doubt("order-of-another-patient", words), candidates=(order.id,))
    return Match(order, how, candidates=(order.id,))


def _by_time(
    study: Study,
    orders: Sequence[KnownOrder],
    rivals: Sequence[Rival],
    window: timedelta,
    who: Callable[[Patient], Patient],
) -> Match:
    accession, when = study.order.accession_number.strip(), _span(study.study_date + study.study_time)
    fitting = [
        o
        for o in orders
        if o.state != CANCELLED
        and o.modality.strip().upper() not in _NO_RADIOGRAPH
        and not (accession and o.order.accession_number.strip())  # else they would be the same, and matched by it
        and _near(when, _span(o.scheduled_at), window)
        and is_confirmed(study.patient, who(o.patient))
    ]
    if not fitting:
        return Match()
    ids = tuple(o.id for o in fitting)
    if len(fitting) > 1:
        words = f"{len(fitting)} orders fit patient and time of the images, which name none of them"
        return Match(doubt=Doubt("order-ambiguous", words), candidates=ids)
    (only,) = fitting
    others = {r.study_instance_uid for r in rivals if _fits_by_time(r, only, window, who)}
    if others:
        words = f"one order fits patient and time of {len(others) + 1} studies, which do not name it"
        return Match(doubt=Doubt("order-of-two-studies", words), candidates=ids)
    return Match(only, BY_TIME, candidates=ids)


def _fits_by_time(rival: Rival, order: KnownOrder, window: timedelta, who: Callable[[Patient], Patient]) -> bool:
    """Whether the order is, or may be, that of the other study."""
    if rival.pinned is not None:
        return rival.pinned == order.id
    mine, ordered = rival.accession_number.strip(), order.order.accession_number.strip()
    if ordered and mine == ordered:
        return True
    if order.study_instance_uid.strip() == rival.study_instance_uid:
        return True
    near = _near(_span(rival.study_date + rival.study_time), _span(order.scheduled_at), window)
    return near and not (mine and ordered) and is_confirmed(who(rival.patient), who(order.patient))


Span = tuple[datetime, datetime]


def _span(text: str) -> Span | None:
    """First and last moment that a DA with a TM, or a DTM, may mean, in local time; None when it is neither."""
    digits = text.strip().replace(":", "").replace(".", "")
    end = next((n for n, c in enumerate(digits) if not c.isdigit()), len(digits))
    digits = digits[:end]
    try:
        day = date.fromisoformat(digits[:8])
        if len(digits) < 12:
            return datetime.combine(day, time.min), datetime.combine(day, time.max)
        moment = datetime.combine(day, time(int(digits[8:10]), int(digits[10:12])))
    except ValueError:
        return None
    return moment, moment


def is_near(one: str, other: str, window: timedelta) -> bool:
    """Whether two dates, or dates and times, may be so near to each other."""
    return _near(_span(one), _span(other), window)


def _near(one: Span | None, other: Span | None, window: timedelta) -> bool:
    if one is None or other is None:
        return False
    return max(one[0] - other[1], other[0] - one[1], timedelta()) <= window


def is_same_order(known: KnownOrder, said: KnownOrder) -> bool:
    """Whether two statements are about one order.

    By placer order number, where both have one; else filler order number; else accession number, of one patient; else the
    study that both name. But numbers are given by several systems, each for itself, and a placer's one number may have several
    accession numbers below it: two accession numbers are two orders unless placer and filler both say that they are one, and
    of two patients they are two unless two numbers say so.
    """
    one, other = known.order, said.order

    def compared(a: str, b: str) -> bool | None:
        return None if not a.strip() or not b.strip() else a.strip() == b.strip()

    same_patient = compared(known.patient.patient_id, said.patient.patient_id)
    same_accession = compared(one.accession_number, other.accession_number)
    same_filler = compared(one.filler_order_number, other.filler_order_number)
    same_placer = compared(one.placer_order_number, other.placer_order_number)
    same_study = compared(known.study_instance_uid, said.study_instance_uid)
    numbers = (same_placer, same_filler, same_accession)
    if same_patient is False:
        return numbers.count(True) >= 2 and False not in numbers
    if same_accession is False:
        return bool(same_placer and same_filler)
    if same_placer is not None:
        return same_placer and same_filler is not False
    if same_filler is not None:
        return same_filler
    if same_accession is not None:
        return same_accession and same_study is not False
    return bool(same_study)


def updated(known: KnownOrder, said: KnownOrder, *, only_fill: bool = False) -> KnownOrder:
    """The order with what is newly said of it; what is not said stays.

    Args:
        only_fill: what is known goes before what is said: a worklist beside the messages of its RIS.
    """
    first, second = (known, said) if only_fill else (said, known)
    return replace(
        known,
        order=replace(first.order.filled_from(second.order), match=""),
        patient=first.patient if first.patient.patient_id.strip() else second.patient,
        study_instance_uid=first.study_instance_uid or second.study_instance_uid,
        priority=first.priority or second.priority,
        scheduled_at=first.scheduled_at or second.scheduled_at,
        modality=first.modality or second.modality,
        state=first.state,
        source=first.source,
        message_id=first.message_id or second.message_id,
    )
