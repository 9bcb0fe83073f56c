"""All numbers as JSON, and the lines of a calibration in the form the settings name."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.errors import Permanent
from agent.evaluation.films.bootstrap import DRAWS, SEED
from agent.evaluation.films.measure import Evaluation, Measured
from agent.evaluation.films.provenance import Made
from agent.evaluation.films.result import Result

NUMBERS, PAGE, CALIBRATION = "report.json", "report.html", "calibration.json"


def as_json(evaluation: Evaluation, made: Made) -> dict[str, Any]:
    """JSON values; what has no value is null."""
    head = asdict(made) | {"at": made.at.isoformat(), "bootstrap": {"draws": DRAWS, "seed": SEED, "by": "patient"}}
    return {
        "made": head,
        "films": evaluation.films,
        "patients": evaluation.patients,
        "outcomes": dict(evaluation.outcomes),
        "seconds": round(evaluation.seconds, 3),
        "not_read": [_reason(r) for r in evaluation.not_read],
        "abstained": [_reason(r) for r in evaluation.abstained],
        "notes": dict(evaluation.notes),
        "findings": {one.finding: _finding(one) for one in evaluation.findings},
    }


def calibration_json(evaluation: Evaluation, made: Made) -> dict[str, Any] | None:
    """What `agent.reading.calibration` reads; None when no line could be fitted."""
    lines = {m.finding: m.calibration.line for m in evaluation.findings if m.calibration and m.calibration.line}
    if not lines:
        return None
    of = {k: made.build[k] for k in ("model_name", "weights_digest", "quantization", "prompt_id")}
    return {"name": made.calibration_name, "findings": {k: list(v) for k, v in lines.items()}, "fitted_on": of}


def write(folder: Path, numbers: dict[str, Any], page: str, calibration: dict[str, Any] | None) -> list[Path]:
    """Put the files into the folder, each whole or not at all; returns them. A calibration of an earlier run that cannot
    be fitted any more is taken away.

    Raises:
        Permanent: the folder cannot be written.
    """
    texts = {PAGE: page, NUMBERS: json.dumps(numbers, indent=1, ensure_ascii=False, allow_nan=False)}
    if calibration is not None:
        texts[CALIBRATION] = json.dumps(calibration, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        if calibration is None:
            (folder / CALIBRATION).unlink(missing_ok=True)
        for name, text in texts.items():
            whole = folder / f".{name}.new"
            whole.write_text(text + "\n", encoding="utf-8")
            whole.replace(folder / name)
    except OSError as error:
        raise Permanent(f"{folder} cannot be written ({error.strerror})", code="out-unwritable") from error
    return [folder / name for name in texts]


def _reason(result: Result) -> dict[str, str]:
    return {"file": result.file, "code": result.reason, "words": result.words}


def _finding(one: Measured) -> dict[str, Any]:
    return {k: _plain(v) for k, v in asdict(one).items() if k != "finding"}


def _plain(value: Any) -> Any:
    """NaN as null, tuples as lists."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
