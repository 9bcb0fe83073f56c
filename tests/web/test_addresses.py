"""Addresses that somebody has typed, cut or tampered with: answered as what they are, and never by a defect."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from agent.store import orders
from agent.web.context import WebContext
from agent.web.rights import Role
from tests.support.drafted import Desk, Drafted
from tests.support.films import small_image

Browser = Callable[[Role], TestClient]
TOO_LARGE = (2**31, 10**25)  # for PostgreSQL, and for SQLite


@pytest.fixture
def drafted(desk: Desk) -> Drafted:
    return desk.study([small_image()], boxes={})


def _key(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("number", TOO_LARGE)
@pytest.mark.parametrize(
    "path",
    [
        "/studies/{uid}?revision={number}",
        "/studies/{uid}/images/{image}/preview?revision={number}",
        "/studies/{uid}/images/{image}/about?revision={number}",
        "/studies/{uid}/images/{image}/values?revision={number}",
        "/ledger/messages/{number}",
        "/ledger/refusals?before={number}",
        "/?view={number}",
    ],
)
def test_a_number_that_no_row_can_have_is_refused(drafted: Drafted, browser: Browser, path: str, number: int) -> None:
    image = drafted.images[0].SOPInstanceUID
    asked = browser(Role.ADMINISTRATOR).get(path.format(uid=drafted.uid, image=image, number=number))
    assert asked.status_code == 422


@pytest.mark.parametrize("number", TOO_LARGE)
def test_a_form_with_such_a_number_is_refused(drafted: Drafted, browser: Browser, number: int) -> None:
    said = {"revision": number, "verdict": "accepted"}
    assert browser(Role.RADIOLOGIST).post(f"/studies/{drafted.uid}/reviews", data=said).status_code == 422
    assert browser(Role.RADIOLOGIST).post("/worklist/views/forget", data={"view": number}).status_code == 422
    settled = browser(Role.ADMINISTRATOR).post(f"/ledger/messages/{number}", data={"do": "settle", "reason": "seen"})
    assert settled.status_code == 422


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "yesterday", ""])
def test_the_ledger_begins_anew_where_its_address_names_no_moment(
    drafted: Drafted, browser: Browser, moment: str
) -> None:
    page = browser(Role.VIEWER).get(f"/ledger?before={quote(moment)}_1.2")
    assert page.status_code == 200
    assert drafted.uid in page.text


@pytest.mark.parametrize("key", ['[0, 1, "\\ud800"]', '[0, 1, "\\u0000"]', '[0, 1e400, "1.2"]', "[0]", "{}", "\ud7ff"])
def test_a_list_that_goes_on_from_nowhere_is_none(browser: Browser, key: str) -> None:
    client = browser(Role.VIEWER)
    assert client.get("/", params={"after": _key(key)}).status_code == 200
    assert client.get("/api/v1/studies", params={"after": _key(key)}).status_code == 404


@pytest.mark.parametrize(
    "form",
    [{"order": "-1"}, {"order": "x", "patient": "images"}, {"order": str(2**31)}, {"order": "none", "patient": "king"}],
)
def test_what_is_no_order_and_nobody_is_not_taken_for_a_decision(
    drafted: Drafted, browser: Browser, context: WebContext, form: dict[str, str]
) -> None:
    sent = browser(Role.ADMINISTRATOR).post(f"/ledger/{drafted.uid}/match", data={"reason": "it is hers", **form})
    assert sent.status_code == 422
    with context.ledger.read() as view:
        assert not orders.decisions_of(view, [drafted.uid])


def test_who_mistypes_an_address_is_not_shown_as_signed_out(
    visitor: Callable[[], TestClient], browser: Callable[[Role], TestClient]
) -> None:
    for address in ("/nothing", "/studies"):
        page = browser(Role.RADIOLOGIST).get(address)
        assert (page.status_code, "Sign out" in page.text, 'href="/ledger"' in page.text) == (404, True, True)
        page = visitor().get(address)
        assert (page.status_code, "Sign out" in page.text, 'href="/ledger"' in page.text) == (404, False, False)
