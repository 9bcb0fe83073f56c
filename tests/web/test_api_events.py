"""What programs are told as it happens: everything once, in order, from where they stopped, and nothing of a patient."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from agent.keeping.projector import Projector
from agent.store import qc
from agent.store.qc import QcRun
from agent.web.context import WebContext
from agent.web.rights import Role
from tests.support.planted_days import Planted, plant

STREAM = "/api/v1/events"


@pytest.fixture
def listen(context: WebContext, browser: Callable[[Role], TestClient]) -> Callable[..., list[tuple[int, str, str]]]:
    """Asks for events; gives (id, name, study) of each."""
    client = browser(Role.VIEWER)

    def said(headers: dict[str, str] | None = None, **query: object) -> list[tuple[int, str, str]]:
        Projector(context.ledger, context.clock, threading.Event()).catch_up()
        text = client.get(STREAM, params={"wait_s": 0, **query}, headers=headers).text
        found = []
        for block in text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "data" in fields:
                data = json.loads(fields["data"])
                assert set(data) == {"study_instance_uid", "at", "priority"}, "nothing else of a patient is told"
                found.append((int(fields["id"]), fields["event"], data["study_instance_uid"]))
        return found

    return said


def arrive(context: WebContext, *uids: str) -> None:
    with context.ledger.begin() as tx:
        plant(tx, [Planted(uid, context.clock.now()) for uid in uids])


def test_a_program_that_comes_again_misses_nothing_and_hears_nothing_twice(
    context: WebContext, listen: Callable[..., list[tuple[int, str, str]]]
) -> None:
    arrive(context, *(f"1.{n}" for n in range(150)))
    first = listen(after=0)
    assert [(name, uid) for _, name, uid in first] == [(w, f"1.{n}") for n in range(150) for w in ("flagged", "read")]
    arrive(context, "2.1")
    again = listen(headers={"Last-Event-ID": str(first[-1][0])})
    assert [(name, uid) for _, name, uid in again] == [("flagged", "2.1"), ("read", "2.1")]
    assert listen(after=again[-1][0]) == []


def test_who_names_no_event_is_told_what_happens_from_then_on(
    context: WebContext, listen: Callable[..., list[tuple[int, str, str]]]
) -> None:
    arrive(context, "1.1")
    assert listen() == []


def test_a_number_of_a_ledger_that_was_restored_is_no_trap(
    context: WebContext, listen: Callable[..., list[tuple[int, str, str]]]
) -> None:
    arrive(context, "1.1")
    assert listen(after=2**53 - 1) == []


def test_nobody_is_told_of_films_of_the_constancy_test(
    context: WebContext, listen: Callable[..., list[tuple[int, str, str]]]
) -> None:
    now = context.clock.now()
    arrive(context, "1.1", "1.2")
    with context.ledger.begin() as tx:
        run = QcRun(
            "1", "hand", now - timedelta(minutes=1), None, None, {}, [{"name": "x", "study_instance_uid": "1.1"}], []
        )
        qc.keep(tx, run)
    assert {uid for _, _, uid in listen(after=0)} == {"1.2"}
