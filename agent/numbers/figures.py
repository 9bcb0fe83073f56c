"""The figures of a period, read from the counts of its days."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection

from agent.evaluation.films.statistics import wilson
from agent.numbers.buckets import quantile
from agent.store import daily
from agent.store.reviews import ACCEPTED, CORRECTED, REJECTED
from structured_report.content import Outcome, Priority

FEW = 30  # of which a share says little, however it came out
MOST_SCANNERS = 20
OTHERS = "others"  # the scanners beyond them, together
FLAGGED = (Priority.URGENT, Priority.CRITICAL)
LONGEST_DAYS, LONG_DAYS = 3660, 185
_LATEST = date(9998, 12, 31)  # after which there is room for a month


@dataclass(frozen=True, slots=True)
class Period:
    """Days of the site, both included; the first is not after the last."""

    first: date
    last: date

    @classmethod
    def up_to(cls, last: date, days: int) -> Period:
        """So many days, the last of them included, and none before the calendar begins or after it ends."""
        last = min(last, _LATEST)
        return cls(last - min(timedelta(days=days - 1), last - date.min), last)

    @property
    def is_long(self) -> bool:
        """Whether it is shown by months."""
        return (self.last - self.first).days >= LONG_DAYS

    @property
    def days(self) -> list[date]:
        """Every day of it."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day: studies that arrived, readings by outcome, studies flagged urgent or critical of all that were flagged."""

    day: date
    studies: int
    read: int
    abstained: int
    not_analysed: int
    urgent: int
    critical: int
    looked_at: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted."""
        return not (self.studies or self.read or self.abstained or self.not_analysed or self.looked_at)


@dataclass(frozen=True, slots=True)
class Took:
    """How long after the last image something was done. `buckets`: `agent.numbers.buckets` -> how many; `by_day`: the same
    of every day on which it was done, in a long period of every month, by its first day."""

    what: str
    destination: str
    buckets: Mapping[int, int]
    by_day: Mapping[date, Mapping[int, int]]

    @property
    def count(self) -> int:
        return sum(self.buckets.values())

    @property
    def median_s(self) -> float | None:
        return quantile(self.buckets, 0.5)

    @property
    def p95_s(self) -> float | None:
        return quantile(self.buckets, 0.95)


@dataclass(frozen=True, slots=True)
class Rate:
    """`n` of `of`."""

    name: str
    n: int
    of: int

    @property
    def share(self) -> float | None:
        return self.n / self.of if self.of else None

    @property
    def low(self) -> float | None:
        """The lower end of Wilson's 95 % interval."""
        return wilson(self.n, self.of)[0] if self.of else None

    @property
    def high(self) -> float | None:
        """The upper end."""
        return wilson(self.n, self.of)[1] if self.of else None

    @property
    def few(self) -> bool:
        """Whether there are too few to say much."""
        return self.of < FEW


@dataclass(frozen=True, slots=True)
class Reason:
    """Why so many studies have no reading."""

    outcome: str
    code: str
    n: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that is shown of a period.

    Attributes:
        agreement: of the statements of each finding that a radiologist judged, how many were accepted; ``-``: of whole drafts.
        judged: verdict -> how many on each day, in a long period in each month.
    """

    period: Period
    counted_since: date | None
    days: tuple[DayFigures, ...]
    hours: tuple[int, ...]
    images: int
    took: tuple[Took, ...]
    flagged_by_scanner: tuple[Rate, ...]
    findings: tuple[Rate, ...]
    findings_by_scanner: Mapping[str, tuple[Rate, ...]]
    reasons: tuple[Reason, ...]
    agreement: tuple[Rate, ...]
    judged: Mapping[str, Mapping[date, int]]


TIMES = ("flag", "sr", "oru")


def figures_of(view: Connection, period: Period) -> Figures:
    """Read them. Every number is a sum over `daily_count`, whose rows grow with days and not with studies."""
    first, last = period.first, period.last
    flags = daily.summed(view, "flag", first, last)
    outcomes = daily.summed(view, "outcome", first, last)
    found = daily.summed(view, "found", first, last)
    scanners = _largest({place: n for (_, place), n in daily.summed(view, "image", first, last).items()})
    read = _by_place(outcomes, Outcome.READ, scanners)
    findings = _findings(found, sum(read.values()))
    return Figures(
        period=period,
        counted_since=daily.first_day(view),
        days=_days(view, period),
        hours=_hours(view, period),
        images=sum(daily.summed(view, "image", first, last).values()),
        took=tuple(took for what in TIMES for took in _took(view, what, period)),
        flagged_by_scanner=_flagged(flags, scanners),
        findings=findings,
        findings_by_scanner=_by_scanner(found, [r.name for r in findings], read, scanners),
        reasons=_reasons(view, period),
        agreement=_agreement(view, period),
        judged=_judged(view, period),
    )


def _days(view: Connection, period: Period) -> tuple[DayFigures, ...]:
    counts: defaultdict[date, Counter[tuple[str, str]]] = defaultdict(Counter)
    for what in ("study", "outcome", "flag"):
        for day, about, n in daily.by_day(view, what, period.first, period.last):
            counts[day][what, "" if what == "study" else about] += n
    return tuple(_day(day, counts[day]) for day in period.days)


def _day(day: date, n: Counter[tuple[str, str]]) -> DayFigures:
    return DayFigures(
        day=day,
        studies=n["study", ""],
        read=n["outcome", Outcome.READ],
        abstained=n["outcome", Outcome.ABSTAINED],
        not_analysed=n["outcome", Outcome.NOT_ANALYSED],
        urgent=n["flag", Priority.URGENT],
        critical=n["flag", Priority.CRITICAL],
        looked_at=sum(n["flag", p] for p in Priority),
    )


def _hours(view: Connection, period: Period) -> tuple[int, ...]:
    counts = Counter[str]()
    for (hour, _), n in daily.summed(view, "study", period.first, period.last).items():
        counts[hour] += n
    return tuple(counts[f"{hour:02}"] for hour in range(24))


def _took(view: Connection, what: str, period: Period) -> list[Took]:
    whole: defaultdict[str, Counter[int]] = defaultdict(Counter)
    by_day: defaultdict[str, defaultdict[date, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
    months = period.is_long
    for start, bucket, place, n in daily.by_step(view, daily.TOOK + what, period.first, period.last, months=months):
        whole[place][int(bucket)] += n
        by_day[place][start][int(bucket)] += n
    return [Took(what, place, dict(whole[place]), by_day[place]) for place in sorted(whole)]


def _largest(images: Mapping[str, int]) -> Mapping[str, str]:
    """Scanner -> the name it is shown under: its own for the largest, one for all others."""
    ranked = sorted(images, key=lambda s: (-images[s], s))
    return {s: s if n < MOST_SCANNERS else OTHERS for n, s in enumerate(ranked)}


def _by_place(counts: Mapping[tuple[str, str], int], about: str, scanners: Mapping[str, str]) -> Counter[str]:
    found = Counter[str]()
    for (what, place), n in counts.items():
        if what == about:
            found[scanners.get(place, place)] += n
    return found


def _flagged(flags: Mapping[tuple[str, str], int], scanners: Mapping[str, str]) -> tuple[Rate, ...]:
    looked_at, flagged = Counter[str](), Counter[str]()
    for priority in Priority:
        here = _by_place(flags, priority, scanners)
        looked_at.update(here)
        if priority in FLAGGED:
            flagged.update(here)
    return tuple(Rate(s, flagged[s], n) for s, n in _in_order(looked_at))


def _findings(found: Mapping[tuple[str, str], int], of: int) -> tuple[Rate, ...]:
    counts = Counter[str]()
    for (concept, _), n in found.items():
        counts[concept] += n
    return tuple(Rate(concept, n, of) for concept, n in _in_order(counts))


def _by_scanner(
    found: Mapping[tuple[str, str], int], concepts: Sequence[str], read: Counter[str], scanners: Mapping[str, str]
) -> dict[str, tuple[Rate, ...]]:
    """The same concepts of every scanner, in the same order."""
    counts = {concept: _by_place(found, concept, scanners) for concept in concepts}
    return {scanner: tuple(Rate(c, counts[c][scanner], n) for c in concepts) for scanner, n in _in_order(read)}


def _in_order(counts: Counter[str]) -> Iterable[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _reasons(view: Connection, period: Period) -> tuple[Reason, ...]:
    rows = daily.summed(view, "reason", period.first, period.last)
    found = [Reason(outcome, code, n) for (code, outcome), n in rows.items()]
    return tuple(sorted(found, key=lambda r: (-r.n, r.outcome, r.code)))


def _agreement(view: Connection, period: Period) -> tuple[Rate, ...]:
    """What the draft did not state can be missed, and cannot be agreed with."""
    accepted, judged = Counter[str](), Counter[str]()
    for (finding, verdict), n in daily.summed(view, "judged", period.first, period.last).items():
        if n and verdict in (ACCEPTED, CORRECTED, REJECTED):
            judged[finding] += n
            accepted[finding] += n if verdict == ACCEPTED else 0
    return tuple(Rate(finding, accepted[finding], n) for finding, n in _in_order(judged))


def _judged(view: Connection, period: Period) -> dict[str, dict[date, int]]:
    found: defaultdict[str, Counter[date]] = defaultdict(Counter)
    for start, _, verdict, n in daily.by_step(view, "judged", period.first, period.last, months=period.is_long):
        found[verdict][start] += n
    return {verdict: dict(counts) for verdict, counts in found.items()}
