"""How the site stands, for people and programs that look at all of it at once: roles, model, work, disk, test, alarms."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.engine import make_url

from agent.doctor.certificates import certificate_files, valid_until
from agent.evaluation.qc.state import Judged, judged
from agent.model.weights import licence_of, looks_like_path
from agent.settings import Settings
from agent.store import alarms, audit_checks, daily, processes, qc, sessions, tallies
from agent.store.alarms import Alarm
from agent.store.audit_checks import AuditCheck
from agent.store.files import FileStore
from agent.store.processes import ROLES, ProcessState
from agent.store.qc import QcRun
from agent.store.room import LEDGER, ROOT
from agent.store.schema import SCHEMA_VERSION, flag
from agent.store.sqlite_file import file_of
from agent.store.tallies import Waits
from agent.version import VERSION
from dicom_nodes.certificate import UnreadableCertificate

PAST_ALARMS = 30
LAST_RUNS = 10
_LOOKED_BACK_DAYS = 14


@dataclass(frozen=True, slots=True)
class Role:
    """One role. `state`: as it says itself, or ``silent`` when it says nothing any more, or ``missing`` when it never ran.
    `since`: when it came into that state; `beat_at`: its last sign of life."""

    name: str
    state: str
    words: str
    since: datetime | None
    beat_at: datetime | None


@dataclass(frozen=True, slots=True)
class ModelState:
    """The model of the settings, and what the last study was flagged with.

    Attributes:
        build: JSON form of `structured_report.content.Provenance` of the newest flag; empty before the first.
        running: what the read role says of the model that it has loaded, its device among it; empty while there is none.
    """

    backend: str
    weights: str
    quantization: str
    device: str
    licence: str
    running: str
    build: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes. `free`: None when the place cannot be looked at. `ledger_free`: where the ledger's file lies; None when that is
    the same file system, or a server. `days_left`: until the reserve is reached, at the pace of the last two weeks; None when
    nothing came, or nothing is known."""

    root: str
    free: int | None
    ledger_free: int | None
    reserve: int
    quarantine: int
    make_room: bool
    daily: int
    days_left: int | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """One file of certificates that the settings name. `until`: None when it cannot be read, and `words` says why."""

    setting: str
    file: str
    until: datetime | None
    words: str


@dataclass(frozen=True, slots=True)
class Site:
    """All of it, at one moment."""

    version: str
    python: str
    platform: str
    schema_version: int
    database: str
    database_bytes: int | None
    roles: tuple[Role, ...]
    model: ModelState
    queue: tuple[Waits, ...]
    disk: Disk
    test: Judged
    test_runs: tuple[QcRun, ...]
    alarms: tuple[Alarm, ...]
    past_alarms: tuple[Alarm, ...]
    certificates: tuple[Certificate, ...]
    web_sessions: int
    audit_messages: int
    audit_checked: AuditCheck | None


def site_of(view: Connection, files: FileStore, settings: Settings, now: datetime) -> Site:
    """Look at everything that can be looked at without talking to anybody."""
    said = {p.role: p for p in processes.all_processes(view)}
    newest = alarms.newest(view, PAST_ALARMS)
    web = settings.web
    return Site(
        version=VERSION,
        python=platform.python_version(),
        platform=platform.platform(terse=True),
        schema_version=SCHEMA_VERSION,
        database=make_url(settings.database_url).render_as_string(hide_password=True),
        database_bytes=_size(settings),
        roles=tuple(_role(name, said.get(name), now) for name in ROLES),
        model=_model(view, settings, said.get("read"), now),
        queue=tuple(sorted(tallies.waits(view), key=lambda w: (w.stage, w.lane, w.state))),
        disk=_disk(view, files, settings, now),
        test=judged(view, settings.qc, now),
        test_runs=qc.last(view, LAST_RUNS),
        alarms=alarms.raised(view),
        past_alarms=tuple(a for a in newest if a.recovered_at is not None),
        certificates=tuple(_certificate(key, file) for key, file in certificate_files(settings)),
        web_sessions=sessions.count(
            view, seen_after=now - timedelta(minutes=web.idle_min), began_after=now - timedelta(hours=web.longest_h)
        ),
        audit_messages=audit_checks.messages(view),
        audit_checked=audit_checks.newest(view),
    )


def _role(name: str, said: ProcessState | None, now: datetime) -> Role:
    if said is None:
        return Role(name, "missing", "", None, None)
    state = "silent" if processes.is_silent(said, now) else said.state
    return Role(name, state, said.words, said.started_at, said.beat_at)


def _model(view: Connection, settings: Settings, read: ProcessState | None, now: datetime) -> ModelState:
    named = settings.model
    place = Path(named.weights) if looks_like_path(named.weights) else None
    build = view.execute(select(flag.c.provenance).order_by(flag.c.revision_id.desc()).limit(1)).scalar()
    runs = read is not None and read.state == "ready" and not processes.is_silent(read, now)
    return ModelState(
        backend=named.backend,
        weights=named.weights if named.backend == "local" else named.served_model if named.backend == "served" else "",
        quantization=named.quantization if named.backend == "local" else "",
        device=named.device if named.backend == "local" else "",
        licence=(licence_of(named.weights, place) or "") if named.backend == "local" else "",
        running=read.words if runs and read is not None else "",
        build=dict(build or {}),
    )


def _disk(view: Connection, files: FileStore, settings: Settings, now: datetime) -> Disk:
    try:
        rooms = {room.about: room.free for room in files.rooms()}
        quarantine = files.quarantined_bytes()
    except OSError:
        rooms, quarantine = {}, 0
    free = rooms.get(ROOT)
    a_day = daily.bytes_a_day(view, settings.web.zone, now, _LOOKED_BACK_DAYS)
    left = None if free is None or a_day == 0 else max(0, (free - files.reserve_bytes) // a_day)
    return Disk(
        str(files.root), free, rooms.get(LEDGER), files.reserve_bytes, quarantine, settings.keeping.make_room, a_day, left
    )  # fmt: skip


def _certificate(key: str, file: Path) -> Certificate:
    try:
        return Certificate(key, str(file), valid_until(file), "")
    except UnreadableCertificate as error:
        return Certificate(key, str(file), None, str(error))


def _size(settings: Settings) -> int | None:
    """Bytes of the ledger, where it is a file: with what has not been folded into it yet."""
    file = file_of(make_url(settings.database_url))
    if file is None:
        return None
    parts = [file, file.with_name(f"{file.name}-wal")]
    try:
        return sum(part.stat().st_size for part in parts if part.exists())
    except OSError:
        return None
