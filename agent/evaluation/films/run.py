"""A whole run: every film of the labels gets a result, whatever was there before and whenever it is cut off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.errors import Permanent
from agent.evaluation.films.journal import Journal
from agent.evaluation.films.reader import FilmReader, sha256_of
from agent.evaluation.films.result import Result
from agent.evaluation.films.truth import Truth
from agent.model.protocol import Model
from agent.reading.common import Desk
from agent.reading.desk import make_desk
from agent.settings import Settings
from agent.store.files import FileStore
from structured_report.plain import provenance_to_json

_NOT_NAMED = (
    "the model is for commissioning, not for patients: it reads a test set that is named, with --test-set NAME; the name "
    "stands in every result"
)


def evaluation_desk(settings: Settings, model: Model, test_set: str) -> Desk:
    """The line's own desk, without its files. A model for commissioning gets to see a named test set, and nothing else.

    Raises:
        Permanent: it is for commissioning, and the test set has no name.
        SettingsError: the rules, the protocol or the calibration cannot be used.
    """
    if model.identity.for_commissioning and not test_set:
        raise Permanent(_NOT_NAMED, code="commissioning-only")
    desk = make_desk(settings, FileStore(Path("/"), 0), model)
    return replace(desk, commissioning_on_patients=True) if test_set else desk


def head_of(
    settings: Settings, desk: Desk, folder: Path, truth: Truth, *, flags_only: bool, test_set: str
) -> dict[str, Any]:
    """What must be the same for results to be continued."""
    identity = desk.model.identity
    return {
        "folder": str(folder.resolve()),
        "build": provenance_to_json(desk.provenance()),
        "weights_digest": identity.weights_digest,
        "quantization": identity.quantization,
        "protocol": desk.protocol.id,
        "rules": _digest([asdict(rule) for rule in desk.rules]),
        "calibration": desk.calibration.name,
        "calibration_lines": _digest({k: list(v) for k, v in desk.calibration.lines.items()}),
        "max_new_tokens": settings.model.max_new_tokens,
        "deadline_s": settings.model.deadline_s,
        "findings": sorted({*settings.triage.findings, *truth.findings}),
        "flags_only": flags_only,
        "test_set": test_set,
        "gate": settings.gate.model_dump(),
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Continued:
    """How many results an earlier run left: those that are `kept`, those of files that have `changed` since, and failures
    that may not be met `again`. All but the kept are read anew."""

    kept: int
    changed: int
    again: int


def go_on(folder: Path, truth: Truth, journal: Journal) -> Continued:
    """Let go of what an earlier run left and cannot stand: a result is one of a file's content, and a failure may pass."""
    known = [journal.results[film.file] for film in truth.films if film.file in journal.results]
    again = [r.file for r in known if r.may_pass]
    changed = [r.file for r in known if not r.may_pass and r.sha256 != _content(folder / r.file)]
    journal.let_go([*again, *changed])
    return Continued(len(known) - len(again) - len(changed), len(changed), len(again))


def _content(file: Path) -> str:
    try:
        return sha256_of(file)
    except OSError:
        return ""


def read_all(
    folder: Path, truth: Truth, reader: FilmReader, journal: Journal, tell: Callable[[], None]
) -> Mapping[str, Result]:
    """Read what has no result yet. `tell` is called after every film.

    Raises:
        ModelUnavailable: the model is gone; what has been read is kept.
        Permanent: the results cannot be written.
    """
    for film in truth.films:
        if film.file not in journal.results:
            journal.add(reader.read(folder, film.file))
            tell()
    return {film.file: journal.results[film.file] for film in truth.films}
