"""The read process: one thread that has the model, flags what waits for its flag, and reads the rest.

A reading takes its time; a flag must not wait for it. So between two tokens of a reading the thread flags whatever has
come in meanwhile, and goes on.
"""

from __future__ import annotations

import threading
import time

import structlog

from agent.clock import Clock
from agent.errors import ModelBroken, ModelUnavailable, Transient
from agent.model.protocol import Model, ModelIdentity
from agent.model.reading_protocol import ReadingProtocol, load_protocol
from agent.reading.build import Build
from agent.reading.calibration import UNCALIBRATED, Calibration, calibration_of
from agent.reading.common import Desk
from agent.reading.flag_stage import Flagging
from agent.reading.opened import OpenStudies
from agent.reading.pictures import Prepared
from agent.reading.stage import Reading
from agent.reading.study_session import OpenStudy
from agent.reading.triage import load_rules
from agent.settings import Hl7DestinationSettings, ModelSettings, Settings
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.work.queue import Job, Queue
from agent.work.role import Heart
from agent.work.watchdog import Deadline, hard_deadline
from agent.work.worker import Running, Stage, Worker

# Looking for a flag that waits costs a query; a token of a large model costs more.
_LOOK_S = 0.05


def make_desk(settings: Settings, files: FileStore, model: Model) -> Desk:
    """Everything a reading needs that is the same for every study. Raises `SettingsError`."""
    protocol, limits = load_protocol(settings.model.protocol), settings.model
    return Desk(
        model=model,
        protocol=protocol,
        rules=load_rules(settings.triage.rules),
        calibration=_calibration(settings, model.identity, protocol),
        build=Build.of(settings.report),
        studies=OpenStudies(lambda prepared: open_study(model, prepared, protocol, limits)),
        files=files,
        gate=settings.gate,
        attempts=limits.attempts,
        commissioning_on_patients=limits.commissioning_on_patients,
    )


def _calibration(settings: Settings, identity: ModelIdentity, protocol: ReadingProtocol) -> Calibration:
    """That of the settings, if it was not fitted on the answers of another build. Raises `SettingsError`."""
    wanted = calibration_of(settings)
    build = {"weights_digest": identity.weights_digest, "quantization": identity.quantization}
    words = wanted.mismatch(build | {"prompt_id": protocol.id})
    if words:
        structlog.get_logger().error("calibration not used", words=words)
    return UNCALIBRATED if words else wanted


def open_study(model: Model, prepared: Prepared, protocol: ReadingProtocol, limits: ModelSettings) -> OpenStudy:
    """The study in front of the model, within the limits of the settings."""
    return OpenStudy(model, protocol, prepared, deadline_s=limits.deadline_s, most_tokens=limits.max_new_tokens)


class ModelDesk:
    """The stages that use the model, and what is done when it fails them."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        files: FileStore,
        queue: Queue,
        clock: Clock,
        model: Model,
        heart: Heart,
        stop: threading.Event,
    ) -> None:
        self._ledger, self._queue, self._clock, self._heart, self._stop = ledger, queue, clock, heart, stop
        self._desk = make_desk(settings, files, model)
        # The model looks at the clock after every token. When it does not come back at all, the process goes and another
        # takes its place.
        self._hard_s = settings.model.deadline_s * 1.5 + 60.0
        self._flags = Flagging(
            ledger, queue, clock, self._desk, settings.triage.findings, announce=_wants_flags(settings)
        )
        self._flag = self._watched(self._flags)
        self._read = self._watched(Reading(ledger, queue, clock, self._desk, self._between_tokens))
        self._flagging: Worker | None = None
        self._deadlines: list[Deadline] = []
        self._looked = 0.0
        self._ailing = self.is_broken = False
        identity = model.identity
        licence = f"; licence of the weights: {identity.licence}" if identity.licence else ""
        self.words = f"{identity.name}, {identity.quantization}, on {identity.device}{licence}"

    def take_up(self, settings: Settings) -> None:
        """Work for these destinations from now on."""
        self._flags.announce_from_now_on(_wants_flags(settings))

    def worker(self, running: Running) -> Worker:
        """The one thread that owns the model: flags first, then readings."""
        self._flagging = self._worker("flag", self._flag, running)
        return self._worker("read", self._read, running, after=self._flagging)

    def _worker(self, kind: str, stage: Stage, running: Running, after: Worker | None = None) -> Worker:
        return Worker(
            ledger=self._ledger,
            queue=self._queue,
            clock=self._clock,
            kind=kind,
            stage=stage,
            running=running,
            stop=self._stop,
            after=after,
        )

    def close(self) -> None:
        """Free the model and what it has in front of it."""
        self._desk.studies.close()
        self._desk.model.close()

    def _between_tokens(self) -> None:
        if self._stop.is_set():
            raise Transient("the reading was interrupted; it starts again", code="model-cancelled", blames_work=False)
        if self._flagging is None or time.monotonic() - self._looked < _LOOK_S:
            return
        with self._deadlines[-1].paused():
            while self._flagging.work_once():
                pass
        self._looked = time.monotonic()

    def _watched(self, stage: Stage) -> Stage:
        def watched(job: Job) -> None:
            try:
                with hard_deadline(self._hard_s, lambda: self._hung(job)) as deadline:
                    self._deadlines.append(deadline)
                    try:
                        stage(job)
                    finally:
                        self._deadlines.pop()
            except ModelUnavailable as error:
                self._heart.say("failed", f"{error.code}: {error}; studies wait")
                self._ailing = True
                if isinstance(error, ModelBroken):
                    self.is_broken = True
                    self._stop.set()  # the job goes back to the queue on the way out; the next process loads the model anew
                raise
            if self._ailing:
                self._ailing = False
                self._heart.say("ready", self.words)

        return watched

    def _hung(self, job: Job) -> None:
        words = "the model did not come back within its deadline"
        self._heart.say("failed", f"model-hung: {words}")
        with self._ledger.begin() as tx:
            self._queue.postpone(tx, job, self._clock.now(), failed=True, error=f"model-hung: {words}")


def _wants_flags(settings: Settings) -> bool:
    return any(isinstance(d, Hl7DestinationSettings) and d.send_flag for d in settings.destinations)
