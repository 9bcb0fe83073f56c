"""What is answered about the state of the site."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from agent.web.api.models.base import Answer


class Role(Answer):
    """One process of the line. `state`: its own word, or ``silent``, or ``missing``."""

    name: str
    state: str
    words: str
    since: datetime | None
    beat_at: datetime | None


class Waiting(Answer):
    """Unfinished work of one stage; `lane`: the destination it is for."""

    stage: str
    lane: str
    state: str
    count: int
    oldest: datetime


class ModelState(Answer):
    """The model of the settings, and (`build`) what the newest study was flagged with."""

    backend: str
    weights: str
    quantization: str
    device: str
    licence: str
    running: str
    build: dict[str, Any]


class Disk(Answer):
    """Bytes; `ledger_free` where the ledger's file lies on another file system than the images; `days_left` until the reserve
    is reached at the pace of the last two weeks."""

    root: str
    free: int | None
    ledger_free: int | None
    reserve: int
    quarantine: int
    make_room: bool
    daily: int
    days_left: int | None


class Alarm(Answer):
    """Something that is, or was, wrong with the line; `words` say what it means and what to do."""

    id: int
    code: str
    about: str
    count: int
    words: str
    raised_at: datetime
    told_at: datetime | None
    recovered_at: datetime | None


class ConstancyRun(Answer):
    """One run of the constancy test; `passed` is null while it runs or when it was given up."""

    id: str
    started_by: str
    started_at: datetime
    finished_at: datetime | None
    passed: bool | None
    films: int
    checks: int
    failed: tuple[str, ...]


class ConstancyTest(Answer):
    """How the constancy test stands, and its last runs."""

    state: Literal["ok", "note", "bad"]
    words: str
    runs: tuple[ConstancyRun, ...]


class Certificate(Answer):
    """When the first certificate of a file of the settings runs out; null when it cannot be read, and `words` say why."""

    setting: str
    until: datetime | None
    words: str


class AuditCheck(Answer):
    """When the chain of the audit trail was proved last; `broken` is empty when it was whole."""

    at: datetime
    up_to: int
    head: str
    broken: str


class System(Answer):
    """How the site stands."""

    version: str
    python: str
    schema_version: int
    database: str
    database_bytes: int | None
    roles: tuple[Role, ...]
    model: ModelState
    queue: tuple[Waiting, ...]
    disk: Disk
    constancy_test: ConstancyTest
    alarms: tuple[Alarm, ...]
    past_alarms: tuple[Alarm, ...]
    certificates: tuple[Certificate, ...]
    web_sessions: int
    audit_messages: int
    audit_checked: AuditCheck | None
