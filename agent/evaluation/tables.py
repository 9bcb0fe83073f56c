"""The measurement of the labeller as a text table and as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.evaluation.labeller import Count, Measured, Row, macro

_NUMBERS = ("precision", "precision_where_said", "recall")
_HEAD = f"{'':26} {'named':>25}   {'present':>25}   {'absent':>25}"
_UNDER = "".join([f"{'finding':20} {'n':>5}", *(f"  {'P':>7} {'P said':>8} {'R':>8}" + " " * 1 for _ in range(3))])


def as_table(measured: Measured) -> str:
    """One half in columns: for each kind of statement precision, precision where the corpus says anything, recall."""
    lines = [f"{measured.half}: {measured.reports} reports", _HEAD, _UNDER]
    lines += [_line(row) for row in measured.rows]
    lines += [_line(measured.micro), _means(measured.rows), "", "CheXpert's fourteen", *map(_line, measured.chexpert)]
    lines += ["", f"sides stated: {measured.sides.stated}, not mirrored with the text: {measured.sides.swapped}"]
    return "\n".join(lines)


def as_json(measured: Measured) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "half": measured.half,
        "reports": measured.reports,
        "findings": {row.finding: _row(row) for row in (*measured.rows, measured.micro)}
        | {
            "macro": {
                kind: {n: macro(measured.rows, kind, n) for n in _NUMBERS} for kind in ("named", "present", "absent")
            }
        },
        "chexpert": {row.finding: _row(row) for row in measured.chexpert},
        "sides": {"stated": measured.sides.stated, "swapped": measured.sides.swapped},
    }


def _row(row: Row) -> dict[str, Any]:
    return {kind: _count(getattr(row, kind)) for kind in ("named", "present", "absent")}


def _count(count: Count) -> dict[str, Any]:
    counts = {"right": count.right, "wrong": count.wrong, "silent": count.silent, "missed": count.missed}
    return counts | {number: getattr(count, number) for number in _NUMBERS}


def _line(row: Row) -> str:
    n = row.named.right + row.named.missed
    numbers = [
        f"  {_cell(c.precision):>7} {_cell(c.precision_where_said):>8} {_cell(c.recall):>8} "
        for c in (row.named, row.present, row.absent)
    ]
    return f"{row.finding[:20]:20} {n:5d}{''.join(numbers)}".rstrip()


def _means(rows: Sequence[Row]) -> str:
    cells = [
        "  {:>7} {:>8} {:>8} ".format(*(_cell(macro(rows, kind, number)) for number in _NUMBERS))
        for kind in ("named", "present", "absent")
    ]
    return f"{'macro':20} {'':5}{''.join(cells)}".rstrip()


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
