"""The four kinds of chart: bars over steps, times on a logarithmic scale, shares with their intervals, lines over days."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.numbers.buckets import LEAST_S, upper
from agent.numbers.figures import Rate
from agent.web.numbers import draw
from agent.web.numbers.draw import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Labels

HEIGHT = 240
_INSIDE = WIDTH - LEFT - RIGHT
_ROW = 24
_NAMES = 220  # pixels for names beside intervals
BUCKETS_A_BAR = 3  # some 16 % wide
_SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 43200, 86400, 604800, 2592000)


@dataclass(frozen=True, slots=True)
class Bar:
    """One place on the axis: its name, and how much of each series stands there."""

    name: str
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.values)


def bars(name: str, labels: Labels, rows: Sequence[Bar], number: Callable[[float], str]) -> str:
    """Bars, the series of each one upon the other, the first at the bottom."""
    return draw.drawing(name, labels, HEIGHT, _bars(labels, rows, number))


def _bars(labels: Labels, rows: Sequence[Bar], number: Callable[[float], str]) -> Iterator[str]:
    top = TOP + (18 if labels.series else 0)
    if labels.series:
        yield from draw.legend(labels.series, TOP + 8)
    ticks = draw.steps(max((row.total for row in rows), default=0) or 1)
    scale = (HEIGHT - top - BOTTOM) / ticks[-1]
    base, wide = HEIGHT - BOTTOM, _INSIDE / max(len(rows), 1)
    yield from _ups(ticks, base, scale, number, labels.up, top)
    every = max(1, math.ceil(len(rows) * 46 / _INSIDE))
    for place, row in enumerate(rows):
        x, y = LEFT + place * wide, float(base)
        for series, value in enumerate(row.values):
            if value:
                y -= value * scale
                kind = f"{labels.series[series]}: " if labels.series else ""
                yield draw.bar(
                    x + wide * 0.1, y, wide * 0.8, value * scale, series, f"{row.name}: {kind}{number(value)}"
                )
        if place % every == 0:
            yield draw.words(x + wide / 2, base + 16, row.name)
    yield draw.words(LEFT + _INSIDE / 2, HEIGHT - 8, labels.across)


def _ups(
    ticks: Sequence[float], base: float, scale: float, number: Callable[[float], str], up: str, top: float
) -> Iterator[str]:
    for tick in ticks:
        y = base - tick * scale
        yield draw.rule(LEFT, y, WIDTH - RIGHT, y)
        yield draw.words(LEFT - 6, y + 4, number(tick), "end")
    if up:
        yield draw.words(WIDTH - RIGHT, top + 8, up, "end")


def times(
    name: str,
    labels: Labels,
    buckets: Mapping[int, int],
    marks: Sequence[tuple[str, float]],
    number: Callable[[float], str],
    duration: Callable[[float], str],
) -> str:
    """How many took how long, on a logarithmic scale; `marks`: named values, seconds, drawn as dashed lines."""
    return draw.drawing(name, labels, HEIGHT, _times(labels, buckets, marks, number, duration))


def grouped(buckets: Mapping[int, int]) -> dict[int, int]:
    """Bar number -> how many: `BUCKETS_A_BAR` buckets each."""
    found: dict[int, int] = {}
    for bucket, n in buckets.items():
        found[bucket // BUCKETS_A_BAR] = found.get(bucket // BUCKETS_A_BAR, 0) + n
    return dict(sorted(found.items()))


def bounds(place: int) -> tuple[float, float]:
    """From when to when, in seconds, a bar of `grouped` goes; the first also holds what took no time."""
    first = place * BUCKETS_A_BAR
    return (0.0 if first == 0 else upper(first - 1)), upper(first + BUCKETS_A_BAR - 1)


def _times(
    labels: Labels,
    buckets: Mapping[int, int],
    marks: Sequence[tuple[str, float]],
    number: Callable[[float], str],
    duration: Callable[[float], str],
) -> Iterator[str]:
    found = grouped(buckets)
    first, last = min(found), max(found)
    first, last = max(0, min(first, last - 3)), max(last, first + 3)
    low, high = math.log(max(bounds(first)[0], LEAST_S / 1.2)), math.log(bounds(last)[1])

    def across(seconds: float) -> float:
        return LEFT + (math.log(seconds) - low) / (high - low) * _INSIDE

    base, top = HEIGHT - BOTTOM, TOP + 14 * len(marks) + 8
    ticks = draw.steps(max(found.values()))
    scale = (base - top) / ticks[-1]
    yield from _ups(ticks, base, scale, number, "", top)
    for place, n in found.items():
        start, end = bounds(place)
        x0, x1 = across(max(start, math.exp(low))), across(end)
        tip = f"{duration(start)} - {duration(end)}: {number(n)}"
        yield draw.bar(x0 + 0.5, base - n * scale, x1 - x0 - 1, n * scale, 0, tip)
    yield from _seconds(across, low, high, base, duration)
    for row, (text, seconds) in enumerate(marks):
        x = min(max(across(seconds), LEFT), WIDTH - RIGHT)
        yield draw.rule(x, TOP + 14 * row, x, base, dashed=True)
        right = x > LEFT + _INSIDE * 0.6
        yield draw.words(x - 4 if right else x + 4, TOP + 10 + 14 * row, text, "end" if right else "start", quiet=False)
    yield draw.words(LEFT + _INSIDE / 2, HEIGHT - 8, labels.across)


def _seconds(
    across: Callable[[float], float], low: float, high: float, base: float, duration: Callable[[float], str]
) -> Iterator[str]:
    before = -math.inf
    for seconds in _SECONDS:
        if low <= math.log(seconds) <= high and (x := across(seconds)) - before > 56:
            yield draw.words(x, base + 16, duration(seconds))
            yield draw.rule(x, base, x, base + 4)
            before = x


def shares(
    name: str, labels: Labels, rates: Sequence[Rate], said: Callable[[Rate], str], percent: Callable[[float], str]
) -> str:
    """Shares as points with their 95 % intervals, one below the other; those of few are hollow."""
    height = TOP + _ROW * max(len(rates), 1) + BOTTOM
    return draw.drawing(name, labels, height, _shares(labels, rates, said, percent, height))


def sentences(
    name: str, labels: Labels, rates: Sequence[Rate], said: Callable[[Rate], str], percent: Callable[[float], str]
) -> str:
    """The same of shares whose names are sentences: each stands above its point, over the whole width."""
    height = TOP + 2 * _ROW * max(len(rates), 1) + BOTTOM
    return draw.drawing(name, labels, height, _sentences(labels, rates, said, percent, height))


def _shares(
    labels: Labels, rates: Sequence[Rate], said: Callable[[Rate], str], percent: Callable[[float], str], height: int
) -> Iterator[str]:
    left, base = _NAMES + 12, height - BOTTOM
    yield from _scale(left, rates, base, labels, percent)
    for tick in _ticks(rates):
        x = left + _along(left, rates) * tick / 100
        yield draw.rule(x, TOP, x, base)
    for row, rate in enumerate(rates):
        y = TOP + _ROW * (row + 0.5)
        yield draw.words(left - 10, y + 4, draw.shortened(rate.name, _NAMES), "end", quiet=False)
        yield from _interval(left, _along(left, rates), y, rate, said)


def _sentences(
    labels: Labels, rates: Sequence[Rate], said: Callable[[Rate], str], percent: Callable[[float], str], height: int
) -> Iterator[str]:
    yield from _scale(LEFT, rates, height - BOTTOM, labels, percent)
    for row, rate in enumerate(rates):
        top, y = TOP + 2 * _ROW * row, TOP + 2 * _ROW * (row + 0.7)
        for tick in _ticks(rates):  # no line of the grid goes through words
            x = LEFT + _along(LEFT, rates) * tick / 100
            yield draw.rule(x, top + 0.9 * _ROW, x, top + 2 * _ROW)
        yield draw.words(LEFT, y - 14, draw.shortened(rate.name, WIDTH - RIGHT - LEFT), "start", quiet=False)
        yield from _interval(LEFT, _along(LEFT, rates), y, rate, said)


def _ticks(rates: Sequence[Rate]) -> list[float]:
    """Of the axis, in percent."""
    return draw.steps(100 * min(1.0, max((r.high or 0.0 for r in rates), default=1.0)) or 1)


def _along(left: float, rates: Sequence[Rate]) -> float:
    """Pixels from a share of 0 to one of 1."""
    return 100 * (WIDTH - RIGHT - left) / _ticks(rates)[-1]


def _scale(
    left: float, rates: Sequence[Rate], base: float, labels: Labels, percent: Callable[[float], str]
) -> Iterator[str]:
    for tick in _ticks(rates):
        yield draw.words(left + _along(left, rates) * tick / 100, base + 16, percent(tick / 100))
    yield draw.words(left + (WIDTH - RIGHT - left) / 2, base + BOTTOM - 8, labels.across)


def _interval(left: float, along: float, y: float, rate: Rate, said: Callable[[Rate], str]) -> Iterator[str]:
    if rate.share is None or rate.low is None or rate.high is None:
        return
    yield draw.whisker(left + rate.low * along, left + rate.high * along, y, 0)
    yield draw.dot(left + rate.share * along, y, 0, said(rate), hollow=rate.few)


@dataclass(frozen=True, slots=True)
class Point:
    """One place on the axis: its name, and a value of each series, None where there is none."""

    name: str
    values: tuple[float | None, ...]


def lines(name: str, labels: Labels, rows: Sequence[Point], said: Callable[[float], str]) -> str:
    """Times in seconds as lines over places, on a scale from 0; a gap where there is no value."""
    return draw.drawing(name, labels, HEIGHT, _lines(labels, rows, said))


def _lines(labels: Labels, rows: Sequence[Point], said: Callable[[float], str]) -> Iterator[str]:
    top, base = TOP + 18, HEIGHT - BOTTOM
    yield from draw.legend(labels.series, TOP + 8)
    ticks = draw.steps_of_time(max((v for row in rows for v in row.values if v is not None), default=1.0) or 1.0)
    scale, wide = (base - top) / ticks[-1], _INSIDE / max(len(rows), 1)
    yield from _ups(ticks, base, scale, said, labels.up, top)
    for series in range(len(labels.series)):
        for run in _runs(rows, series):
            points = [(LEFT + (place + 0.5) * wide, base - value * scale) for place, value in run]
            if len(points) > 1:
                yield draw.polyline(points, series, dashed=bool(series))
            for (x, y), (place, value) in zip(points, run, strict=True):
                tip = f"{rows[place].name}: {labels.series[series]} {said(value)}"
                yield draw.dot(x, y, series, tip)
    every = max(1, math.ceil(len(rows) * 46 / _INSIDE))
    for place in range(0, len(rows), every):
        yield draw.words(LEFT + (place + 0.5) * wide, base + 16, rows[place].name)
    yield draw.words(LEFT + _INSIDE / 2, HEIGHT - 8, labels.across)


def _runs(rows: Sequence[Point], series: int) -> Iterator[list[tuple[int, float]]]:
    run: list[tuple[int, float]] = []
    for place, row in enumerate(rows):
        value = row.values[series]
        if value is not None:
            run.append((place, value))
        elif run:
            yield run
            run = []
    if run:
        yield run
