"""The worklist for programs: all of it, each study once, and nobody's name in an address."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from agent.keeping.projector import Projector
from agent.store.schema import audit
from agent.web.context import WebContext
from agent.web.rights import Role
from tests.support.planted_days import Planted, plant


@pytest.fixture
def client(context: WebContext, browser: Callable[[Role], TestClient]) -> TestClient:
    """Somebody who looks at a site with a dozen studies."""
    now = context.clock.now()
    studies = [
        Planted(
            f"1.2.{n}", now - timedelta(minutes=n), priority="urgent" if n % 3 == 0 else "routine", name=f"Doe^Number{n}",
            accession=f"ACC-{n}", present=("consolidation",) if n % 2 else (),
        )
        for n in range(12)
    ]  # fmt: skip
    with context.ledger.begin() as tx:
        plant(tx, studies)
    Projector(context.ledger, context.clock, threading.Event()).catch_up()
    return browser(Role.VIEWER)


def all_of(client: TestClient, **filters: object) -> list[str]:
    found, after = [], None
    while True:
        answer = client.get("/api/v1/studies", params={**filters, **({"after": after} if after else {})}).json()
        found += [s["study_instance_uid"] for s in answer["studies"]]
        after = answer["next"]
        if after is None:
            return found


@pytest.mark.parametrize("limit", [1, 5, 12, 200])
def test_every_study_comes_once_however_it_is_asked_for(client: TestClient, limit: int) -> None:
    found = all_of(client, limit=limit)
    assert sorted(found) == sorted(f"1.2.{n}" for n in range(12))


def test_filters_leave_what_fits(client: TestClient) -> None:
    assert set(all_of(client, finding="consolidation", limit=4)) == {f"1.2.{n}" for n in range(1, 12, 2)}
    assert all_of(client, standing="withdrawn") == []


def test_a_search_by_name_goes_on_where_it_stopped(client: TestClient) -> None:
    found, after = [], None
    for _ in range(20):
        asked = {"text": "doe", "limit": 5, **({"after": after} if after else {})}
        answer = client.post("/api/v1/studies/search", json=asked)
        assert answer.status_code == 200, answer.text
        found += [s["patient_name"] for s in answer.json()["studies"]]
        if (after := answer.json()["next"]) is None:
            break
    assert sorted(found) == sorted(f"Doe^Number{n}" for n in range(12))


def test_no_address_takes_a_name(client: TestClient) -> None:
    assert client.get("/api/v1/studies", params={"text": "doe"}).status_code == 422


def test_a_page_that_is_none_is_refused(client: TestClient) -> None:
    assert client.get("/api/v1/studies", params={"after": "nonsense"}).status_code == 404


def test_who_asked_for_the_list_is_in_the_audit_trail_once(context: WebContext, client: TestClient) -> None:
    def messages() -> list[str]:
        with context.ledger.read() as view:
            return list(view.execute(select(audit.c.message)).scalars())

    before = len(messages())
    all_of(client, limit=4)
    new = messages()[before:]
    assert len(new) == 1
    assert "viewer" in new[0]
    assert "Doe" not in new[0]
