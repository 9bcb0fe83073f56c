"""HEAD: whoever looks only whether a page is there disturbs nothing, and is in no list of those who saw a patient."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine
from starlette.testclient import TestClient

from agent.settings import Web
from agent.web.context import WebContext
from agent.web.rights import Role
from tests.support.drafted import Desk
from tests.support.films import small_image
from tests.support.pages import ORIGIN, Visitors, audited, site_at

VIEW, QUERY = "110103", "110112"


def shown(context: WebContext) -> list[str]:
    return [event for event, *_ in audited(context) if event in (VIEW, QUERY)]


def test_a_page_that_nobody_saw_is_in_no_audit_trail_and_the_look_that_follows_is(
    context: WebContext, desk: Desk, browser: Callable[[Role], TestClient]
) -> None:
    study = desk.study([small_image()], boxes={})
    film = f"/studies/{study.uid}/images/{study.images[0].SOPInstanceUID}/preview"
    client = browser(Role.ADMINISTRATOR)
    pages = ("/", f"/studies/{study.uid}", film, "/ledger", f"/ledger/{study.uid}", f"/ledger/{study.uid}/match")
    programs = ("/api/v1/studies", f"/api/v1/studies/{study.uid}")
    for address in (*pages, *programs):
        for _ in range(2):
            assert client.head(address).status_code == 200, address
    assert shown(context) == []
    for address in pages:
        client.get(address)
    of_pages = [QUERY, VIEW, QUERY, VIEW, VIEW]  # the film is part of the study that was looked at
    assert shown(context) == of_pages
    for address in programs:
        client.get(address)
    assert shown(context) == [*of_pages, QUERY, VIEW]


def test_a_token_is_worth_the_same_for_the_head(context: WebContext, visitor: Visitors) -> None:
    client = visitor()
    client.headers["Authorization"] = "Bearer wrong"
    assert client.head("/api/v1/studies").status_code == 401


def test_who_asks_for_heads_is_as_much_there_as_who_asks_for_pages(tmp_path: Path) -> None:
    visitor = Visitors(site_at(tmp_path, Web(url=ORIGIN, idle_min=10)))
    busy, by_itself = visitor.signed_in("busy", Role.VIEWER), visitor.signed_in("script", Role.VIEWER)
    now = datetime.now(UTC)
    with time_machine.travel(now + timedelta(minutes=8)):
        assert busy.head("/account").status_code == 200
        assert by_itself.head("/account", headers={"X-By-Itself": "1"}).status_code == 200
    with time_machine.travel(now + timedelta(minutes=16)):
        assert busy.head("/account").status_code == 200
        assert by_itself.head("/account").status_code == 303


def test_what_cannot_be_asked_says_what_can(browser: Callable[[Role], TestClient]) -> None:
    client = browser(Role.VIEWER)
    assert client.put("/numbers").headers["allow"] == "GET, HEAD"
    refused = client.head("/worklist/search")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
