"""Schemathesis over the JSON interface: every answer is one that the schema says, for programs of each role, whatever is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema

from agent.clock import SystemClock
from agent.keeping.projector import Projector
from agent.service import open_store
from agent.settings import Settings
from agent.settings.line import Storage
from agent.store import tokens
from agent.web.app import make_app
from agent.web.context import WebContext
from agent.web.rights import RIGHTS, Role
from agent.web.signing.tokens import new_token
from tests.support.planted_days import Planted, plant

UID = "1.2.826.0.1.3680043.8.498.1"
EXAMPLES = 8
HOST = {"Host": "localhost"}
PREFIX = "/api/v1"
EVENTS = f"{PREFIX}/events"
CALLS = sorted((m, p) for m, p in RIGHTS if p.startswith(PREFIX) and not p.endswith("openapi.json"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> WebContext:
    return planted(tmp_path_factory.mktemp("site"))


def planted(root: Path) -> WebContext:
    """A site with a study of which there is everything."""
    made, clock = Settings(storage=Storage(root=root)), SystemClock()
    ledger, files = open_store(made)
    with ledger.begin() as tx:
        took = (("flag", "", 4.0), ("sr", "to-pacs", 9.0), ("oru", "to-ris", 9.0))
        plant(tx, [Planted(UID, clock.now(), present=("consolidation",), took=took)])
    Projector(ledger, clock, threading.Event()).catch_up()
    return WebContext(made, ledger, files, clock)


@pytest.fixture(scope="module")
def app(site: WebContext) -> FastAPI:
    return make_app(site)


@pytest.fixture(scope="module")
def token(site: WebContext) -> Callable[[Role], str]:
    """The token of a program of that role."""
    made: dict[Role, str] = {}

    def of(role: Role) -> str:
        if role not in made:
            made[role] = new_token()
            now = site.clock.now()
            with site.ledger.begin() as tx:
                until = now + timedelta(days=1)
                tokens.add(tx, made[role], f"test of {role}", role, made_by="", expires_at=until, now=now)
        return made[role]

    return of


@pytest.fixture(scope="module")
def schema(app: FastAPI, token: Callable[[Role], str]) -> BaseSchema:
    """As a program gets it."""
    headers = {"Authorization": f"Bearer {token(Role.VIEWER)}", **HOST}
    return schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", app, headers=headers)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_answer_is_one_that_the_schema_says(
    schema: BaseSchema, token: Callable[[Role], str], method: str, path: str, mode: GenerationMode
) -> None:
    operation = schema[path][method]
    if mode is GenerationMode.NEGATIVE and not {"parameters", "requestBody"} & set(operation.definition.raw):
        return  # there is nothing to be wrong about

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy(generation_mode=mode))
    def of_any(case: Case) -> None:
        for role in Role:
            if path == EVENTS:  # a stream that is not asked to end lasts for a quarter of an hour
                case.query = {**(case.query or {}), "wait_s": 0}
            case.call_and_validate(headers={"Authorization": f"Bearer {token(role)}", **HOST})

    of_any()
