"""Three small plots as SVG: ROC curve, reliability, histogram of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

from agent.evaluation.films.markup import el
from agent.evaluation.films.statistics import Bin

_SIZE, _LEFT, _BOTTOM, _TOP = 200.0, 38.0, 34.0, 8.0
_TICKS = (0.0, 0.5, 1.0)
Points = Sequence[tuple[float, float]]


def roc_plot(curve: Points, called: tuple[float, float] | None) -> Element:
    """Sensitivity over 1 - specificity; a dot where yes begins."""
    dots = [] if called is None else [el("circle", cx=_x(called[0]), cy=_y(called[1]), r=4, class_="dot")]
    return _plot("ROC curve", "1 - specificity", "sensitivity", [_diagonal(), _line(_thinned(curve), "curve"), *dots])


def reliability_plot(before: Sequence[Bin], after: Sequence[Bin]) -> Element:
    """How many have the finding over what was said; the larger the dot, the more films."""
    marks: list[Element] = [_diagonal()]
    for bins, kind in ((before, "before"), (after, "after")):
        most = max((b.films for b in bins), default=1.0)
        if bins:
            marks.append(_line([(b.said, b.found) for b in bins], f"curve {kind}"))
        marks += [
            el("circle", cx=_x(b.said), cy=_y(b.found), r=2 + 4 * (b.films / most) ** 0.5, class_=f"dot {kind}")
            for b in bins
        ]
    return _plot("reliability", "said", "found", marks)


def histogram_plot(present: Sequence[int], absent: Sequence[int]) -> Element:
    """How the answers are spread, with the finding upwards and without it downwards, each by its own largest bar."""
    bars = []
    for counts, up, kind in ((present, True, "with"), (absent, False, "without")):
        most, width = max(max(counts), 1), 1 / len(counts)
        for n, count in enumerate(counts):
            high = 0.5 * count / most
            top = _y(0.5 + high) if up else _y(0.5)
            bars.append(
                el(
                    "rect",
                    el("title", f"{count} films {kind}"),
                    x=_x(n * width) + 0.5,
                    y=top,
                    width=width * _SIZE - 1,
                    height=high * _SIZE,
                    class_=f"bar {kind}",
                )
            )
    middle = el("line", x1=_x(0), x2=_x(1), y1=_y(0.5), y2=_y(0.5), class_="axis")
    return _plot("answers", "share of yes", "without | with", [*bars, middle], numbered=False)


def _plot(name: str, across: str, up: str, marks: Iterable[Element], *, numbered: bool = True) -> Element:
    wide, high = _LEFT + _SIZE + 10, _TOP + _SIZE + _BOTTOM
    frame = el("rect", x=_LEFT, y=_TOP, width=_SIZE, height=_SIZE, class_="frame")
    ticks = [el("text", f"{t:g}", x=_x(t), y=_TOP + _SIZE + 14, text_anchor="middle") for t in _TICKS]
    if numbered:
        ticks += [el("text", f"{t:g}", x=_LEFT - 5, y=_y(t) + 4, text_anchor="end") for t in _TICKS]
    middle = _TOP + _SIZE / 2
    names = [
        el("text", across, x=_LEFT + _SIZE / 2, y=high - 4, text_anchor="middle"),
        el("text", up, x=12, y=middle, text_anchor="middle", transform=f"rotate(-90 12 {middle:g})"),
    ]
    return el(
        "svg",
        el("title", name),
        frame,
        *ticks,
        *names,
        *marks,
        viewBox=f"0 0 {wide:g} {high:g}",
        width=wide,
        height=high,
        role="img",
    )


def _x(value: float) -> float:
    return _LEFT + value * _SIZE


def _y(value: float) -> float:
    return _TOP + (1 - value) * _SIZE


def _diagonal() -> Element:
    return el("line", x1=_x(0), y1=_y(0), x2=_x(1), y2=_y(1), class_="chance")


def _line(points: Points, kind: str) -> Element:
    return el("polyline", points=" ".join(f"{_x(a):.1f},{_y(b):.1f}" for a, b in points), class_=kind)


def _thinned(points: Points, most: int = 400) -> Points:
    """A curve of a hundred thousand films need not have as many corners."""
    step = max(1, len(points) // most)
    return [*points[::step], points[-1]]
