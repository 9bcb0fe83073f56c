"""A whole run: every film of the labels gets a result, whatever was there before and whenever it is cut off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.errors import Permanent
from agent.evaluation.films.journal import Journal
from agent.evaluation.films.reader import FilmReader
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


def head_of(settings: Settings, desk: Desk, truth: Truth, *, flags_only: bool, test_set: str) -> dict[str, Any]:
    """What must be the same for results to be continued."""
    return {
        "build": provenance_to_json(desk.provenance()),
        "findings": sorted({*settings.triage.findings, *truth.findings}),
        "flags_only": flags_only,
        "test_set": test_set,
        "gate": settings.gate.model_dump(),
    }


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
