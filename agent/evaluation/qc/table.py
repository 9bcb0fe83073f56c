"""A run of the constancy test as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from agent.evaluation.qc.checks import CHECKS
from agent.store.qc import QcRun

_UNITS = {"flag": " s", "documents": " s"}
_COLUMNS = {what: what for what in CHECKS if what not in ("polarity", "storage")} | {"stored": "stored"}


def as_table(run: QcRun) -> Table:
    """One line a film, one column a check; a check that the film does not have is left empty."""
    verdict = "passed" if run.passed else "FAILED" if run.passed is False else "not finished"
    made_by = run.build
    title = f"constancy test {run.id}, by {run.started_by}: {verdict}"
    build = f"{made_by['model_name']}, {made_by['quantization'] or 'no model'}, {made_by['algorithm_name']} {made_by['algorithm_version']}"
    table = Table(title=title, caption=build)
    table.add_column("film", no_wrap=True)
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for film in run.films:
        checks = [c for c in run.checks if c["film"] == film["name"]]
        table.add_row(film["name"], *(_cell(column, checks) for column in _COLUMNS))
    return table


def failures(run: QcRun) -> list[str]:
    """One sentence for each check that did not pass."""
    return [f"{c['film']}: {c['what']}: {c['words']} ({CHECKS[c['what']]})" for c in run.failed_checks]


def _cell(column: str, checks: Sequence[dict[str, Any]]) -> str:
    wanted = ("polarity", "storage") if column == "stored" else (column,)
    here = [c for c in checks if c["what"] in wanted]
    if not here:
        return ""
    worst = next((c for c in here if not c["passed"]), here[0])
    measured = worst["value"] if column in ("flag", "box", "documents") else None
    words = "" if measured is None else f"{measured:.{2 if column == 'box' else 1}f}{_UNITS.get(column, '')}"
    return (words or "ok") if worst["passed"] else f"[bold red]FAIL {words}[/]".replace(" [/]", "[/]")
