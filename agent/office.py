"""Those workers of the office that have to do with peers and destinations: they can be others while all else goes on."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from agent.audit.trail import Trail
from agent.clock import Clock
from agent.delivery.build import build_destinations, committing
from agent.delivery.commitment import CommitStage
from agent.delivery.hl7_destination import Hl7Destination
from agent.delivery.outbox import Outbox
from agent.delivery.protocol import Destination
from agent.evaluation.qc.door import find_door
from agent.evaluation.qc.run import ConstancyTest
from agent.evaluation.qc.stage import ConstancyStage
from agent.intake.worklist import WorklistStage
from agent.intake.worklist_orders import take_answer
from agent.priors.search import PriorSearch
from agent.priors.shelf import Shelf
from agent.priors.source import source_of
from agent.priors.stage import PriorStage
from agent.reporting.stage import Reporting
from agent.settings import DicomDestinationSettings, Settings
from agent.store import commitments
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.work.queue import Job, Queue
from agent.work.worker import Running, Stage, Worker

_Lane = tuple[str, str]  # kind and lane of the work


class LiveWorkers:
    """Workers for one state of the settings, and then for another.

    Those of before end after the job that they have begun, and no two work in one lane at once: a receiver of HL7 messages
    has one in flight, whoever sends it. A destination that stays as it is keeps its connection.
    """

    def __init__(self, ledger: Ledger, files: FileStore, queue: Queue, clock: Clock, running: Running) -> None:
        self._ledger, self._files, self._queue = ledger, files, queue
        self._clock, self._running = clock, running
        self._lanes: defaultdict[_Lane, threading.Lock] = defaultdict(threading.Lock)
        self._workers: list[Worker] = []
        self._over = threading.Event()
        self._destinations: dict[str, tuple[object, Destination]] = {}

    @property
    def destinations(self) -> tuple[str, ...]:
        """Names of those that are delivered to."""
        return tuple(self._destinations)

    @property
    def words(self) -> str:
        """What the office says of itself."""
        return f"{len(self._destinations)} destinations"

    def take_up(self, settings: Settings) -> None:
        """Work for these peers and destinations from now on.

        Raises:
            PrereadError: they cannot be used; whoever worked before works on.
        """
        before, over = self._destinations, threading.Event()
        destinations = self._build(settings)
        built = {name: destination for name, (_, destination) in destinations.items()}
        stages = self._stages(settings, built)
        workers = [self._worker(kind, lane, stage, over) for (kind, lane), stage in stages.items()]
        with self._ledger.begin() as tx:
            commitments.forget_all_but(tx, [lane for kind, lane in stages if kind == "commit"])
        # From here on nothing fails.
        self._over.set()
        self._destinations, self._over = destinations, over
        self._workers = [w for w in self._workers if w.is_alive()] + workers
        for worker in workers:
            worker.start()
        kept = {id(destination) for destination in built.values()}
        gone = [d for _, d in before.values() if id(d) not in kept]
        if gone:
            threading.Thread(target=self._close, args=(gone,), name="destinations-gone", daemon=True).start()

    def stop(self) -> None:
        """End after the jobs that have begun."""
        self._over.set()

    def join(self, deadline: float) -> None:
        """Wait for them until that moment of the monotonic clock."""
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))

    def _build(self, settings: Settings) -> dict[str, tuple[object, Destination]]:
        """Each with what it was made from; one that would be made the same is the one that there is."""
        made: dict[str, tuple[object, Destination]] = {}
        built = build_destinations(settings)
        for wanted in settings.destinations:
            peer = settings.peer(wanted.peer) if isinstance(wanted, DicomDestinationSettings) else None
            origin = (wanted, peer)
            known = self._destinations.get(wanted.name)
            same = known is not None and known[0] == origin
            made[wanted.name] = known if same and known else (origin, built[wanted.name])
        return made

    def _stages(self, settings: Settings, built: Mapping[str, Destination]) -> dict[_Lane, Stage]:
        s, ledger, files, queue, clock = settings, self._ledger, self._files, self._queue, self._clock
        report = Reporting(ledger, files, queue, clock, s)
        outbox = Outbox(ledger, files, queue, clock, s.delivery, built, Trail.of(s))
        stages: dict[_Lane, Stage] = {("report", ""): report, ("announce", ""): report.announce}
        stages |= {("deliver", name): outbox for name in built}
        keepers = committing(s, built)
        commit = CommitStage(ledger, queue, clock, s.delivery, keepers)
        stages |= {("commit", name): commit for name in keepers}
        stages |= self._asking_others(s)
        test = ConstancyTest(ledger, clock, s, lambda: find_door(s))
        stages["qc", ""] = ConstancyStage(ledger, queue, clock, test)
        return stages

    def _asking_others(self, s: Settings) -> dict[_Lane, Stage]:
        """Who asks other systems about a study that has arrived, where the settings name them."""
        ledger, queue, clock, stages = self._ledger, self._queue, self._clock, dict[_Lane, Stage]()
        if s.priors.source:
            shelf = Shelf(ledger, self._files, undeclared=s.intake.undeclared_character_set)
            shelf.tidy()
            search = PriorSearch(source_of(s, shelf, ledger, clock), shelf, s.gate, s.priors.oldest_days)
            stages["prior", ""] = PriorStage(ledger, queue, clock, search, Trail.of(s), issuer=s.identity.issuer)
        if s.worklist.source:
            stages["worklist", ""] = WorklistStage(
                ledger,
                queue,
                clock,
                s.peer(s.worklist.source),
                own_ae_title=s.node.ae_title,
                deadline_s=s.worklist.deadline_s,
                answered=take_answer(clock),
                trail=Trail.of(s),
            )
        return stages

    def _worker(self, kind: str, lane: str, stage: Stage, over: threading.Event) -> Worker:
        return Worker(
            ledger=self._ledger,
            queue=self._queue,
            clock=self._clock,
            kind=kind,
            lane=lane,
            stage=_alone(stage, self._lanes[kind, lane]),
            running=self._running,
            stop=over,
        )

    def _close(self, gone: list[Destination]) -> None:
        """A receiver that takes one connection must not wait for one that nobody uses any more."""
        for destination in gone:
            if isinstance(destination, Hl7Destination):
                with self._lanes["deliver", destination.name]:
                    destination.close()


def _alone(stage: Stage, lane: threading.Lock) -> Callable[[Job], None]:
    def alone(job: Job) -> None:
        with lane:
            stage(job)

    return alone
