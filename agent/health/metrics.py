"""The metrics of the line, in the form of Prometheus. docs/health.md lists them.

Labels are names of the settings, stages, states and stable codes: nothing that a sender, a peer or a patient could have written.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy import Connection

from agent.clock import Clock
from agent.doctor.certificates import certificate_files, valid_until
from agent.errors import PrereadError
from agent.evaluation.qc.state import standing
from agent.health.counted import BOUNDS, Counted, Counts, Histogram
from agent.settings import Settings
from agent.store import alarms, processes, tallies
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.room import LEDGER, ROOT
from agent.store.turnaround import FLAG
from agent.version import VERSION
from dicom_nodes.certificate import UnreadableCertificate

Rows: TypeAlias = Iterable[tuple[tuple[str, ...], float]]
# What goes through a whole index, a whole folder or many files is looked at once in so long, however often it is asked.
SELDOM = timedelta(seconds=60)


class LineCollector(Collector):
    """Looks at the ledger and the disk when it is asked."""

    def __init__(self, settings: Settings, ledger: Ledger, files: FileStore, clock: Clock) -> None:
        self._settings, self._ledger, self._files, self._clock = settings, ledger, files, clock
        self._counted = Counted()
        self._lock = threading.Lock()
        self._seldom: tuple[datetime, tuple[Metric, ...]] | None = None

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "preread_build", "This program.", {"version": VERSION, "python": platform.python_version()}
        )
        try:
            with self._ledger.read() as view:
                found = [*self._of_the_ledger(view), *self._looked_at_seldom(view)]
        except PrereadError:
            found = []
        yield _gauge(
            "preread_ledger_up", "1 when the ledger could be read for these lines.", (), [((), float(bool(found)))]
        )
        yield from found
        yield from self._disk()

    def _of_the_ledger(self, view: Connection) -> Iterator[Metric]:
        now, counts = self._clock.now(), self._counted.look(view)
        yield from _times(counts)
        yield from _model(counts)
        yield _counter("preread_refusals", "What was refused, by reason.", ("what", "reason"), counts.refusals.items())
        yield from _processes(view, now)
        yield from _backlog(view, now)
        open_now = ((key, float(n)) for key, n in tallies.open_deliveries(view).items())
        yield _gauge(
            "preread_deliveries_open", "Deliveries that are not done with.", ("destination", "state"), open_now
        )
        rows = [((a.code, a.about), 1.0) for a in alarms.raised(view)]
        yield _gauge("preread_alarm", "1 while something is wrong.", ("code", "about"), rows)
        if self._settings.audit.syslog is not None:
            waiting = float(tallies.audit_backlog(view))
            yield _gauge("preread_audit_backlog", "Audit messages that the syslog server has not.", (), [((), waiting)])

    def _looked_at_seldom(self, view: Connection) -> tuple[Metric, ...]:
        now = self._clock.now()
        with self._lock:
            if self._seldom is None or now - self._seldom[0] >= SELDOM:
                self._seldom = now, tuple(self._costly(view, now))
            return self._seldom[1]

    def _costly(self, view: Connection, now: datetime) -> Iterator[Metric]:
        closed = ((key, float(n)) for key, n in tallies.closed_deliveries(view).items())
        what = "Deliveries that are done with, as they stand in the ledger."
        yield _gauge("preread_deliveries_closed", what, ("destination", "state"), closed)
        state = standing(view, self._settings.qc, now)[0]
        what = "1 when the last run of the constancy test passed, 0 when it failed or is overdue; absent when there was none."
        ok = [] if state == "note" else [((), float(state == "ok"))]
        yield _gauge("preread_constancy_test_passed", what, (), ok)
        quarantine = float(self._files.quarantined_bytes())
        yield _gauge("preread_quarantine_bytes", "Refused images that are kept.", (), [((), quarantine)])
        days = [((key,), left) for key, left in _certificate_days(self._settings, now)]
        yield _gauge("preread_certificate_days", "Days until a certificate runs out.", ("setting",), days)

    def _disk(self) -> Iterator[Metric]:
        reserve = self._settings.storage.reserve_gb * 1e9
        yield _gauge("preread_disk_reserve_bytes", "Below so much free space images are refused.", (), [((), reserve)])
        try:
            free = {room.about: float(room.free) for room in self._files.rooms()}
        except OSError:
            return
        yield _gauge("preread_disk_free_bytes", "Free space below storage.root.", (), [((), free[ROOT])])
        what = "Free space where the ledger's file lies; absent on the file system of storage.root, and with a server."
        yield _gauge("preread_ledger_disk_free_bytes", what, (), [((), free[LEDGER])] if LEDGER in free else [])


class Metrics:
    """The text of `/metrics`, and the type that it is of."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, settings: Settings, ledger: Ledger, files: FileStore, clock: Clock) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(LineCollector(settings, ledger, files, clock))

    def text(self) -> bytes:
        return generate_latest(self._registry)


def _times(counts: Counts) -> Iterator[Metric]:
    """The three that a department waits for."""
    flag = HistogramMetricFamily("preread_last_image_to_flag_seconds", "From the last image of a study to its flag.")
    flag.add_metric([], *_buckets(counts.turnarounds.get((FLAG, ""), Histogram())))
    yield flag
    for kind, name, what in (
        ("sr", "preread_last_image_to_sr_stored_seconds", "From the last image of a study to its SR at a destination."),
        (
            "oru",
            "preread_last_image_to_oru_acknowledged_seconds",
            "From the last image of a study to its ORU acknowledged.",
        ),
    ):
        family = HistogramMetricFamily(name, what, labels=["destination"])
        for (made, destination), histogram in sorted(counts.turnarounds.items()):
            if made == kind:
                family.add_metric([destination], *_buckets(histogram))
        yield family


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    bounds = [(str(bound), float(n)) for bound, n in zip(BOUNDS, histogram.within, strict=True)]
    return [*bounds, ("+Inf", float(histogram.count))], histogram.seconds


def _model(counts: Counts) -> Iterator[Metric]:
    tokens = {(task,): n for task, n in counts.tokens.items()}
    seconds = {(task,): s for task, s in counts.model_seconds.items()}
    yield _counter("preread_model_tokens", "Tokens that the model wrote.", ("task",), tokens.items())
    yield _counter("preread_model_seconds", "Seconds in which it wrote them.", ("task",), seconds.items())


def _processes(view: Connection, now: datetime) -> Iterator[Metric]:
    said = {p.role: p for p in processes.all_processes(view)}
    up = [((r,), float(r in said and not processes.does_not_run(said[r], now))) for r in processes.ROLES]
    yield _gauge("preread_process_up", "1 when the process of that role lives and has not failed.", ("role",), up)
    ages = [((r,), max(0.0, (now - p.beat_at).total_seconds())) for r, p in said.items()]
    yield _gauge("preread_process_beat_age_seconds", "Since the last sign of life of that role.", ("role",), ages)
    read = said.get("read")
    loaded = read is not None and read.state == "ready" and not processes.is_silent(read, now)
    yield _gauge("preread_model_loaded", "1 when the model can be asked.", (), [((), float(loaded))])


def _backlog(view: Connection, now: datetime) -> Iterator[Metric]:
    found = tallies.waits(view)
    keys = ("stage", "lane", "state")
    counts = [((w.stage, w.lane, w.state), float(w.count)) for w in found]
    yield _gauge(
        "preread_backlog_jobs", "Work that is not done, by stage; lane: the destination it is for.", keys, counts
    )
    ages = [((w.stage, w.lane, w.state), max(0.0, (now - w.oldest).total_seconds())) for w in found]
    yield _gauge("preread_backlog_oldest_seconds", "Age of the oldest of it.", keys, ages)


def _certificate_days(settings: Settings, now: datetime) -> Iterator[tuple[str, float]]:
    for key, file in certificate_files(settings):
        try:
            yield key, (valid_until(file) - now).total_seconds() / 86400
        except UnreadableCertificate:  # an alarm says so
            continue


def _gauge(name: str, what: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _counter(name: str, what: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = CounterMetricFamily(name, what, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
