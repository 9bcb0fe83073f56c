"""A site that keeps its ledger on a server must get the answers that one with a file gets: every function of the store is asked
on both, over the same rows."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table

from agent import store
from agent.audit.trail import Trail
from agent.settings import Settings
from agent.store import alarms, home, schema
from agent.store.engine import Ledger
from agent.store.listing import Wanted
from agent.store.schema import metadata
from tests.support.planted_ledger import NOW, PlantedLedger
from tests.support.postgres import Cluster

ONE, OTHER = "1.2.840.1.111", "1.2.840.1.222"
LATER = datetime(2026, 6, 1, 12, tzinfo=UTC)
Function = Callable[..., Any]

# By the name of a parameter, or of a field of a row: what there is in the planted ledgers, or could be.
SAID: dict[str, Any] = {
    "study_instance_uid": ONE, "uid": ONE, "uids": [ONE, OTHER], "study_instance_uids": [ONE, OTHER], "study_uids": [ONE],
    "only": (), "revision_id": 1, "to_revision_id": 2, "delivery_id": 1, "document_id": 1, "instance_id": 1, "message_id": 1,
    "message_ids": [1], "order_id": 1, "order_ids": [1, 2], "ids": [1], "alarm_id": 1, "id": 0, "number": 7, "version": 7,
    "before_revision": 9, "up_to_revision": 9, "after": 0, "up_to": 1, "kind": "sr", "what": "sr", "destination": "to-pacs",
    "destinations": ["to-pacs"], "known": ["to-pacs"], "state": "waiting", "states": ("waiting", "parked", "held"),
    "kinds": ("sr", "oru"), "patient_id": "PAT-1", "patient_ids": ["PAT-1", "PAT-2"], "accessions": ["ACC-1"],
    "values": ["PAT-1", "ACC-1"], "keys": [("patient", "PAT-3")], "identifier": "1.2.3", "sop_instance_uid": f"{ONE}.1",
    "besides": OTHER, "text": "ACC-1", "path": f"images/{ONE}-instance.dcm", "paths": ["images/x", "images/y"],
    "moment": LATER, "since": NOW, "began": NOW, "made_at": NOW, "now": LATER, "arrived_before": LATER, "not_before": NOW,
    "deadline_at": LATER, "until": LATER, "quiet": timedelta(seconds=5), "bounds": (0.5, 5.0), "limit": 10, "most": 10,
    "role": "office", "pid": 7, "code": "disk", "about": "storage", "facts": '{"patient_id": "PAT-9"}', "run_id": "260101000000",
    "transaction_uid": "2.25.7", "reasons": {f"{ONE}.1": 0}, "patient": {"patient_id": "PAT-1", "name": "One^Una"},
    "rows": 2, "columns": 2, "grid": b"abcd", "digest": "d" * 64, "address": "10.0.0.1", "association_id": "a-1",
    "study": {"patient": {"patient_id": "PAT-1"}},
    "subjects": frozenset({("patient", "PAT-1"), ("accession", "ACC-1")}),
    "account_id": 1, "first": date(2025, 12, 1), "last": date(2026, 6, 1), "zone": UTC, "days": 14,
}  # fmt: skip
# Where a name means something else.
ELSEWHERE: dict[str, dict[str, Any]] = {
    "identity.statements_about": {"patient_ids": ["PAT-1"]}, "identity.studies_with": {"kind": "patient"},
    "identity.stop": {"kind": "reported"}, "identity.no_stop": {"kind": "withdrawn"}, "tallies.span": {"table": schema.reply},
    "flags.raise_urgency": {"reasons": ("pneumothorax",)}, "studies.add_revision": {"about": SAID["study"], "uses": ()},
    "accounts.set_values": {"account_id": 1, "values": {"failures": 2}},
    "ledger_list.listed": {"stage": "model", "state": "read", "before": (LATER, OTHER)},
    "listing.page": {"wanted": Wanted(text="acc"), "after": None}, "listing.where_is": {"wanted": Wanted(), "uid": ONE},
    "alarms.forget_tellers": {"known": ["mail"]}, "commitments.conclude": {"state": "committed"}, "studies.patient_of": {"number": 1},
    "flags.add_flag": {"revision_id": 3, "priority": "urgent"}, "results.add_reading": {"revision_id": 3},
    "daily.uncounted": {"name": "instance", "after": 0}, "daily.write": {"was": 0, "after": 0, "name": "instance"},
    "daily.summed": {"what": "study"}, "daily.by_day": {"what": "study"}, "daily.by_step": {"what": "study"},
    "results.misfiled": {"patient": {"patient_id": "P1", "issuer": ""}},
    "priors.begin": {"revision_id": 3}, "priors.copy": {"revision_id": 1, "to_revision_id": 4}, "studies.change_uses": {"revision_id": 3},
}  # fmt: skip


def _functions() -> Iterator[tuple[str, Function]]:
    for found in pkgutil.iter_modules(store.__path__):
        module = importlib.import_module(f"agent.store.{found.name}")
        for name, function in vars(module).items():
            if not inspect.isfunction(function) or function.__module__ != module.__name__ or name.startswith("_"):
                continue
            if next(iter(inspect.signature(function).parameters), "") in ("view", "tx"):
                yield f"{found.name}.{name}", function


FUNCTIONS = dict(_functions())
READING = sorted(name for name, f in FUNCTIONS.items() if next(iter(inspect.signature(f).parameters)) == "view")
# What takes rows away goes last: SQLite gives the number of the last row again, PostgreSQL never does.
_AT_THE_END = (
    "audit.append", "restored.mark_doubt", "retention.forget_quarantine", "purging.purge", "unclaimed.forget_orders",
    "unclaimed.forget_reports", "unclaimed.forget_statements",
)  # fmt: skip
WRITING = sorted(
    set(FUNCTIONS) - set(READING), key=lambda name: (name in _AT_THE_END and _AT_THE_END.index(name) + 1, name)
)

STEPS = {
    *WRITING[::10],
    *WRITING[-len(_AT_THE_END) - 1 :],
}  # after these everything is compared; each time takes a while


def arguments(name: str, function: Function) -> dict[str, Any]:
    """Something for every parameter; the default where there is one and nothing is said of it."""
    hints, special = typing.get_type_hints(function), ELSEWHERE.get(name, {})
    said, given = SAID | special, dict[str, Any]()
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= said[parameter.name]
        elif parameter.name in special:
            given[parameter.name] = special[parameter.name]
        elif parameter.name in said or parameter.default is parameter.empty:
            given[parameter.name] = made_up(parameter.name, hints[parameter.name], said)
    return given


def made_up(name: str, kind: Any, said: Mapping[str, Any]) -> Any:
    """A value of that type for that name; rows are made field by field."""
    options = [o for o in typing.get_args(kind) if o is not type(None)]
    if typing.get_origin(kind) is types.UnionType:
        return made_up(name, options[0], said)
    origin = typing.get_origin(kind) or kind
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return typing.cast(Any, kind)(
            **{f.name: made_up(f.name, hints[f.name], said) for f in dataclasses.fields(kind)}
        )
    if isinstance(origin, type) and issubclass(origin, Enum):
        return list(origin)[-1]
    if origin in (list, tuple, Sequence, Collection, Iterable) and options and dataclasses.is_dataclass(options[0]):
        return (made_up(name, options[0], said),)
    if name in said and (not isinstance(origin, type) or isinstance(said[name], origin)):
        return said[name]
    simple: dict[Any, Any] = {
        str: f"{name}-x", int: 3, float: 1.5, bool: True, bytes: b"x", datetime: LATER, timedelta: timedelta(minutes=1),
        list: [], tuple: (), dict: {}, Sequence: (), Collection: (), Iterable: (), Mapping: {},
    }  # fmt: skip
    return simple[origin]


def plain(value: Any) -> Any:
    """What a function returned, so that it can be compared."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(repr, map(plain, value)))
    if isinstance(value, Iterator | list | tuple):
        return [plain(v) for v in value]
    return value


def plant(settings: Settings) -> PlantedLedger:
    """Two studies with a row in every table, one that stands still, and what is about no study."""
    planted = PlantedLedger(settings)
    planted.everything(ONE, patient_id="PAT-1", name="One^Una", accession="ACC-1")
    planted.everything(OTHER, patient_id="PAT-2", name="Two^Theo", accession="ACC-2")
    for number, state in enumerate(("waiting", "parked", "held")):
        revision = planted.study(f"1.2.840.2.{number}", state="needs-attention")
        planted.delivery(revision, state=state, words="refused")
        planted.note(f"1.2.840.2.{number}", "sr-not-made")
    planted.job("flag", "1", state="parked", error="it failed")
    planted.process("office", "ready", at=NOW)
    with planted.ledger.begin() as tx:
        Trail("PREREAD", "host").started(tx, "office", now=NOW)
        alarms.raise_alarm(tx, "disk", "", 1, now=NOW)
        home.leave(tx)  # the file belongs to nobody
        for table in (schema.flag, schema.urgency):
            tx.execute(table.update().values(priority="urgent", reasons=["pneumothorax"]))
        for what, seconds in (("flag", 0.25), ("sr", 12.0)):
            values = {"what": what, "revision_id": 1, "destination": "", "seconds": seconds, "at": NOW}
            tx.execute(schema.turnaround.insert().values(**values))
    return planted


@pytest.fixture
def both(tmp_path: Path, postgres: Cluster) -> Iterator[tuple[Ledger, Ledger]]:
    """The same rows in a file and on a server."""
    urls = (f"sqlite:///{tmp_path}/ledger.db", postgres.ledger())
    planted = [
        plant(Settings(storage={"root": tmp_path / str(n), "reserve_gb": 0.0}, database={"url": url}))
        for n, url in enumerate(urls)
    ]
    yield planted[0].ledger, planted[1].ledger
    for one in planted:
        one.close()


def rows(view: Connection, table: Table) -> list[str]:
    """The rows of a table, but for what is by chance, and for the numbers of jobs, which SQLite gives again when they are done."""
    without = {"event": ("at",), "job": ("id",)}.get(table.name, ())
    return sorted(
        repr([(k, v) for k, v in row._mapping.items() if k not in without]) for row in view.execute(table.select())
    )


def without_moments(name: str, value: Any) -> Any:
    return [{k: v for k, v in row.items() if k != "at"} for row in value] if name == "overview.history" else value


def test_every_question_is_answered_alike(both: tuple[Ledger, Ledger]) -> None:
    answered = 0
    for name in READING:
        answers = []
        for ledger in both:
            with ledger.read() as view:
                answer = plain(FUNCTIONS[name](view, **arguments(name, FUNCTIONS[name])))
            answers.append(without_moments(name, answer))
        assert answers[0] == answers[1], name
        answered += answers[0] not in (None, [], {}, 0, "", False)
    assert answered > len(READING) / 2, "most questions are about something that is there"


def test_everything_is_written_alike(both: tuple[Ledger, Ledger]) -> None:
    for name in WRITING:
        returned = []
        for ledger in both:
            with ledger.begin() as tx:
                returned.append(plain(FUNCTIONS[name](tx, **arguments(name, FUNCTIONS[name]))))
        assert returned[0] == returned[1], name
        if name in STEPS:
            compare(*both, name)


def compare(file: Ledger, server: Ledger, after: str) -> None:
    with file.read() as one, server.read() as other:
        for table in metadata.sorted_tables:
            assert rows(one, table) == rows(other, table), f"{table.name}, after {after}"
