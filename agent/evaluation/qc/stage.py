"""The qc worker of the office: takes the run whose id is the job's key one step forward and comes again."""

from __future__ import annotations

from datetime import timedelta

import structlog

from agent.clock import Clock
from agent.errors import Permanent, Transient
from agent.evaluation.qc.run import ConstancyTest
from agent.evaluation.qc.state import AWAY, absence
from agent.store.engine import Ledger
from agent.store.qc import QcRun
from agent.work.queue import Job, LeaseLost, Queue
from agent.work.worker import DEFECTS_TOLERATED
from dicom_nodes.scu import NodeError

_LOOK_AGAIN = timedelta(seconds=1)
_SENDING_TOLERATED = 8  # failures, over about two minutes: a receiver that starts again is back by then


class ConstancyStage:
    """The scheduled test. A run that cannot be made has failed: nobody is told of a job that is parked."""

    def __init__(self, ledger: Ledger, queue: Queue, clock: Clock, test: ConstancyTest) -> None:
        self._ledger, self._queue, self._clock, self._test = ledger, queue, clock, test
        self._log = structlog.get_logger()
        self._run_id, self._complete_at = "", clock.now()  # when every process was last seen during that run

    def __call__(self, job: Job) -> None:
        run = self._step(job, self._test.scheduled(job.key))
        with self._ledger.begin() as tx:
            if run.finished_at is not None:
                self._queue.complete(tx, job)
            else:
                self._queue.postpone(tx, job, self._clock.now() + _LOOK_AGAIN)

    def _step(self, job: Job, run: QcRun) -> QcRun:
        now = self._clock.now()
        try:
            gone = absence(self._ledger, now)
            if not gone or self._run_id != run.id:
                self._run_id, self._complete_at = run.id, now
            if now - self._complete_at > AWAY:
                return self._test.fail(run, gone)
            return run if gone else self._test.advance(run)
        except LeaseLost:
            raise
        except NodeError as error:
            if job.failures < _SENDING_TOLERATED:
                raise Transient(str(error), code="qc-not-sent") from error
            return self._test.fail(run, str(error))
        except Permanent as error:
            return self._test.fail(run, str(error))
        except Exception as error:  # edge of the run: at the next failure the worker parks the job, and nobody is told
            if job.failures + 1 < DEFECTS_TOLERATED:
                raise
            words = str(error) if isinstance(error, Transient) else f"internal error ({type(error).__name__})"
            self._log.error("constancy test could not be made", error_type=type(error).__name__, exc_info=True)
            return self._test.fail(run, f"{words}; see the log of the office")
