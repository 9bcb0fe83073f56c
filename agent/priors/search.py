"""The search for the newest comparable frontal film of a patient: here, and with whoever the settings name.

Nothing that goes wrong with a source stops a reading: it becomes a sentence, and the study is read without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from agent.imaging.views import FRONTAL, select_images
from agent.priors.comparable import (
    Candidate,
    days_before,
    in_order,
    is_earlier,
    may_be_a_film,
    patient_in,
    patient_on,
    series_to_try,
)
from agent.priors.identity import agree_across_a_merge, differences, is_confirmed
from agent.priors.shelf import Shelf, Unsuitable, facts_of
from agent.priors.source import Source
from agent.settings import Gate
from agent.store import priors
from agent.store.priors import OwnFrontal, PriorImage
from dicom_nodes.deadline import Deadline
from dicom_nodes.found import FoundStudy
from dicom_nodes.query import UnusableKey
from dicom_nodes.retrieve import ImageAddress
from dicom_nodes.scu import NodeError
from structured_report.content import Patient, Study
from structured_report.plain import study_from_json

MOST_STUDIES = 4  # are looked into
MOST_NUMBERS = 4  # that were merged into the patient's are asked for
MOST_FETCHED = 8  # images, of all of them together


class _NotTheirs(Exception):
    """What was offered is, or may be, another patient's."""


@dataclass(frozen=True, slots=True)
class _Whose:
    """The patient, and the numbers that were merged into his or hers with the issuer of each."""

    patient: Patient
    merged_away: Mapping[str, str]

    def has_under_another_number(self, theirs: Patient) -> bool:
        number = theirs.patient_id.strip()
        return number != self.patient.patient_id.strip() and number in self.merged_away

    def must_be(self, theirs: Patient, *, is_whole: bool) -> None:
        """Raises `_NotTheirs`, as `_must_be_of` does."""
        if not self.has_under_another_number(theirs):
            _must_be_of(self.patient, theirs, is_whole=is_whole)
            return
        issuer = self.merged_away[theirs.patient_id.strip()].strip()
        if issuer and theirs.issuer.strip() not in ("", issuer):
            raise _NotTheirs("its Issuer of Patient ID differs from this study's, so it may be another patient's")
        numbered = replace(theirs, patient_id=self.patient.patient_id)
        _must_be_of(self.patient, numbered, is_whole=False)
        if is_whole and not agree_across_a_merge(self.patient, theirs):
            raise _NotTheirs(
                "it is filed under a Patient ID that was merged into this patient's, and no birth date says that it is the same patient's"
            )


@dataclass(slots=True)
class Result:
    """How a search ended.

    Attributes:
        outcome: of `agent.store.priors`.
        remarks: sentences for the reader.
        asked: name of the other system that was asked; empty when none was.
    """

    outcome: str = priors.NONE
    prior: PriorImage | None = None
    remarks: list[str] = field(default_factory=list)
    asked: str = ""

    def worse(self, outcome: str, remark: str) -> None:
        """Something did not go as it should; what is worst is what is called the outcome."""
        ranks = (priors.NONE, priors.FAILED, priors.REFUSED)
        if ranks.index(outcome) > ranks.index(self.outcome):
            self.outcome = outcome
        self.remarks.append(remark)


@dataclass(slots=True)
class _Bounds:
    deadline: Deadline
    images_left: int = MOST_FETCHED


class PriorSearch:
    """Looks for the prior of one study after the other.

    Args:
        source: who else may have films; None to look only among `own`.
        gate: whom the model is for; it holds for an earlier film as well.
    """

    def __init__(self, source: Source | None, shelf: Shelf, gate: Gate, oldest_days: int) -> None:
        self._source, self._shelf, self._gate, self._oldest_days = source, shelf, gate, oldest_days

    def __call__(
        self,
        study: Study,
        own: Sequence[OwnFrontal],
        *,
        received: date,
        deadline: Deadline,
        is_anothers: Callable[[str], bool] = lambda _: False,
        merged_away: Mapping[str, str] | None = None,
    ) -> Result:
        """The prior of a study, or why there is none.

        Args:
            own: frontal images of other studies of that Patient ID that were received here.
            is_anothers: whether the study of that UID is known here to be of another patient, whatever an archive says.
            merged_away: Patient IDs that were merged into the patient's, the newest first, and the issuer of each; empty where
                nobody names one.

        Raises:
            PrereadError: what was fetched cannot be kept at the moment.
        """
        result, bounds, whose = Result(), _Bounds(deadline), _Whose(study.patient, merged_away or {})
        dates = days_before(study, self._oldest_days, received=received)
        candidates = [*_here(own), *self._offered(whose, dates, bounds, result)]
        earlier = [c for c in candidates if is_earlier(c.study, study, dates) and may_be_a_film(c.study)]
        for candidate in in_order(earlier)[:MOST_STUDIES]:
            if is_anothers(candidate.study.study_instance_uid):
                day = spelt(candidate.study.study_date)
                words = f"a film of {day} was not used: by what is known here it is not certainly of this patient"
                result.worse(priors.REFUSED, words)
                continue
            prior = self._tried(candidate, whose, bounds, result)
            if prior is not None:
                result.outcome, result.prior = priors.FOUND, prior
                return result
            if deadline.passed:
                break
        if deadline.passed:
            result.worse(priors.FAILED, "no comparison with an earlier film: none could be had in time")
        elif result.outcome == priors.NONE:
            result.remarks.append(f"no earlier chest film to compare with was found {self._where(dates)}")
        return result

    def _where(self, dates: tuple[str, str]) -> str:
        places = "among the studies received here" + (f" and in {self._source.name}" if self._source else "")
        return f"{places}, back to {spelt(dates[0])}"

    def _offered(self, whose: _Whose, dates: tuple[str, str], bounds: _Bounds, result: Result) -> list[Candidate]:
        """What the source has under the patient's number, and under those that were merged into it."""
        if self._source is None:
            return []
        result.asked = self._source.name
        offered: dict[str, Candidate] = {}
        for number in (whose.patient.patient_id, *list(whose.merged_away)[:MOST_NUMBERS]):
            try:
                found = self._source.studies(number, dates, bounds.deadline)
            except UnusableKey as error:
                result.worse(priors.FAILED, f"no earlier film was asked for: {error}")
                continue
            except NodeError as error:
                result.worse(priors.FAILED, f"no earlier film could be asked for: {error}")
                break
            if found.more:
                words = f"{self._source.name} has more than {len(found.answers)} studies of the patient; only so many were looked at"
                result.remarks.append(words)
            for one in found.answers:
                offered.setdefault(one.study_instance_uid, Candidate(one))
        return list(offered.values())

    def _tried(self, candidate: Candidate, whose: _Whose, bounds: _Bounds, result: Result) -> PriorImage | None:
        """The frontal image of an earlier study, if that has one and it is the patient's."""
        day = spelt(candidate.study.study_date)
        try:
            if candidate.own is not None:
                _must_be_of(whose.patient, patient_in(candidate.study), is_whole=True)
                return candidate.own
            whose.must_be(patient_in(candidate.study), is_whole=False)
            prior = self._fetched(candidate.study, whose, bounds)
            if prior is not None and whose.has_under_another_number(patient_on(facts_of(prior))):
                result.remarks.append(
                    "the earlier film is filed under a Patient ID that was merged into this patient's"
                )
            return prior
        except _NotTheirs as error:
            result.worse(priors.REFUSED, f"a film of {day} that {self._name(candidate)} offered was not used: {error}")
        except Unsuitable as error:
            result.worse(priors.FAILED, f"a film of {day} from {self._name(candidate)} was not used: {error}")
        except NodeError as error:
            result.worse(priors.FAILED, f"a film of {day} could not be had: {error}")
        return None

    def _name(self, candidate: Candidate) -> str:
        return "this node" if candidate.own is not None or self._source is None else self._source.name

    def _fetched(self, study: FoundStudy, whose: _Whose, bounds: _Bounds) -> PriorImage | None:
        """The first frontal chest film among the images of a study. Raises `NodeError`, `Unsuitable`, `_NotTheirs`."""
        for address in self._addresses(study, bounds):
            assert self._source is not None
            if bounds.images_left <= 0 or bounds.deadline.passed:
                return None
            bounds.images_left -= 1
            prior = self._source.fetch(address, bounds.deadline)
            facts = facts_of(prior)
            try:
                whose.must_be(patient_on(facts), is_whole=True)
            except _NotTheirs:
                self._shelf.let_go(prior)
                raise
            (chosen,) = select_images([facts], self._gate)
            if chosen.used and chosen.role == FRONTAL:
                return prior
            self._shelf.let_go(prior)
        return None

    def _addresses(self, study: FoundStudy, bounds: _Bounds) -> Iterator[ImageAddress]:
        assert self._source is not None
        uid = study.study_instance_uid
        for series in series_to_try(study, self._source.series(uid, bounds.deadline).answers):
            images = self._source.images(uid, series.series_instance_uid, bounds.deadline).answers
            for image in images:
                yield ImageAddress(uid, series.series_instance_uid, image.sop_instance_uid)


def _here(own: Sequence[OwnFrontal]) -> Iterator[Candidate]:
    """What was received here as a study, under the identity that it has by now."""
    for one in own:
        study = study_from_json(one.about)
        whose = study.patient
        said = FoundStudy(
            study.study_instance_uid,
            study.study_date,
            study.study_time,
            patient_id=whose.patient_id,
            issuer_of_patient_id=whose.issuer,
            patient_name=whose.name,
            patient_birth_date=whose.birth_date,
            patient_sex=whose.sex,
        )
        yield Candidate(said, one.image)


def _must_be_of(patient: Patient, theirs: Patient, *, is_whole: bool) -> None:
    """Args:
    is_whole: all that is known of whose it is stands there; the answer to a query need not say everything.
    """
    differing = differences(patient, theirs)
    if differing:
        raise _NotTheirs(f"its {', '.join(differing)} differs from this study's, so it may be another patient's")
    if is_whole and not is_confirmed(patient, theirs):
        raise _NotTheirs(
            "beside the Patient ID nothing says that it is the same patient's: no name or birth date agrees"
        )


def spelt(day: str) -> str:
    """A DA as a person writes it."""
    return f"{day[:4]}-{day[4:6]}-{day[6:8]}" if len(day) == 8 and day.isdigit() else "unknown date"
