"""SVG, drawn with attributes alone: no style, no script. Classes let the sheet of the pages give each theme its colours; the
attributes beside them hold where there is no sheet, in a file that was downloaded.

The colours are Okabe and Ito's, which people who cannot tell red from green can tell apart; beside them the order says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

WIDTH = 720
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 44
_SERIES = ("#0072b2", "#e69f00", "#cc79a7", "#009e73")
_LINE, _INK, _QUIET = "#c6ced6", "#16202a", "#4c5a67"
_TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_LABEL_PX = 7.0  # of a character of a label, about


@dataclass(frozen=True, slots=True)
class Labels:
    """What a drawing says besides its numbers. `across`, `up`: of the axes; `series`: of the colours, where there are several."""

    title: str
    description: str
    across: str = ""
    up: str = ""
    series: tuple[str, ...] = ()


def drawing(name: str, labels: Labels, height: int, parts: Iterable[str]) -> str:
    """The whole picture; `name` makes its ids, so that several can stand on one page."""
    ids = quoteattr(f"{name}-t {name}-d")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby={ids} font-family="system-ui, sans-serif" font-size="12">'
        f"<title id={quoteattr(f'{name}-t')}>{escape(labels.title)}</title>"
        f"<desc id={quoteattr(f'{name}-d')}>{escape(labels.description)}</desc>"
    )
    return head + "".join(parts) + "</svg>"


def bar(x: float, y: float, width: float, height: float, series: int, tip: str) -> str:
    """A bar, with what a pointer that rests on it is told."""
    return (
        f'<rect class="s{series}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" '
        f'fill="{_SERIES[series]}"><title>{escape(tip)}</title></rect>'
    )


def dot(x: float, y: float, series: int, tip: str, *, hollow: bool = False) -> str:
    """A point; a hollow one says little."""
    inside = "none" if hollow else _SERIES[series]
    kind = f"s{series} hollow" if hollow else f"s{series}"
    return (
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{inside}" stroke="{_SERIES[series]}" '
        f'stroke-width="1.5"><title>{escape(tip)}</title></circle>'
    )


def whisker(x0: float, x1: float, y: float, series: int) -> str:
    """An interval, across."""
    return (
        f'<path class="s{series} stroke" d="M{x0:.1f} {y - 4:.1f}v8M{x0:.1f} {y:.1f}H{x1:.1f}M{x1:.1f} {y - 4:.1f}v8" '
        f'stroke="{_SERIES[series]}" stroke-width="1.5" fill="none"/>'
    )


def polyline(points: Sequence[tuple[float, float]], series: int, *, dashed: bool = False) -> str:
    """A line through points."""
    dashes = ' stroke-dasharray="5 3"' if dashed else ""
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return (
        f'<path class="s{series} stroke" d="{path}" stroke="{_SERIES[series]}" stroke-width="2" fill="none"{dashes}/>'
    )


def rule(x0: float, y0: float, x1: float, y1: float, *, dashed: bool = False) -> str:
    """A line of the grid; a dashed one marks a value."""
    kind, colour = ("mark", _INK) if dashed else ("grid", _LINE)
    dashes = ' stroke-dasharray="5 3"' if dashed else ""
    return f'<path class="{kind}" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="{colour}" fill="none"{dashes}/>'


def words(x: float, y: float, text: str, anchor: str = "middle", *, quiet: bool = True) -> str:
    """Text; anchor: start, middle or end."""
    kind, colour = ("quiet", _QUIET) if quiet else ("ink", _INK)
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def legend(series: Sequence[str], y: float) -> Iterable[str]:
    """What the colours mean, in a row."""
    x = float(LEFT)
    for number, name in enumerate(series):
        yield f'<rect class="s{number}" x="{x:.1f}" y="{y - 9:.1f}" width="11" height="11" fill="{_SERIES[number]}"/>'
        yield words(x + 16, y, name, "start")
        x += 36 + (_LABEL_PX + 0.5) * len(name)


def steps(highest: float) -> list[float]:
    """Three to six round values from 0 that reach as far as that."""
    size = 1.0
    while size * 5 < highest:
        size *= 2.5 if f"{size:.0e}".startswith("2") else 2
    count = max(1, -int(-highest // size))
    return [n * size for n in range(count + 1)]


def steps_of_time(longest: float) -> list[float]:
    """The same of seconds, in steps that a clock has."""
    size = next((s for s in _TIME_STEPS if s * 6 >= longest), None)
    if size is None:
        return [n * 86400.0 for n in steps(longest / 86400)]
    return [n * size for n in range(max(1, -int(-longest // size)) + 1)]


def shortened(text: str, width: float) -> str:
    """What fits into so many pixels, about; the rest is in the table."""
    most = max(3, int(width / _LABEL_PX))
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
