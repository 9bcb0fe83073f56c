"""Everything that is wrong with the line at this moment, and that somebody should be told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from agent.doctor.certificates import certificate_files, key_pairs, valid_from, valid_until
from agent.evaluation.qc.state import standing
from agent.health.movement import Movement
from agent.health.readiness import disk, quiet_roles
from agent.health.trouble import Trouble
from agent.settings import Settings
from agent.store import audit, processes, tallies, trouble
from agent.store.files import FileStore
from agent.store.room import LEDGER, ROOT
from dicom_nodes.certificate import UnreadableCertificate

_NOT_WATCHED = {"qc"}  # a run of the constancy test takes as long as it takes, and says itself how it ended
_FORWARDING = ("audit", "syslog")  # no stage of the queue has that name
_FILLING = 3.0  # times the reserve: soon enough for somebody to free some before images are refused
_ENOUGH_AGAIN = 1.1  # of the reserve: a disk at its brink is one alarm and not a hundred


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong; and what cannot be said at the moment, so that it neither begins nor ends."""

    wrong: tuple[Trouble, ...]
    unsettled: frozenset[tuple[str, str]]


def examine(
    view: Connection, files: FileStore, settings: Settings, movement: Movement, now: datetime, *, settled: bool
) -> Findings:
    """Look at everything.

    Args:
        movement: what was seen at the looks before this one.
        settled: whether the other processes have had the time to come up.
    """
    roles = quiet_roles(view, now)
    model, model_unsettled = _model(view, settings, now)
    wrong = [
        *(roles if settled else ()),
        *disk(files),
        *_filling(files),
        *model,
        *_standing(movement.look({**tallies.pending(view, now), **_unsent(view, settings)}, now), settings),
        *_parked(view),
        *_constancy(view, settings, now),
        *_certificates(settings, now),
    ]
    unsettled = set(model_unsettled) | (set() if settled else {r.key for r in roles})
    unsettled |= _tight(files)
    return Findings(tuple(wrong), frozenset(unsettled - {t.key for t in wrong}))


def place(stage: str, lane: str) -> str:
    """What a stage is called, with the destination that it serves where there is one."""
    return f"{stage} {lane}" if lane else stage


def _model(view: Connection, settings: Settings, now: datetime) -> tuple[list[Trouble], set[tuple[str, str]]]:
    """A model that is loaded again and again is not loaded: only `ready` ends it."""
    missing = Trouble("model-not-loaded")
    read = next((p for p in processes.all_processes(view) if p.role == "read"), None)
    if read is None or read.state == "stopped" or processes.is_silent(read, now):
        return [], {missing.key}
    if read.state == "ready":
        return [], set()
    waited = now - read.started_at > timedelta(minutes=settings.alarms.loading_min)
    return ([missing], set()) if read.state == "failed" or waited else ([], {missing.key})


def _unsent(view: Connection, settings: Settings) -> dict[tuple[str, str], frozenset[int]]:
    """The audit message that the syslog server is to be sent next, where there is one: as work that is due."""
    if settings.audit.syslog is None or tallies.audit_backlog(view) <= 0:
        return {}
    return {_FORWARDING: frozenset({audit.forwarded(view) + 1})}


def _standing(still: dict[tuple[str, str], timedelta], settings: Settings) -> list[Trouble]:
    longest = timedelta(minutes=settings.alarms.standing_min)
    return [
        Trouble("audit-not-forwarded") if where == _FORWARDING else Trouble("stage-stands", place(*where))
        for where, since in sorted(still.items())
        if since >= longest and where[0] not in _NOT_WATCHED
    ]


def _parked(view: Connection) -> list[Trouble]:
    rows = trouble.parked_deliveries(view).values()
    deliveries = Counter(one.destination for parked in rows for one in parked)
    stages = Counter(job.kind for job in trouble.parked_stages(view))
    found = [Trouble("deliveries-parked", name, n) for name, n in sorted(deliveries.items())]
    return found + [Trouble("stage-parked", kind, n) for kind, n in sorted(stages.items())]


def _constancy(view: Connection, settings: Settings, now: datetime) -> list[Trouble]:
    return [Trouble("constancy-test")] if standing(view, settings.qc, now)[0] == "bad" else []


def _certificates(settings: Settings, now: datetime) -> list[Trouble]:
    enough, found = timedelta(days=settings.alarms.certificate_days), []
    for key, file in certificate_files(settings):
        try:
            if valid_from(file) > now:
                found.append(Trouble("certificate-unusable", key))
            elif valid_until(file) - now < enough:
                found.append(Trouble("certificate-ends", key))
        except UnreadableCertificate:
            found.append(Trouble("certificate-unusable", key))
    keys = [Trouble("certificate-unusable", one.setting) for one in key_pairs(settings) if one.problem()]
    return [*found, *keys]


def _filling(files: FileStore) -> list[Trouble]:
    try:
        tight = [room for room in files.rooms() if room.free < _FILLING * files.reserve_bytes]
    except OSError:  # said as disk-low
        return []
    return [Trouble("disk-filling", r.about) for r in tight if r.free >= _ENOUGH_AGAIN * files.reserve_bytes]


def _tight(files: FileStore) -> set[tuple[str, str]]:
    """The alarms of the disks of which it cannot be said that they are over: there is not clearly more room again."""
    at = {"disk-low": 1.0, "disk-filling": _FILLING}
    try:
        free = {room.about: room.free for room in files.rooms()}
    except OSError:
        free = {ROOT: 0, LEDGER: 0}
    enough = _ENOUGH_AGAIN * files.reserve_bytes
    return {(code, about) for code, times in at.items() for about, n in free.items() if n < times * enough}
