"""The charts of a period: each a picture and the table that it was drawn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta

from agent.numbers.buckets import quantile
from agent.numbers.count import UNSPECIFIED, WHOLE
from agent.numbers.figures import DayFigures, Figures, Rate, Took
from agent.store.reviews import ACCEPTED, CORRECTED, MISSED, REJECTED
from agent.web.numbers import kinds
from agent.web.numbers.draw import Labels
from agent.web.numbers.kinds import Bar, Point
from agent.web.numbers.tongue import Tongue

_VERDICTS = (ACCEPTED, CORRECTED, REJECTED, MISSED)
Cell = str | int | float | None
_DAILY_UP_TO = 92  # days of a period


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Attributes:
        name: for addresses and file names; letters, digits, hyphens and what names of destinations have.
        columns, rows: the table, of raw values: shares 0 to 1, times in seconds, days in ISO 8601.
        shown: the same rows as a person reads them.
    """

    name: str
    title: str
    description: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    shown: tuple[tuple[str, ...], ...]
    svg: str


def charts_of(figures: Figures, tongue: Tongue) -> tuple[Chart, ...]:
    """Every chart of which there is something to show."""
    return tuple(_charts(figures, tongue))


def _charts(figures: Figures, tongue: Tongue) -> Iterator[Chart]:
    days = [d for d in figures.days if figures.counted_since is not None and d.day >= figures.counted_since]
    steps = _steps(figures, days)
    if any(d.studies for d in days):
        yield _stacked("studies", tongue, steps, lambda d: (d.studies,), ("studies",))
        yield _hours(figures, tongue)
    if any(d.read or d.abstained or d.not_analysed for d in days):
        kinds_of = ("read", "abstained", "not_analysed")
        yield _stacked("outcomes", tongue, steps, lambda d: (d.read, d.abstained, d.not_analysed), kinds_of)
    if any(d.looked_at for d in days):
        yield _stacked("flags", tongue, steps, lambda d: (d.critical, d.urgent), ("critical", "urgent"))
    for took in figures.took:
        yield _times(took, tongue)
        yield _times_by_day(took, steps, tongue)
    if figures.flagged_by_scanner:
        yield _shares("scanners", figures.flagged_by_scanner, tongue, scanner_name)
    if figures.findings:
        yield _shares("findings", figures.findings, tongue, finding_name)
    if figures.reasons:
        yield _reasons(figures, tongue)
    if figures.agreement:
        yield _shares("agreement", figures.agreement, tongue, finding_name)
    if any(sum(counts.values()) for counts in figures.judged.values()):
        yield _judged(figures, steps, tongue)


Step = tuple[str, str, Sequence[DayFigures]]  # the first day, the name on the axis, the days


def _steps(figures: Figures, days: Sequence[DayFigures]) -> list[Step]:
    """Days; of a longer period weeks, that begin on Monday, or months: as many as an eye can tell apart."""
    length = (figures.period.last - figures.period.first).days + 1
    found: dict[date, list[DayFigures]] = {}
    for day in days:
        if figures.period.is_long:
            start = day.day.replace(day=1)
        elif length > _DAILY_UP_TO:
            start = day.day - timedelta(days=day.day.weekday())
        else:
            start = day.day
        found.setdefault(start, []).append(day)
    form = "%Y-%m" if figures.period.is_long else "%m-%d"
    return [(start.isoformat(), start.strftime(form), of) for start, of in found.items()]


def _stacked(
    name: str, tongue: Tongue, steps: Sequence[Step], of: Callable[[DayFigures], tuple[int, ...]], series: Sequence[str]
) -> Chart:
    t = tongue.t
    named = tuple(t(f"numbers.series.{s}") for s in series)
    sums = [tuple(map(sum, zip(*map(of, days), strict=True))) for _, _, days in steps]
    total = tuple(map(sum, zip(*sums, strict=True)))
    said = ", ".join(
        f"{tongue.number(n)} {t(f'numbers.series.{s}', count=n)}" for n, s in zip(total, series, strict=True)
    )
    labels = Labels(
        t(f"numbers.chart.{name}"),
        said,
        t("numbers.axis.day"),
        t("numbers.axis.studies"),
        named if len(named) > 1 else (),
    )
    bars = [Bar(axis, values) for (_, axis, _), values in zip(steps, sums, strict=True)]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (start, *values) for (start, _, _), values in zip(steps, sums, strict=True)
    )
    return Chart(
        name, labels.title, said, (t("numbers.axis.day"), *named), rows, _numbers(rows, tongue),
        kinds.bars(name, labels, bars, tongue.number),
    )  # fmt: skip


def _numbers(rows: Sequence[tuple[Cell, ...]], tongue: Tongue) -> tuple[tuple[str, ...], ...]:
    return tuple((str(row[0]), *(tongue.number(v) for v in row[1:] if isinstance(v, int))) for row in rows)


def _hours(figures: Figures, tongue: Tongue) -> Chart:
    t = tongue.t
    busiest = max(range(24), key=lambda hour: figures.hours[hour])
    said = t("numbers.say.hours", hour=f"{busiest:02}", n=tongue.number(figures.hours[busiest]))
    labels = Labels(t("numbers.chart.hours"), said, t("numbers.axis.hour"), t("numbers.axis.studies"))
    rows = tuple((f"{hour:02}", n) for hour, n in enumerate(figures.hours))
    bars = [Bar(hour, (n,)) for hour, n in rows]
    return Chart(
        "hours", labels.title, said, (t("numbers.axis.hour"), t("numbers.series.studies")), rows, _numbers(rows, tongue),
        kinds.bars("hours", labels, bars, tongue.number),
    )  # fmt: skip


def _called(took: Took, tongue: Tongue) -> str:
    where = f" ({took.destination})" if took.destination else ""
    return f"{tongue.t(f'numbers.took.{took.what}')}{where}"


def name_of(took: Took) -> str:
    """The name of its chart."""
    return f"took-{took.what}" + (f"-{took.destination}" if took.destination else "")


def _times(took: Took, tongue: Tongue) -> Chart:
    t, name = tongue.t, name_of(took)
    median, p95 = took.median_s or 0.0, took.p95_s or 0.0
    half, most = tongue.duration(median), tongue.duration(p95)
    said = t("numbers.say.took", n=tongue.number(took.count), count=took.count, median=half, p95=most)
    labels = Labels(_called(took, tongue), said, t("numbers.axis.seconds"), t("numbers.axis.studies"))
    marks = [(t("numbers.median", value=half), median), (t("numbers.p95", value=most), p95)]
    bars = [(*kinds.bounds(place), n) for place, n in kinds.grouped(took.buckets).items()]
    return Chart(
        name, labels.title, said, (t("numbers.column.longer"), t("numbers.column.up_to"), t("numbers.series.studies")),
        tuple((round(low, 3), round(high, 3), n) for low, high, n in bars),
        tuple((tongue.duration(low), tongue.duration(high), tongue.number(n)) for low, high, n in bars),
        kinds.times(name, labels, took.buckets, marks, tongue.number, tongue.duration),
    )  # fmt: skip


def _times_by_day(took: Took, steps: Sequence[Step], tongue: Tongue) -> Chart:
    t, name = tongue.t, f"{name_of(took)}-by-day"
    found = [
        (start, axis, _together(took.by_day, {date.fromisoformat(start), *(d.day for d in days)}))
        for start, axis, days in steps
    ]
    rows = tuple((start, quantile(of, 0.5), quantile(of, 0.95), sum(of.values())) for start, _, of in found)
    named = (t("numbers.series.median"), t("numbers.series.p95"))
    title = t("numbers.chart.by_day", what=_called(took, tongue))
    labels = Labels(title, t("numbers.say.by_day"), t("numbers.axis.day"), "", named)
    points = [Point(axis, (row[1], row[2])) for (_, axis, _), row in zip(found, rows, strict=True)]
    return Chart(
        name, title, labels.description, (t("numbers.axis.day"), *named, t("numbers.series.studies")),
        tuple((day, _rounded(a), _rounded(b), n) for day, a, b, n in rows),
        tuple((d, tongue.maybe(a, tongue.duration), tongue.maybe(b, tongue.duration), tongue.number(n)) for d, a, b, n in rows),
        kinds.lines(name, labels, points, tongue.duration),
    )  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _together(by_day: Mapping[date, Mapping[int, int]], days: AbstractSet[date]) -> dict[int, int]:
    found: dict[int, int] = {}
    for day in days:
        for bucket, n in by_day.get(day, {}).items():
            found[bucket] = found.get(bucket, 0) + n
    return found


def scanner_name(name: str, tongue: Tongue) -> str:
    """A scanner as it calls itself; others and those without a name in the reader's words."""
    if name in ("", "others"):
        return tongue.t("numbers.scanner.others" if name else "numbers.scanner.unnamed")
    return name


def finding_name(concept: str, tongue: Tongue) -> str:
    """A finding in the reader's words; or the draft as a whole."""
    if concept == WHOLE:
        return tongue.t("numbers.whole")
    key = f"findings.name.{concept}"
    return tongue.t(key) if tongue.t.has(key) else concept.replace("_", " ")


def _shares(name: str, rates: Sequence[Rate], tongue: Tongue, called: Callable[[str, Tongue], str]) -> Chart:
    t = tongue.t
    rates = [Rate(called(r.name, tongue), r.n, r.of) for r in rates]
    few = sum(r.few for r in rates)
    said = t(f"numbers.say.{name}") + (f" {t('numbers.say.few', n=few, count=few)}" if few else "")
    labels = Labels(t(f"numbers.chart.{name}"), said, t("numbers.axis.share"))
    columns = tuple(t(f"numbers.column.{c}") for c in (name, "n", "of", "share", "low", "high"))
    return Chart(
        name, labels.title, said, columns, tuple((r.name, r.n, r.of, r.share, r.low, r.high) for r in rates),
        tuple(_shown(r, tongue) for r in rates),
        kinds.shares(name, labels, rates, lambda r: _said(r, tongue), tongue.percent),
    )  # fmt: skip


def _shown(rate: Rate, tongue: Tongue) -> tuple[str, ...]:
    shares = (tongue.maybe(v, tongue.percent) for v in (rate.share, rate.low, rate.high))
    name = f"{rate.name} *" if rate.few else rate.name
    return (name, tongue.number(rate.n), tongue.number(rate.of), *shares)


def _said(rate: Rate, tongue: Tongue) -> str:
    share, low, high = (tongue.maybe(v, tongue.percent) for v in (rate.share, rate.low, rate.high))
    n, of = tongue.number(rate.n), tongue.number(rate.of)
    text = tongue.t("numbers.say.share", name=rate.name, n=n, of=of, share=share, low=low, high=high)
    return f"{text}; {tongue.t('numbers.few')}" if rate.few else text


def _judged(figures: Figures, steps: Sequence[Step], tongue: Tongue) -> Chart:
    t = tongue.t
    named = tuple(t(f"numbers.series.{verdict}") for verdict in _VERDICTS)
    rows: list[tuple[Cell, ...]] = []
    for start, _, days in steps:
        on = {date.fromisoformat(start), *(d.day for d in days)}
        values = [sum(n for day, n in figures.judged.get(v, {}).items() if day in on) for v in _VERDICTS]
        rows.append((start, *values))
    said = t("numbers.say.judged")
    labels = Labels(t("numbers.chart.judged"), said, t("numbers.axis.day"), t("numbers.axis.judged"), named)
    bars = [Bar(axis, tuple(int(v or 0) for v in row[1:])) for (_, axis, _), row in zip(steps, rows, strict=True)]
    return Chart(
        "judged", labels.title, said, (t("numbers.axis.day"), *named), tuple(rows), _numbers(rows, tongue),
        kinds.bars("judged", labels, bars, tongue.number),
    )  # fmt: skip


def _reasons(figures: Figures, tongue: Tongue) -> Chart:
    t = tongue.t
    total = sum(r.n for r in figures.reasons)
    labels = Labels(
        t("numbers.chart.reasons"),
        t("numbers.say.reasons", n=tongue.number(total), count=total),
        t("numbers.axis.share"),
    )
    named = [f"{t(f'numbers.outcome.{r.outcome}')}: {_reason(r.code, tongue) or r.code}" for r in figures.reasons]
    codes = dict(zip(named, (r.code for r in figures.reasons), strict=True))
    rates = [Rate(name, r.n, total) for name, r in zip(named, figures.reasons, strict=True)]
    columns = tuple(t(f"numbers.column.{c}") for c in ("outcome", "reason", "n"))
    rows = tuple((t(f"numbers.outcome.{r.outcome}"), r.code, r.n) for r in figures.reasons)
    return Chart(
        "reasons", labels.title, labels.description, columns, rows,
        tuple((outcome, _with_code(_reason(code, tongue), code), tongue.number(n)) for outcome, code, n in rows),
        kinds.sentences("reasons", labels, rates, lambda r: f"{_with_code(r.name, codes[r.name])}: {tongue.number(r.n)}", tongue.percent),
    )  # fmt: skip


def _reason(code: str, tongue: Tongue) -> str:
    """What it means; empty where nobody has words for it."""
    return tongue.t("numbers.unspecified") if code == UNSPECIFIED else tongue.t.code(code)


def _with_code(words: str, code: str) -> str:
    """What programs, and the file that can be taken away, call it by stands behind the words."""
    return f"{words} ({code})" if words and not words.endswith(code) else words or code
