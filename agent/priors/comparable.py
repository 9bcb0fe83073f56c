"""Which earlier studies may be compared with, and in which order they are tried: the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from agent.imaging.facts import InstanceFacts
from agent.imaging.views import chest_problem
from agent.store.priors import PriorImage
from dicom_nodes.found import FoundSeries, FoundStudy
from structured_report.content import Patient, Study

MODALITIES = {"CR", "DX"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """An earlier study. `own`: its frontal image, where the study was received here; else a source has it."""

    study: FoundStudy
    own: PriorImage | None = None


def days_before(study: Study, oldest_days: int, *, received: date) -> tuple[str, str]:
    """The first and the last Study Date of a film to compare with (YYYYMMDD), counted from that of the study, or from the day it
    was received when it has none that can be read."""
    last = _day(study.study_date) or received
    first = last - timedelta(days=min(oldest_days, last.toordinal() - 1))
    return first.isoformat().replace("-", ""), last.isoformat().replace("-", "")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if len(text.strip()) == 8 else None
    except ValueError:
        return None


def is_earlier(one: FoundStudy, study: Study, dates: tuple[str, str]) -> bool:
    """Whether a study was made before the other and not longer ago than it may be. On the same day the times say so, or nothing
    does."""
    first, last = dates
    if one.study_instance_uid == study.study_instance_uid or not first <= one.study_date <= last:
        return False
    if one.study_date < last:
        return True
    mine, theirs = _digits(study.study_time), _digits(one.study_time)
    length = min(len(mine), len(theirs), 6)
    return length >= 4 and theirs[:length] < mine[:length]


def _digits(time: str) -> str:
    return "".join(c for c in time.partition(".")[0] if c.isdigit())


def may_be_a_film(one: FoundStudy) -> bool:
    """Whether a study may hold a projection radiograph; one that does not say its modalities may."""
    return not one.modalities or bool(MODALITIES & set(one.modalities))


def in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The newest first; one that a source and this node have is taken from here."""
    own = {c.study.study_instance_uid for c in candidates if c.own is not None}
    kept = [c for c in candidates if c.own is not None or c.study.study_instance_uid not in own]
    return sorted(kept, key=lambda c: (c.study.study_date, _digits(c.study.study_time)), reverse=True)


def series_to_try(study: FoundStudy, series: Iterable[FoundSeries]) -> list[FoundSeries]:
    """The series that may hold a chest film: those that say so before those that say nothing; none that names another part
    of the body, or another modality."""
    ranked = []
    for one in series:
        if one.modality and one.modality not in MODALITIES:
            continue
        said = InstanceFacts(
            body_part_examined=one.body_part_examined, descriptions=(study.description, one.description)
        )
        problem = chest_problem(said)
        if problem is None or problem.reason == "not-known-to-be-chest":
            ranked.append((problem is not None, one))
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0])]


def patient_in(one: FoundStudy) -> Patient:
    """Whose a study is, by what the answer to a query says."""
    return Patient(one.patient_id, one.issuer_of_patient_id, one.patient_name, one.patient_birth_date, one.patient_sex)


def patient_on(facts: InstanceFacts) -> Patient:
    """Whose an image is, by its header."""
    return Patient(
        facts.patient_id, facts.issuer_of_patient_id, facts.patient_name, facts.patient_birth_date, facts.patient_sex
    )
