"""What programs do about a study: the same as people, under the name of their token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from agent.store import tokens
from agent.store.schema import audit, delivery, event
from agent.web.context import WebContext
from agent.web.rights import Role
from agent.web.signing.tokens import new_token
from tests.support.pages import Visitors, audited
from tests.support.planted_days import Planted, plant

UID = "1.2.840.77"
NAME = "Planted^Petra"


@pytest.fixture
def program(context: WebContext, visitor: Callable[[], TestClient]) -> Iterator[TestClient]:
    """A program with the token of an administrator, and a study whose delivery is parked."""
    token, now = new_token(), context.clock.now()
    with context.ledger.begin() as tx:
        plant(tx, [Planted(UID, now, name=NAME, took=(("sr", "to-pacs", 9.0), ("oru", "to-ris", 9.0)))])
        tx.execute(update(delivery).where(delivery.c.destination == "to-ris").values(state="parked", words="refused"))
        until = now + timedelta(hours=1)
        tokens.add(tx, token, "ris-bridge", Role.ADMINISTRATOR, made_by="", expires_at=until, now=now)
    client = visitor()
    client.headers.pop("Sec-Fetch-Site")
    client.headers["Authorization"] = f"Bearer {token}"
    yield client


def do(client: TestClient, action: str, uid: str = UID) -> tuple[int, dict[str, object]]:
    answer = client.post(f"/api/v1/studies/{uid}/{action}", json={"reason": "the RIS was down"})
    return answer.status_code, answer.json()


def test_a_parked_delivery_is_tried_again(context: WebContext, program: TestClient) -> None:
    status, said = do(program, "retry")
    assert (status, said["deliveries"]) == (200, 1)
    with context.ledger.read() as view:
        states = set(view.execute(select(delivery.c.state).where(delivery.c.destination == "to-ris")).scalars())
        words = list(view.execute(select(event.c.words).where(event.c.code == "retry")).scalars())
        trail = " ".join(view.execute(select(audit.c.message)).scalars())
    assert states == {"waiting"}
    assert "ris-bridge" in words[-1]
    assert "ris-bridge" in trail


def test_a_program_is_told_from_a_person_of_the_same_name(
    context: WebContext, program: TestClient, visitor: Visitors
) -> None:
    person = visitor.signed_in("ris-bridge", Role.ADMINISTRATOR)
    assert do(program, "hold")[0] == 200
    assert person.post(f"/ledger/{UID}/release", data={"reason": "seen"}).status_code == 303
    assert [who for *_, who in audited(context)] == ["token:ris-bridge", "ris-bridge"]
    with context.ledger.read() as view:
        by_hand = select(event.c.words).where(event.c.stage.in_(("hold", "release"))).order_by(event.c.id)
        held, released = view.execute(by_hand).scalars()
    assert held.endswith("(token:ris-bridge)")
    assert released.endswith("(ris-bridge)")


def test_a_study_is_held_once_and_released_once(program: TestClient) -> None:
    assert do(program, "hold")[0] == 200
    status, said = do(program, "hold")
    assert (status, said["error"]["code"]) == (409, "is-held")  # type: ignore[index]
    assert do(program, "release")[0] == 200
    assert do(program, "release")[0] == 409


@pytest.mark.parametrize("action", ["retry", "hold", "release", "reread", "withdraw"])
def test_a_study_that_is_none_is_not_mended(program: TestClient, action: str) -> None:
    status, said = do(program, action, "1.2.3.404")
    assert (status, said["error"]["code"]) == (404, "no-such-study")  # type: ignore[index]


def test_a_reason_is_needed(program: TestClient) -> None:
    assert program.post(f"/api/v1/studies/{UID}/withdraw", json={"reason": "   "}).status_code == 422
    assert program.post(f"/api/v1/studies/{UID}/withdraw").status_code == 422


def test_who_looks_at_a_study_is_in_the_audit_trail_and_no_name_is(context: WebContext, program: TestClient) -> None:
    answer = program.get(f"/api/v1/studies/{UID}").json()
    assert NAME in str(answer["about"])
    assert answer["banner"]
    with context.ledger.read() as view:
        trail = list(view.execute(select(audit.c.message)).scalars())
    assert "ris-bridge" in trail[-1]
    assert UID in trail[-1]
    assert NAME not in " ".join(trail)
