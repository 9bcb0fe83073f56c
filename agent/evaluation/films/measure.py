"""From labels and results to numbers, finding by finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agent.evaluation.films.bootstrap import DRAWS, Interval, intervals, widened
from agent.evaluation.films.calibrate import Fitted, calibrate
from agent.evaluation.films.operating import Point, operating_points
from agent.evaluation.films.result import ABSTAINED, FAILED, READ, Result
from agent.evaluation.films.statistics import Flags, Numbers, Table, auc_of_places, roc
from agent.evaluation.films.truth import LabelledFilm, Truth
from agent.reading.calibration import Calibration
from agent.reading.triage import Rule
from structured_report.content import Laterality, Presence

HISTOGRAM_BINS = 20
YES = 0.5  # share of yes over no from which the short answer is a yes


@dataclass(frozen=True, slots=True)
class Called:
    """What was called present against what is there.

    Attributes:
        films: labelled and answered.
        numbers: sensitivity, specificity, ppv, npv and flag_rate, with 95 % intervals.
        sensitivity_of_all: the same counting a film that was not read as one where nothing was found; NaN for want of films.
    """

    films: int
    table: Table
    numbers: Mapping[str, Interval]
    sensitivity_of_all: float


@dataclass(frozen=True, slots=True)
class Sides:
    """Sides that the draft names, where it is right that the finding is there and the labels name a side."""

    films: int
    right: Interval
    swapped: int
    none: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One finding.

    Attributes:
        present, absent: labelled films.
        patients: of the films in `answer`.
        unlabelled: read, and the label is unknown.
        unanswered: labelled and read, and the short question got no answer.
        unread_present, unread_absent: labelled and not read.
        auc: of the short answers.
        answer: the short answer as yes or no; None when there is no film to say it of.
        curve: ROC as (1 - specificity, sensitivity).
        histogram: films with and without the finding, by score, `HISTOGRAM_BINS` bins of 0 to 1.
        draft: what the draft calls present; None without drafts. `undetermined`: drafts that say neither.
    """

    finding: str
    present: int
    absent: int
    patients: int
    unlabelled: int
    unanswered: int
    unread_present: int
    unread_absent: int
    auc: Interval
    answer: Called | None
    curve: tuple[tuple[float, float], ...]
    histogram: tuple[tuple[int, ...], tuple[int, ...]]
    points: tuple[Point, ...]
    calibration: Fitted | None
    draft: Called | None
    undetermined: int
    sides: Sides | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All numbers of one run.

    Attributes:
        films: in the labels.
        patients: in the labels.
        outcomes: how many ended how.
        not_read: films without any answer, with reasons; `abstained`: films with short answers and no usable draft.
        notes: remark -> how many films it was made of.
    """

    films: int
    patients: int
    outcomes: Mapping[str, int]
    not_read: tuple[Result, ...]
    abstained: tuple[Result, ...]
    notes: Mapping[str, int]
    findings: tuple[Measured, ...]
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Pair:
    """A film whose label for one finding is known, and what was said of it."""

    film: LabelledFilm
    there: bool
    result: Result


def evaluate(
    truth: Truth, results: Mapping[str, Result], rules: Sequence[Rule], in_force: Calibration, *, draws: int = DRAWS
) -> Evaluation:
    """Measure. Every film of the labels has a result.

    Args:
        rules: of triage; their thresholds are among the operating points.
        in_force: the calibration that the line would use today.
    """
    said = [results[film.file] for film in truth.films]
    outcomes: dict[str, int] = {}
    notes: dict[str, int] = {}
    for one in said:
        outcomes[one.outcome] = outcomes.get(one.outcome, 0) + 1
        for note in one.notes:
            notes[note] = notes.get(note, 0) + 1
    return Evaluation(
        films=len(truth.films),
        patients=len({film.patient for film in truth.films}),
        outcomes=outcomes,
        not_read=tuple(r for r in said if r.outcome == FAILED),
        abstained=tuple(r for r in said if r.outcome == ABSTAINED),
        notes=notes,
        findings=tuple(
            _measured(f, truth, results, [r for r in rules if r.finding == f], in_force, draws) for f in truth.findings
        ),
        seconds=sum(r.seconds for r in said),
    )


def _measured(
    finding: str,
    truth: Truth,
    results: Mapping[str, Result],
    rules: Sequence[Rule],
    in_force: Calibration,
    draws: int,
) -> Measured:
    everything = [Pair(f, f.present[finding], results[f.file]) for f in truth.films if finding in f.present]
    read = [p for p in everything if p.result.outcome != FAILED]
    answered = [p for p in read if p.result.score(finding) is not None]
    drafted = [p for p in read if p.result.outcome == READ]
    scores = np.asarray([p.result.score(finding) for p in answered], np.float64)
    there, patients = flags_of(answered), [p.film.patient for p in answered]
    shares = [p for p in answered if p.result.shares.get(finding) is not None]
    asked_of = sum(results[f.file].outcome != FAILED for f in truth.films)
    across, up = roc(scores, there)
    return Measured(
        finding=finding,
        present=sum(p.there for p in everything),
        absent=sum(not p.there for p in everything),
        patients=len(set(patients)),
        unlabelled=asked_of - len(read),
        unanswered=len(read) - len(answered),
        unread_present=sum(p.there for p in everything if p.result.outcome == FAILED),
        unread_absent=sum(not p.there for p in everything if p.result.outcome == FAILED),
        auc=_area(scores, there, patients, draws),
        answer=_called(answered, [bool(s >= YES) for s in scores], everything, draws) if answered else None,
        curve=tuple(zip(across.tolist(), up.tolist(), strict=True)),
        histogram=(_histogram(scores[there]), _histogram(scores[~there])),
        points=operating_points(scores, there, patients, rules, in_force) if answered else (),
        calibration=_calibration(finding, shares, in_force),
        draft=_called(drafted, [_drafted(finding, p) for p in drafted], everything, draws) if drafted else None,
        undetermined=sum(_presence(finding, p) is Presence.UNDETERMINED for p in drafted),
        sides=_sides(finding, drafted, draws),
    )


def flags_of(pairs: Sequence[Pair]) -> Flags:
    """Whether the finding is there, one a film."""
    return np.asarray([p.there for p in pairs], np.bool_)


def _area(scores: Numbers, there: Flags, patients: Sequence[str], draws: int) -> Interval:
    if not len(scores):
        return Interval(np.nan, np.nan, np.nan)
    _, place = np.unique(scores, return_inverse=True)
    return intervals(patients, lambda w: {"auc": auc_of_places(place, there, w)}, draws=draws)["auc"]


def _called(pairs: Sequence[Pair], said: Sequence[bool], everything: Sequence[Pair], draws: int) -> Called:
    called, there = np.asarray(said, np.bool_), flags_of(pairs)
    patients = [p.film.patient for p in pairs]
    table = Table.of(called, there, np.ones(len(pairs)))
    numbers = intervals(patients, lambda w: Table.of(called, there, w).numbers, draws=draws)
    of = {"sensitivity": there, "specificity": ~there, "ppv": called, "npv": ~called}
    enough = {
        name: widened(v, len({p for p, counts in zip(patients, of.get(name, there | ~there), strict=True) if counts}))
        for name, v in numbers.items()
    }
    positive = sum(p.there for p in everything)
    return Called(len(pairs), table, enough, table.hits / positive if positive else float("nan"))


def _histogram(scores: Numbers) -> tuple[int, ...]:
    return tuple(np.histogram(scores, HISTOGRAM_BINS, (0.0, 1.0))[0].tolist())


def _calibration(finding: str, pairs: Sequence[Pair], in_force: Calibration) -> Fitted | None:
    """Only shares can be calibrated; a bare yes or no cannot."""
    if not pairs:
        return None
    shares = np.asarray([p.result.shares[finding] for p in pairs], np.float64)
    return calibrate(finding, shares, flags_of(pairs), [p.film.patient for p in pairs], in_force)


def _presence(finding: str, pair: Pair) -> Presence | None:
    said = pair.result.draft.get(finding)
    return None if said is None else said.presence


def _drafted(finding: str, pair: Pair) -> bool:
    return _presence(finding, pair) is Presence.PRESENT


def _sides(finding: str, drafted: Sequence[Pair], draws: int) -> Sides | None:
    known = [p for p in drafted if finding in p.film.sides and _drafted(finding, p)]
    if not known:
        return None
    pairs = [(p.film.sides[finding], p.result.draft[finding].side) for p in known]
    right = np.asarray([said is side for side, said in pairs], np.float64)
    patients = [p.film.patient for p in known]
    share = intervals(patients, lambda w: {"right": float((w * right).sum() / w.sum())}, draws=draws)["right"]
    opposite = {(Laterality.LEFT, Laterality.RIGHT), (Laterality.RIGHT, Laterality.LEFT)}
    return Sides(
        films=len(known),
        right=widened(share, len(set(patients))),
        swapped=sum(pair in opposite for pair in pairs),
        none=sum(said is None for _, said in pairs),
    )
