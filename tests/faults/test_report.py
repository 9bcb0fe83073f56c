"""What stands in docs/reliability.md is what was measured, and what people wrote around it stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults import report
from tests.faults.report import BEGIN, END, written

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


def line(number: int, kind: str, *complaints: str, happened: bool = True, **more: Any) -> str:
    common = {"seed": 9, "round": number, "kind": kind, "mode": "alone", "what": "x", "seconds": 1.0}
    return json.dumps(common | {"happened": happened, "complaints": list(complaints)} | more)


def test_a_table_says_how_much_struck_what_was_found_and_how_to_see_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "campaign.jsonl"
    lines = [
        line(1, "kill"), line(2, "network", happened=False),
        line(3, "kill", "lost: image 1", "lost: image 2", batch={"rounds": 3, "seconds": 6.0}),
    ]  # fmt: skip
    lines.append(line(1, "database", on="postgresql"))
    results.write_text("\n".join(lines) + "\n", "utf-8")
    report.main([str(results)])
    said = capsys.readouterr().out
    assert "`python -m tests.faults.campaign --kills 2 --network 1 --seed 9`" in said
    assert "`python -m tests.faults.campaign --database 1 --on postgresql --seed 9`" in said
    assert "| 2 | 2 |" in said
    assert "| 1 | 0 |" in said
    assert "3 rounds, 2 faults struck, 2.0 s a round. Found: 2 lost, 0 duplicated, 0 misfiled" in said


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    assert written(f"before {BEGIN} old {END} after", "new") == f"before {BEGIN}\n\nnew\n\n{END} after"
    with pytest.raises(ValueError, match="no lines"):
        written("no marks", "new")


def test_the_document_has_its_marks() -> None:
    assert written(DOCUMENT.read_text("utf-8"), "x").count(BEGIN) == 1
