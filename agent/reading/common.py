"""What the flag stage and the read stage share: the model with its protocol and rules, and a revision's images made
ready for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.errors import Permanent
from agent.imaging.facts import InstanceFacts
from agent.model.protocol import Model
from agent.model.reading_protocol import ReadingProtocol
from agent.reading.build import Build
from agent.reading.calibration import Calibration
from agent.reading.opened import OpenStudies
from agent.reading.pictures import Prepared, candidate, prepare, with_prior
from agent.reading.triage import Rule
from agent.settings import Gate
from agent.store.files import FileStore
from agent.store.priors import PriorImage
from agent.store.studies import StoredImage, Use
from agent.work.queue import Job
from structured_report.content import Provenance

# A study on which the process died so often is given up: it would take the model away from all others for ever.
DEATHS_TOLERATED = 10
_COMMISSIONING_ONLY = (
    "the model is for commissioning and reads drawn phantoms only; it would have to be told otherwise "
    "(model.commissioning_on_patients), and never for patient care"
)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a reading needs that is the same for every study."""

    model: Model
    protocol: ReadingProtocol
    rules: tuple[Rule, ...]
    calibration: Calibration
    build: Build
    studies: OpenStudies
    files: FileStore
    gate: Gate
    attempts: int
    commissioning_on_patients: bool

    def provenance(self) -> Provenance:
        """Which build speaks."""
        return self.build.with_model(self.model.identity, self.protocol.id)

    def prepare(self, images: Sequence[tuple[StoredImage, Use]]) -> Prepared:
        """Render what assembly chose, from files that still hold the bytes that were received.

        Raises:
            Permanent: a file is lost or damaged.
            Transient: the decoder cannot be started at the moment.
        """
        wanted = []
        for image, use in images:
            path = self.files.path(image.path)
            one = candidate(image.instance_id, path, used=use.used, role=use.role, reason=use.reason)
            if one is None:
                continue
            # A spare may be read in the place of what was chosen: the mark is asked of every one.
            if self._for_phantoms_only and not InstanceFacts.from_json(image.facts).is_phantom:
                return Prepared.declined("commissioning-only", _COMMISSIONING_ONLY)
            self.files.verified(image.path, offset=image.data_set_offset, digest=image.digest)
            wanted.append(one)
        return prepare(wanted, self.gate)

    def beside(self, prepared: Prepared, prior: PriorImage) -> Prepared:
        """With an earlier film as well; without it, and with the reason among the notes, when it cannot be shown.

        Raises:
            Transient: the decoder cannot be started at the moment.
        """
        if prepared.problem is not None:
            return prepared
        if self._for_phantoms_only and not InstanceFacts.from_json(prior.facts).is_phantom:
            return prepared.noting("the earlier film was not shown to the model, which is for drawn phantoms only")
        try:
            path = self.files.verified(prior.path, offset=prior.data_set_offset, digest=prior.digest)
        except Permanent as error:
            return prepared.noting(f"the earlier film was not looked at: its file is lost or damaged [{error.code}]")
        try:
            return with_prior(prepared, path, self.gate)
        except Permanent as error:
            return prepared.noting(f"the earlier film was not looked at: {error}")

    @property
    def _for_phantoms_only(self) -> bool:
        return self.model.identity.for_commissioning and not self.commissioning_on_patients

    def given_up(self, job: Job) -> tuple[str, str] | None:
        """(code, words) when this job has failed too often to be tried again."""
        if job.failures >= self.attempts:
            code = job.error.partition(":")[0] or "model-failed"
            return code, f"the model failed {job.failures} times on this study ({job.error})"
        if job.claims > DEATHS_TOLERATED:
            return (
                "model-process-died",
                f"the model's process died {job.claims - 1} times while it had this study in front of it",
            )
        return None
