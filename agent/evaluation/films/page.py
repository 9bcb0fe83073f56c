"""The report as one HTML file that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from xml.etree.ElementTree import Element

from agent.evaluation.films.bootstrap import DRAWS, Interval
from agent.evaluation.films.calibrate import Fitted, Reliability
from agent.evaluation.films.markup import Child, el, page
from agent.evaluation.films.measure import Called, Evaluation, Measured, Sides
from agent.evaluation.films.plots import histogram_plot, reliability_plot, roc_plot
from agent.evaluation.films.provenance import Made
from agent.evaluation.films.result import Result

_FEW = 30  # films with, or without, the finding: numbers of fewer say little
_RATES = ("sensitivity", "specificity", "ppv", "npv")
_LEGEND = (
    "Reliability, on the half of the patients that the line was not fitted on: orange as answered, blue by the line."
)
_HEADINGS = {"ppv": "PPV", "npv": "NPV"}
_LISTED = 1000  # films that are named as not read; all of them are in the JSON file


def as_page(evaluation: Evaluation, made: Made) -> str:
    """The document."""
    style = resources.files("agent.evaluation.films").joinpath("page.css").read_text("utf-8")
    title = f"Evaluation: {made.build['model_name']}{f' on {made.test_set}' if made.test_set else ''}"
    head = el("head", el("meta", charset="utf-8"), el("title", title), el("style", style))
    body = el(
        "body",
        el("h1", title),
        *_warnings(evaluation, made),
        _what_was_asked(evaluation, made),
        el("h2", "Every finding"),
        *_summary(evaluation.findings),
        *(part for one in evaluation.findings for part in _details(one)),
        *_list("Not read", evaluation.not_read, "No number above counts these films, except where it says so."),
        *_list("Without a draft", evaluation.abstained, "Short answers were given, and no draft that could be used."),
        *_notes(evaluation),
        el("h2", "How to read this"),
        *(el("p", words) for words in _HOW),
    )
    return page(el("html", head, body, lang="en"))


_HOW = (
    f"Intervals are 95 %, from {DRAWS} draws of the patients with replacement, the same draws in every run; a proportion that "
    "no draw moves has Wilson's interval over its patients. An AUC of 1 or 0 has no width because nothing overlaps here, not "
    "because it is certain.",
    "The short answer is the share of yes over no at the first word of the answer; it is called from 0.5 on, and is no "
    "probability before it is calibrated. The draft calls what its sentences state as present; what it does not name, or "
    "leaves open, counts as not called.",
    "PPV and NPV hold for the share of films with the finding that this folder has, and for no other. Thresholds marked with * "
    "were looked up on the very films they are shown for, and will do worse elsewhere.",
    "Calibration: a line through the log-odds is fitted on one half of the patients and looked at on the other; the half is "
    "decided by a digest of the patient. Brier: mean squared error, 0 is perfect. ECE: how far what is said is from what is "
    "found, over ten bins.",
)


def _warnings(evaluation: Evaluation, made: Made) -> list[Element]:
    words = ["Not a medical device. These numbers hold for these films and this build, and say nothing of others."]
    if made.build["for_commissioning"]:
        words.append("This model is for commissioning, not for patients.")
    if evaluation.patients == evaluation.films > 1:
        words.append(
            "By the labels every film is of a patient of its own. If that is only because they do not say whose films "
            "belong together, the intervals are too narrow."
        )
    return [el("p", w, class_="warning") for w in words]


def _what_was_asked(evaluation: Evaluation, made: Made) -> Element:
    build, outcomes = made.build, evaluation.outcomes
    per_film = evaluation.seconds / evaluation.films if evaluation.films else math.nan
    rows = {
        "date": f"{made.at:%Y-%m-%d %H:%M} UTC",
        "model": f"{build['model_name']}, {build['quantization']}, on {made.device}",
        "weights": build["weights_digest"],
        "protocol": build["prompt_id"],
        "program": f"{build['algorithm_name']} {build['algorithm_version']}; {made.engine}",
        "calibration in force": made.calibration or "none",
        "test set": made.test_set or "not named",
        "films": f"{made.folder}, {evaluation.films} films of {evaluation.patients} patients",
        "labels": f"{made.labels}, sha256 {made.labels_sha256}",
        "asked": "the short questions only" if made.flags_only else "the short questions and the whole reading",
        "outcomes": ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items())) or "none",
        "not read": str(len(evaluation.not_read)),
        "time": f"{evaluation.seconds:.0f} s, {_number(per_film)} s a film",
    }
    return el("table", *(el("tr", el("th", k), el("td", v)) for k, v in rows.items()), class_="facts")


def _summary(findings: Sequence[Measured]) -> Iterable[Element]:
    yield el("h3", "Short answers")
    yield _called_table(findings, lambda m: m.answer, auc=True)
    if any(m.draft for m in findings):
        yield el("h3", "Drafts")
        yield _called_table(findings, lambda m: m.draft, auc=False)
    if any(m.sides for m in findings):
        yield el("h3", "Sides in drafts")
        yield _table(
            ("finding", "films", "right", "swapped", "no side"),
            [_side_row(m.finding, m.sides) for m in findings if m.sides],
        )


def _called_table(findings: Sequence[Measured], of: Callable[[Measured], Called | None], *, auc: bool) -> Element:
    heads = ("finding", "films", "with", *(["AUC"] if auc else []), *_RATES, "called", "sensitivity*")
    rows: list[list[Child]] = []
    for one in findings:
        called = of(one)
        if called is None:
            rows.append([_link(one), "0", *["-"] * (len(heads) - 2)])
            continue
        there = round(called.table.hits + called.table.misses)
        few = " (few)" if min(there, called.films - there) < _FEW else ""
        cells = [_interval(called.numbers[rate]) for rate in (*_RATES, "flag_rate")]
        area = [_interval(one.auc)] if auc else []
        rows.append([_link(one), str(called.films), f"{there}{few}", *area, *cells, _number(called.sensitivity_of_all)])
    caption = "sensitivity*: films with the finding that were not read count as missed"
    return _table(heads, rows, caption)


def _side_row(finding: str, sides: Sides | None) -> list[Child]:
    assert sides is not None
    return [finding, str(sides.films), _interval(sides.right), str(sides.swapped), str(sides.none)]


def _details(one: Measured) -> Iterable[Element]:
    yield el("h2", one.finding.replace("_", " "), id=one.finding)
    yield el(
        "p",
        f"Labels: {one.present} with, {one.absent} without. Not read: {one.unread_present} with, {one.unread_absent} without. "
        f"Read and of unknown label: {one.unlabelled}. Without an answer: {one.unanswered}. "
        f"Patients: {one.patients}." + (f" Drafts that leave it open: {one.undetermined}." if one.draft else ""),
    )
    if one.answer is None:
        yield el("p", "There is no film of which both a label and a short answer are known.", class_="warning")
        return
    numbers = one.answer.numbers
    sens, spec = numbers["sensitivity"].value, numbers["specificity"].value
    plots = [histogram_plot(*one.histogram)]
    if not math.isnan(one.auc.value):
        plots.insert(0, roc_plot(one.curve, (1 - spec, sens)))
    if one.calibration is not None:
        plots.insert(-1, _reliability(one.calibration))
    yield el("div", *plots, class_="plots")
    if one.calibration is not None and one.calibration.after is not None:
        yield el("p", _LEGEND, class_="legend")
    rows: list[list[Child]] = [
        [
            f"{p.what}{' *' if p.chosen_here else ''}",
            f"{p.threshold:.3g}",
            *(_number(p.numbers[n]) for n in (*_RATES, "flag_rate")),
        ]
        for p in one.points
    ]
    yield _table(("", "threshold", *_RATES, "called"), rows)
    if one.calibration is not None:
        yield _calibration(one.calibration)


def _reliability(fitted: Fitted) -> Element:
    if fitted.before is None or fitted.after is None:
        return reliability_plot(fitted.raw.bins, ())
    return reliability_plot(fitted.before.bins, fitted.after.bins)


def _calibration(fitted: Fitted) -> Element:
    rows = [_calibrated("as answered, all films", fitted.raw)]
    if fitted.in_force is not None:
        rows.append(_calibrated("by the calibration in force, all films", fitted.in_force))
    if fitted.before is not None and fitted.after is not None and fitted.line is not None:
        rows.append(_calibrated("as answered, the half that is looked at", fitted.before))
        slope, intercept = fitted.line
        words = f"by the line fitted on the other half: log-odds x {slope:.3f} {intercept:+.3f}"
        rows.append(_calibrated(words, fitted.after))
    caption = f"no line could be fitted: {fitted.why_not}" if fitted.why_not else ""
    return _table(("calibration", "films", "Brier", "ECE"), rows, caption)


def _calibrated(what: str, found: Reliability) -> list[Child]:
    return [what, str(found.films), _number(found.brier), _number(found.ece)]


def _list(title: str, results: Sequence[Result], words: str) -> Iterable[Element]:
    if not results:
        return
    yield el("h2", f"{title}: {len(results)}")
    yield el("p", words)
    reasons: dict[str, int] = {}
    for result in results:
        reasons[result.reason] = reasons.get(result.reason, 0) + 1
    yield _table(("reason", "films"), _counted(reasons))
    caption = f"the first {_LISTED}; all are in report.json" if len(results) > _LISTED else ""
    listed = _table(("film", "reason", "in words"), [[r.file, r.reason, r.words] for r in results[:_LISTED]], caption)
    listed.set("class", "films")
    yield listed


def _notes(evaluation: Evaluation) -> Iterable[Element]:
    if evaluation.notes:
        yield el("h2", "Remarks about films that were read")
        yield _table(("remark", "films"), _counted(evaluation.notes))


def _counted(counts: Mapping[str, int]) -> list[list[Child]]:
    return [[what, str(n)] for what, n in sorted(counts.items(), key=lambda item: -item[1])]


def _table(heads: Sequence[str], rows: Sequence[Sequence[Child]], caption: str = "") -> Element:
    head = el("tr", *(el("th", _HEADINGS.get(h, h)) for h in heads))
    body = [el("tr", *(el("td", cell) for cell in row)) for row in rows]
    return el("table", *([el("caption", caption)] if caption else []), head, *body)


def _link(one: Measured) -> Element:
    return el("a", one.finding.replace("_", " "), href=f"#{one.finding}")


def _interval(value: Interval) -> str:
    if math.isnan(value.value):
        return "-"
    return f"{value.value:.3f} ({_number(value.low)} to {_number(value.high)})"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
