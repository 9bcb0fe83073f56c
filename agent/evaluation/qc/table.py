"""A run of the constancy test as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from agent.evaluation.qc.checks import CHECKS
from agent.store.qc import QcRun

# Heading -> the checks below it, and how many digits of what was measured are shown.
_COLUMNS: dict[str, tuple[tuple[str, ...], int | None]] = {
    "got": (("received",), None),
    "flag s": (("flag",), 1),
    "urgency": (("priority",), None),
    "read": (("read",), None),
    "pict": (("picture",), 1),
    "kind": (("kind",), None),
    "side": (("side",), None),
    "box": (("box",), 2),
    "same": (("polarity", "storage"), None),
    "docs s": (("documents",), 1),
}


def as_table(run: QcRun) -> Table:
    """One line a film, one column a check; a check that the film does not have is left empty."""
    verdict = "passed" if run.passed else "FAILED" if run.passed is False else "not finished"
    title = f"constancy test {run.id}, by {run.started_by}: {verdict}"
    made_by = run.build
    model = f"{made_by['model_name']}, {made_by['quantization'] or 'no model'}"
    caption = f"{model}, {made_by['algorithm_name']} {made_by['algorithm_version']}"
    table = Table(title=title, caption=caption, box=None, padding=(0, 1, 0, 0))
    table.add_column("film", no_wrap=True)
    for heading in _COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    for film in run.films:
        checks = [c for c in run.checks if c["film"] == film["name"]]
        table.add_row(film["name"], *(_cell(checks, *column) for column in _COLUMNS.values()))
    return table


def failures(run: QcRun) -> list[str]:
    """One sentence for each check that did not pass."""
    return [f"{c['film']}: {c['what']}: {c['words']} ({CHECKS[c['what']]})" for c in run.failed_checks]


def _cell(checks: Sequence[dict[str, Any]], kinds: Sequence[str], digits: int | None) -> str:
    here = [c for c in checks if c["what"] in kinds]
    if not here:
        return ""
    if not all(c["passed"] for c in here):
        return "[bold red]FAIL[/]"
    measured = [c["value"] for c in here if c["value"] is not None]
    return f"{min(measured):.{digits}f}" if digits is not None and measured else "ok"
