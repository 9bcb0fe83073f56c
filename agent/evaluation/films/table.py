"""The short answers and the drafts as a table for a terminal."""

from __future__ import annotations

import math

from rich.table import Table

from agent.evaluation.films.bootstrap import Interval
from agent.evaluation.films.measure import Called, Evaluation


def as_table(evaluation: Evaluation) -> Table:
    """One line a finding; of the draft only how much it finds and how much it leaves alone."""
    drafts = any(m.draft for m in evaluation.findings)
    table = Table(title=f"{evaluation.films} films of {evaluation.patients} patients", box=None, padding=(0, 1, 0, 0))
    table.add_column("finding", no_wrap=True)
    for heading in ("films", "with", "AUC", "", "sens.", "spec.", *(["draft sens.", "spec."] if drafts else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in evaluation.findings:
        films = 0 if one.answer is None else one.answer.films
        cells = [str(films), str(one.present), _value(one.auc), _range(one.auc), *_rates(one.answer)]
        table.add_row(one.finding, *cells, *(_rates(one.draft) if drafts else []))
    return table


def _rates(called: Called | None) -> tuple[str, str]:
    if called is None:
        return "-", "-"
    return _value(called.numbers["sensitivity"]), _value(called.numbers["specificity"])


def _value(interval: Interval) -> str:
    return "-" if math.isnan(interval.value) else f"{interval.value:.3f}"


def _range(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f"{interval.low:.3f} to {interval.high:.3f}"
