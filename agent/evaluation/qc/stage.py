"""The qc worker of the office: takes the run whose id is the job's key one step forward and comes again."""

from __future__ import annotations

from datetime import timedelta

from agent.clock import Clock
from agent.errors import Permanent, Transient
from agent.evaluation.qc.run import ConstancyTest
from agent.store.engine import Ledger
from agent.work.queue import Job, Queue
from dicom_nodes.scu import NodeError

_LOOK_AGAIN = timedelta(seconds=1)
_SENDING_TOLERATED = 8  # failures, over about two minutes: a receiver that starts again is back by then


class ConstancyStage:
    """The scheduled test. A run that cannot be made has failed: nobody is told of a job that is parked."""

    def __init__(self, ledger: Ledger, queue: Queue, clock: Clock, test: ConstancyTest) -> None:
        self._ledger, self._queue, self._clock, self._test = ledger, queue, clock, test

    def __call__(self, job: Job) -> None:
        run = self._test.begin(job.key, "schedule")
        try:
            run = self._test.advance(run)
        except NodeError as error:
            if job.failures < _SENDING_TOLERATED:
                raise Transient(str(error), code="qc-not-sent") from error
            run = self._test.fail(run, str(error))
        except Permanent as error:
            run = self._test.fail(run, str(error))
        with self._ledger.begin() as tx:
            if run.finished_at is not None:
                self._queue.complete(tx, job)
            else:
                self._queue.postpone(tx, job, self._clock.now() + _LOOK_AGAIN)
