"""The one module that wires everything together: what each role's process is made of.

Three roles, three processes: *receive* (DIMSE; never imports torch), *read* (owns the model), *office* (assembly,
reports, delivery, schedule). They share the ledger and the storage root and nothing else.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from agent.audit.refusal_book import RefusalBook
from agent.audit.trail import Trail
from agent.audit.unwritten import Unwritten
from agent.clock import Clock, SystemClock
from agent.errors import ModelUnavailable, Permanent, PrereadError, Transient
from agent.model.protocol import Model
from agent.settings import Settings, SettingsFile
from agent.settings.live import LiveSettings
from agent.store import alarms, home, identity, processes
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.work.queue import Queue
from agent.work.reload import Reload
from agent.work.role import Heart, RoleLock, stop_when_asked, tell_supervisor_ready
from agent.work.watchdog import hard_deadline
from agent.work.worker import Running, Worker

if TYPE_CHECKING:
    from agent.web.server import WebServer

ROLES = ("receive", "read", "office")
GRACE_S = 20.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What every role needs. `live`: the settings in force, where they may change while it runs."""

    file: SettingsFile
    settings: Settings
    live: LiveSettings
    ledger: Ledger
    files: FileStore
    clock: Clock
    queue: Queue
    running: Running
    heart: Heart
    stop: threading.Event
    obituary: str = ""


def open_store(settings: Settings) -> tuple[Ledger, FileStore]:
    """The ledger and the files of a site, made where there are none.

    Raises:
        Permanent: the folder cannot be written, or the database belongs to a newer program, or to another line.
    """
    ledger = Ledger(settings.database_url)
    files = FileStore(settings.storage.root, int(settings.storage.reserve_gb * 1e9), ledger.place.file)
    files.prepare()
    ledger.create()
    if ledger.place.is_shared:
        _claim(ledger, files)
    return ledger, files


def _claim(ledger: Ledger, files: FileStore) -> None:
    """Refuse a ledger that another machine's line works with."""
    with ledger.begin() as tx:
        if not home.claim(tx, files.identity()):
            raise Permanent(
                f"the ledger {ledger.name} belongs to the line with another storage.root than {files.root}; give this one a "
                "database of its own, or name the storage.root that goes with the ledger",
                code="storage-differs",
            )


def run_role(role: str, file: SettingsFile, *, supervised: bool = False) -> None:
    """Run one role in this process, with the settings of that file, until it is asked to stop.

    Raises:
        PrereadError: it cannot start: the port is in use, the folder is not writable, the role is taken.
    """
    settings, clock, stop = file.settings, SystemClock(), threading.Event()
    stop_when_asked(stop, supervised=supervised)
    ledger, files = open_store(settings)
    with RoleLock(settings.storage.root, role):
        queue, running = Queue(ledger, clock, role), Running()
        queue.release_own()
        heart = Heart(ledger, clock, role, queue, running, stop)
        obituary = _how_the_last_one_ended(ledger, role)
        live = LiveSettings(settings)
        parts = Parts(file, settings, live, ledger, files, clock, queue, running, heart, stop, obituary)
        heart.say("starting", obituary)
        heart.start()
        trail = Trail.of(settings)
        with ledger.begin() as tx:
            trail.started(tx, role, now=clock.now())
        try:
            _BODIES[role](parts)
        except PrereadError as error:
            heart.say("failed", f"{error.code}: {error}")
            raise
        except Exception as error:
            # Whatever ends this process, a library that does not import included, is said where people look.
            heart.say("failed", f"internal: {type(error).__name__}; see the log of this process")
            raise
        heart.say("stopped")
        with ledger.begin() as tx:
            trail.stopped(tx, role, now=clock.now())
    ledger.close()


def _how_the_last_one_ended(ledger: Ledger, role: str) -> str:
    """Words about a predecessor that was killed: an out-of-memory kill leaves no other trace here."""
    with ledger.read() as view:
        last = next((p for p in processes.all_processes(view) if p.role == role), None)
    if last is None or last.state in ("stopped", "failed"):
        return ""
    return f"its predecessor (process {last.pid}) died while {last.state}"


def _receive(parts: Parts) -> None:
    from agent.intake.admission import Admission
    from agent.intake.hear import order_listener
    from agent.intake.hear import take_up as understand
    from agent.intake.listen import node_contexts, storage_scp

    refusals = RefusalBook(parts.ledger, parts.clock, Trail.of(parts.settings), Unwritten(parts.files.root))
    admission = Admission(parts.settings, parts.ledger, parts.files, parts.clock, refusals)
    admission.start()
    hl7 = order_listener(parts.settings, parts.ledger, parts.files, parts.clock, refusals, parts.stop)
    scp = storage_scp(parts.settings, admission, parts.stop)
    node = parts.settings.node
    words = f"{node.ae_title} accepts associations on {node.host}:{scp.port}"
    if hl7 is not None:
        words += f"; HL7 messages on {parts.settings.orders.host}:{hl7.port}"

    def take_up(settings: Settings) -> None:
        admission.take_up(settings)
        scp.offer(node_contexts(settings))
        if hl7 is not None:
            understand(hl7, settings)

    reload = _reload(parts, "receive", take_up)
    parts.heart.say("ready", words)
    tell_supervisor_ready(words)
    while not parts.stop.wait(1.0):
        reload.look()
        if not scp.is_listening() or (hl7 is not None and not hl7.is_listening()):
            raise Transient("the listening thread has died; this process starts again", code="not-listening")
        admission.write_ends()
        refusals.write()
    if hl7 is not None:
        hl7.stop()
    scp.stop(GRACE_S)
    admission.close()


def _office(parts: Parts) -> None:
    from agent.audit.syslog import Forwarder
    from agent.health.tellers import tellers
    from agent.health.telling import TELL, Telling
    from agent.health.watch import Watch
    from agent.intake.assembly import assembly_of
    from agent.keeping.forget import Forgetter
    from agent.keeping.projector import Projector
    from agent.numbers.count import Counting
    from agent.office import LiveWorkers
    from agent.orders.stage import OrdersStage
    from agent.work.clock_set import ClockWatch
    from agent.work.schedule import Schedule

    s, ledger, files, queue, clock = parts.settings, parts.ledger, parts.files, parts.queue, parts.clock
    with ledger.begin() as tx:
        identity.fill_keys(tx)
    if s.audit.syslog is not None:
        Forwarder(ledger, clock, s.audit.syslog, socket.gethostname(), parts.stop).start()
    workers = [_worker(parts, "assemble", assembly_of(s, ledger, queue, clock))]
    workers.append(_worker(parts, "orders", OrdersStage(ledger, queue, clock)))
    told = tellers(s)
    with ledger.begin() as tx:
        alarms.forget_tellers(tx, told)
    workers += [_worker(parts, TELL, Telling(ledger, queue, clock, s.node.ae_title, told), lane=name) for name in told]
    live = LiveWorkers(ledger, files, queue, clock, parts.running)
    web = _web_server(parts, lambda: live.words)
    also = web.troubles if web is not None else tuple
    watch = Watch(ledger, files, clock, s, tellers=tuple(told), also=also, stop=parts.stop)
    forget = Forgetter(ledger, files, clock, s.keeping, Trail.of(s), parts.stop)
    forget.delete_doomed()
    rows = Projector(ledger, clock, parts.stop)
    rows.start()
    with Schedule(
        ledger,
        files,
        clock,
        destinations=tuple(d.name for d in s.destinations),
        longest_wait_min=s.triage.longest_wait_min,
        qc_daily_at=s.qc.daily_at,
        watch=watch.look,
        watch_every_s=s.alarms.look_every_s,
        forget=forget,
        count=Counting(ledger, clock, s.web.zone).tick,
    ) as schedule:

        def take_up(settings: Settings) -> None:
            live.take_up(settings)
            watch.take_up(settings)
            schedule.take_up(live.destinations)
            with contextlib.suppress(PrereadError):  # they are taken up, whether that can be said or not
                parts.heart.say("ready", said())

        def said() -> str:
            return f"{live.words}; {web.words}" if web is not None else live.words

        schedule.reconcile()
        ClockWatch(ledger, clock, parts.stop, set_back=schedule.clock_was_set).start()
        live.take_up(s)
        reload = _reload(parts, "office", take_up)
        deadline = _work_until_stopped(parts, workers, said(), reload, live.stop)
        live.join(deadline)
        rows.join(max(0.0, deadline - time.monotonic()))
        if web is not None:
            web.join(max(0.0, deadline - time.monotonic()))


def _web_server(parts: Parts, words: Callable[[], str]) -> WebServer | None:
    """The web server of the office, started, where the settings want one. `words`: what the office says beside it."""
    from agent.web.context import WebContext
    from agent.web.server import WebServer

    if not parts.settings.web.enabled:
        return None

    def changed() -> None:
        with contextlib.suppress(PrereadError):  # the server serves, whether that can be said or not
            parts.heart.say("ready", f"{words()}; {made.words}")

    context = WebContext(parts.settings, parts.ledger, parts.files, parts.clock, parts.file.path, parts.live)
    made = WebServer(context, parts.stop, changed)
    made.start()
    return made


def _read(parts: Parts) -> None:
    from agent.reading.desk import ModelDesk

    model = _load_model(parts)
    if model is None:
        return
    desk = ModelDesk(
        parts.settings, parts.ledger, parts.files, parts.queue, parts.clock, model, parts.heart, parts.stop
    )
    worker = desk.worker(parts.running)
    _work_until_stopped(parts, [worker], desk.words, _reload(parts, "read", desk.take_up))
    desk.close()
    if desk.is_broken:
        raise ModelUnavailable("the model could not be used any more; this process starts again", code="model-broken")


_BODIES: dict[str, Callable[[Parts], None]] = {"receive": _receive, "office": _office, "read": _read}


def _worker(parts: Parts, kind: str, stage: Callable[..., None], lane: str = "") -> Worker:
    return Worker(
        ledger=parts.ledger,
        queue=parts.queue,
        clock=parts.clock,
        kind=kind,
        lane=lane,
        stage=stage,
        running=parts.running,
        stop=parts.stop,
    )


def _reload(parts: Parts, role: str, take_up: Callable[[Settings], None]) -> Reload:
    made = Reload(parts.ledger, parts.clock, role, parts.file, parts.live, take_up)
    made.begin()
    return made


def _work_until_stopped(
    parts: Parts, workers: Sequence[Worker], words: str, reload: Reload, also: Callable[[], None] = lambda: None
) -> float:
    """Returns by when this process has to have ended, of the monotonic clock: all of it has one time of grace, for whoever waits for
    it has one. `also`: stops whatever does not stop with the role."""
    for worker in workers:
        worker.start()
    parts.heart.say("ready", words)
    tell_supervisor_ready(words)
    while not parts.stop.wait(1.0):
        reload.look()
    deadline = time.monotonic() + GRACE_S
    also()
    for worker in workers:
        worker.join(
            max(0.0, deadline - time.monotonic())
        )  # what is not finished by then is claimed again after the next start
    return deadline


_LOAD_RETRY_S = (10.0, 30.0, 60.0, 300.0)


def _load_model(parts: Parts) -> Model | None:
    """Load the model; while that fails say why, wait, and try again: studies wait, and nothing else does. None when
    asked to stop."""
    from agent.model.load import described, load_model

    def hung() -> None:
        parts.heart.say(
            "failed", "model-load-hung: the model was not loaded within model.load_deadline_s; starting again"
        )

    tries = 0
    while not parts.stop.is_set():
        parts.heart.say(
            "loading", "; ".join(filter(None, (f"loading {described(parts.settings.model)}", parts.obituary)))
        )
        try:
            with hard_deadline(parts.settings.model.load_deadline_s, hung):
                return load_model(parts.settings.model)
        except PrereadError as error:
            wait = _LOAD_RETRY_S[min(tries, len(_LOAD_RETRY_S) - 1)]
            tries += 1
            parts.heart.say("failed", f"{error.code}: {error}; studies wait; next try in {wait:.0f} s")
            structlog.get_logger().error("model not loaded", reason=error.code, wait_s=wait)
            parts.stop.wait(wait)
    return None
