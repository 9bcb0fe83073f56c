"""One film after the other in front of the model, through the functions of the line, without its ledger."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from agent.errors import ModelUnavailable, Permanent, Transient
from agent.evaluation.films.picture import is_picture, prepare_picture
from agent.evaluation.films.result import ABSTAINED, FAILED, FLAGGED, READ, Result, Said
from agent.imaging.facts import InstanceFacts
from agent.imaging.views import select_images
from agent.intake.case import use_of
from agent.model.protocol import Choice
from agent.reading.common import Desk
from agent.reading.desk import open_study
from agent.reading.flag import flag_of_answers
from agent.reading.offline import stored_image
from agent.reading.pictures import Prepared
from agent.reading.read import read_study
from agent.reading.study_session import OpenStudy
from agent.settings import Settings
from structured_report.content import Outcome


def sha256_of(file: Path) -> str:
    """Of the content, in hexadecimal. Raises `OSError`."""
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


class FilmReader:
    """Reads films.

    Args:
        findings: those the short questions are about.
        flags_only: ask the short questions and nothing else.
        test_set: the name that stands in every result.
    """

    def __init__(
        self, settings: Settings, desk: Desk, findings: Sequence[str], *, flags_only: bool, test_set: str
    ) -> None:
        self._settings, self._desk, self._flags_only, self._test_set = settings, desk, flags_only, test_set
        self._findings = tuple(dict.fromkeys((*settings.triage.findings, *findings)))
        self._log = structlog.get_logger()

    def read(self, folder: Path, file: str) -> Result:
        """The film in that file; whatever is wrong with it is a result.

        Raises:
            ModelUnavailable: the model is gone, and no other film could be read either.
        """
        started = time.monotonic()
        try:
            result = self._of_its_content(folder / file, file)
        except OSError as error:
            words = f"the file cannot be read ({error.strerror})"
            result = Result(file, FAILED, "file-unreadable", words, may_pass=True)
        return replace(result, test_set=self._test_set, seconds=round(time.monotonic() - started, 3))

    def _of_its_content(self, path: Path, file: str) -> Result:
        """What became of the film as it is on the disk now. Raises `OSError` when it cannot be read."""
        sha256 = sha256_of(path)
        try:
            result = self._tried(path, file)
        except ModelUnavailable:
            raise
        except Transient as error:
            result = Result(file, FAILED, error.code, str(error), may_pass=True)
        except Permanent as error:
            result = Result(file, FAILED, error.code, str(error))
        except Exception as error:  # noqa: BLE001  edge of the run: our defect costs one film, which is listed, and not the thousands after it
            self._log.error("film failed", error_type=type(error).__name__, exc_info=True)
            words = f"internal error ({type(error).__name__})"
            result = Result(file, FAILED, "internal", words, may_pass=True)
        return replace(result, sha256=sha256)

    def _tried(self, path: Path, file: str) -> Result:
        """A model that fails on this film is asked again, as often as the settings say."""
        for _ in range(self._desk.attempts - 1):
            try:
                return self._read(path, file)
            except ModelUnavailable:
                raise
            except Transient:
                continue
        return self._read(path, file)

    def _read(self, path: Path, file: str) -> Result:
        picture = is_picture(path)
        prepared, indication = (prepare_picture(path, self._desk.gate), "") if picture else self._prepare_dicom(path)
        if prepared.problem is not None:
            return Result(file, FAILED, *prepared.problem)
        study = open_study(self._desk.model, prepared, self._desk.protocol, self._settings.model)
        try:
            return replace(self._asked(study, file, indication), notes=prepared.notes)
        finally:
            study.close()

    def _prepare_dicom(self, path: Path) -> tuple[Prepared, str]:
        image = stored_image(0, path)
        facts = InstanceFacts.from_json(image.facts)
        (selection,) = select_images([facts], self._settings.gate)
        if not selection.used:
            raise Permanent(selection.explanation, code=selection.reason)
        return self._desk.prepare([(image, use_of(image, selection))]), facts.indication

    def _asked(self, study: OpenStudy, file: str, indication: str) -> Result:
        answers = dict(zip(self._findings, study.probe(self._findings), strict=True))
        result = Result(
            file,
            FLAGGED,
            shares={f: None if a.shares is None else a.shares[0] for f, a in answers.items()},
            answers={f: yes for f, a in answers.items() if (yes := _yes(a)) is not None},
        )
        if self._flags_only:
            return result
        asked_first = self._settings.triage.findings
        flag = flag_of_answers(asked_first, [answers[f] for f in asked_first], self._desk.rules, self._desk.calibration)
        read = read_study(study, flag, self._desk.rules, indication=indication)
        if read.outcome is not Outcome.READ:
            return replace(result, outcome=ABSTAINED, reason=read.reason, words=read.explanation)
        draft = {f.concept: Said(f.presence, f.laterality) for f in read.findings}
        return replace(result, outcome=READ, draft=draft)


def _yes(answer: Choice) -> bool | None:
    if answer.shares is not None:
        return answer.shares[0] >= 0.5
    return None if answer.chosen is None else answer.chosen == 0
