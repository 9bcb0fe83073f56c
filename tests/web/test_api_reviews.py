"""What programs learn of what radiologists said of drafts, and say for them: the same as on the page, under their own name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from agent.keeping.projector import Projector
from agent.numbers.count import Counting
from agent.store import tokens
from agent.web.context import WebContext
from agent.web.rights import Role
from agent.web.signing.tokens import new_token
from tests.support.drafted import NOW, Desk, Drafted
from tests.support.films import small_image
from tests.support.pages import Visitors, audited

Program = Callable[[str, Role], TestClient]


@pytest.fixture
def drafted(desk: Desk) -> Drafted:
    return desk.study([small_image()], boxes={})


@pytest.fixture
def program(context: WebContext, visitor: Visitors) -> Program:
    """Makes programs with tokens of that name and role."""

    def made(name: str, role: Role) -> TestClient:
        token, now = new_token(), context.clock.now()
        with context.ledger.begin() as tx:
            tokens.add(tx, token, name, role, made_by="", expires_at=now + timedelta(hours=1), now=now)
        client = visitor()
        client.headers.pop("Sec-Fetch-Site")
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    return made


def study(client: TestClient, drafted: Drafted) -> dict[str, Any]:
    answer = client.get(f"/api/v1/studies/{drafted.uid}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def say(client: TestClient, drafted: Drafted, verdict: str, **said: Any) -> tuple[int, dict[str, Any]]:
    answer = client.post(f"/api/v1/studies/{drafted.uid}/reviews", json={"revision": 1, "verdict": verdict, **said})
    return answer.status_code, answer.json()


def test_what_was_judged_on_the_page_is_read_and_answered_by_a_program(
    drafted: Drafted, visitor: Visitors, program: Program, context: WebContext
) -> None:
    ruth, reader = visitor.signed_in("ruth", Role.RADIOLOGIST), program("reader", Role.RADIOLOGIST)
    assert (study(reader, drafted)["reviews"], study(reader, drafted)["last_review"]) == ([], 0)
    form = {
        "revision": "1",
        "verdict": "corrected",
        "finding": "pleural_effusion",
        "laterality": "right",
        "words": "right",
    }
    assert ruth.post(f"/studies/{drafted.uid}/reviews", data=form).status_code == 303

    status, refused = say(reader, drafted, "rejected", finding="pleural_effusion", seen=0)
    assert (status, refused["error"]["code"]) == (409, "judged-meanwhile")
    seen = study(reader, drafted)
    assert [(r["finding"], r["verdict"], r["laterality"], r["words"], r["account"]) for r in seen["reviews"]] == [
        ("pleural_effusion", "corrected", "right", "right", "ruth")
    ]
    status, kept = say(reader, drafted, "rejected", finding="pleural_effusion", seen=seen["last_review"])
    assert (status, kept["account"], kept["stated"]) == (200, "token:reader", "present")
    assert say(reader, drafted, "accepted", words="as a whole")[0] == 200
    now = study(reader, drafted)
    assert {r["finding"]: r["verdict"] for r in now["reviews"]} == {"pleural_effusion": "rejected", "": "accepted"}
    assert say(reader, drafted, "taken-back", finding="pleural_effusion")[0] == 200
    assert [r["finding"] for r in study(reader, drafted)["reviews"]] == [""]
    assert say(visitor.signed_in("rolf", Role.RADIOLOGIST), drafted, "accepted", finding="pleural_effusion")[0] == 409
    assert study(reader, drafted)["last_review"] == now["last_review"] + 1
    assert "token:reader" in {who for *_, who in audited(context)}


def test_only_a_radiologists_token_judges_and_only_what_the_draft_says(drafted: Drafted, program: Program) -> None:
    for role in (Role.VIEWER, Role.ADMINISTRATOR):
        assert say(program(str(role), role), drafted, "accepted")[0] == 403
    reader = program("reader", Role.RADIOLOGIST)
    assert say(reader, drafted, "accepted", finding="mass")[1]["error"]["code"] == "cannot-be-judged"
    assert say(reader, drafted, "praised")[0] == 422
    assert say(reader, drafted, "accepted", revision=9)[0] == 404
    assert study(reader, drafted)["reviews"] == []


def test_the_finished_report_and_where_it_agrees_is_read(desk: Desk, drafted: Drafted, program: Program) -> None:
    client = program("ris", Role.VIEWER)
    assert study(client, drafted)["final_report"] is None
    desk.finished(drafted, "Small right pleural effusion.", "No cardiomegaly.", "There is a nodule.")
    found = study(client, drafted)["final_report"]
    assert found["status"] == "F"
    assert "No cardiomegaly." in found["text"]
    compared = {row["concept"]: row for row in found["compared"]}
    assert {
        c: row["verdict"] for c, row in compared.items() if c in ("pleural_effusion", "cardiomegaly", "nodule")
    } == {
        "pleural_effusion": "side_differs",
        "cardiomegaly": "differ",
        "nodule": "only_report",
    }
    assert (compared["nodule"]["draft"], compared["nodule"]["report"]["presence"]) == (None, "present")


def test_agreement_over_time_is_among_the_numbers(drafted: Drafted, program: Program, context: WebContext) -> None:
    reader = program("reader", Role.RADIOLOGIST)
    for finding, verdict in (("pleural_effusion", "accepted"), ("cardiomegaly", "rejected"), ("nodule", "missed")):
        assert say(reader, drafted, verdict, finding=finding)[0] == 200
    Projector(context.ledger, context.clock, threading.Event()).catch_up()
    counting = Counting(context.ledger, context.clock, context.settings.web.zone)
    while counting.count():
        pass
    today = context.clock.now().astimezone(context.settings.web.zone).date()
    said = reader.get("/api/v1/numbers").json()
    assert said["judged"] == [{"day": today.isoformat(), "accepted": 1, "corrected": 0, "rejected": 1, "missed": 1}]
    assert {r["name"]: (r["n"], r["of"]) for r in said["agreement"]} == {
        "pleural_effusion": (1, 1),
        "cardiomegaly": (0, 1),
    }
    assert NOW.date() < today
