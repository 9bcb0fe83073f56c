"""A page that stays open is believed: it follows what happens, or says that it does not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from agent.settings import PeerSettings
from agent.store import schema
from agent.web.live import Live
from agent.web.rights import Role
from agent.web.worklist import stream
from tests.support.browsing import Window, window
from tests.support.open_site import OpenSite

_SEEN = """
(hidden) => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenSite]:
    monkeypatch.setattr(stream, "_LOOK_AT_SESSION_S", 0.0)
    made = OpenSite(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def reader(chromium: Browser, site: OpenSite) -> Iterator[Window]:
    with window(chromium, site.address) as made:
        site.let_in(made)
        yield made


def uids(page: Page) -> list[str]:
    return [
        str(uid) for uid in page.locator("#lines tbody tr").evaluate_all("rows => rows.map(row => row.dataset.uid)")
    ]


def test_an_open_worklist_says_that_it_is_late_or_unreadable_until_it_is_not(site: OpenSite, reader: Window) -> None:
    site.arrive("1.1")
    page = reader.go("/")
    lost = page.locator("#lost")
    site.ago(timedelta(minutes=5))
    site.line.arrive("1.2")
    expect(lost).to_contain_text("The list is late")
    site.projector.follow()
    expect(page.locator("#lines tbody tr")).to_have_count(2)
    expect(lost).to_be_hidden()
    site.line.arrive("1.3")
    page = reader.go("/")
    expect(page.locator("#late")).to_be_visible()
    site.projector.follow()
    expect(page.locator("#lines tbody tr")).to_have_count(3)
    expect(page.locator("#late")).to_have_count(0)
    with site.context.ledger.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE listing_progress RENAME TO away")
    expect(lost).to_contain_text("cannot be read")
    with site.context.ledger.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE away RENAME TO listing_progress")
    expect(lost).to_be_hidden()


def test_what_came_while_a_worklist_was_out_of_sight_is_there_however_much_it_is(
    site: OpenSite, reader: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.web.live._AT_ONCE", 3)
    site.arrive("1.1")
    page = reader.go("/")
    page.evaluate(_SEEN, True)
    for n in range(2, 9):
        site.arrive(f"1.{n}")
    page.evaluate(_SEEN, False)
    expect(page.locator("#lines tbody tr")).to_have_count(8)
    page.fill("#text", "some")  # who types is not disturbed
    page.evaluate(_SEEN, True)
    for n in range(9, 16):
        site.arrive(f"1.{n}")
    page.evaluate(_SEEN, False)
    expect(page.locator("#news button")).to_contain_text("More is new than could be told")
    assert page.input_value("#text") == "some"
    page.locator("#news button").click()
    expect(page.locator("#lines tbody tr")).to_have_count(15)


def test_a_search_that_the_office_has_forgotten_fills_with_nobody_else(site: OpenSite, reader: Window) -> None:
    site.arrive("1.1", name="Phantom^Anna", patient_id="A", accession="A")
    page = reader.go("/")
    page.fill("#text", "phantom")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert uids(page) == ["1.1"]
    site.arrive("1.2", name="Other^Berta", patient_id="B", accession="B")
    reader.may_say("Failed to load resource")
    site.stop()
    expect(page.locator("#lost")).to_contain_text("No connection")
    site.start()
    site.arrive("1.3", name="Third^Carl", patient_id="C", accession="C")
    expect(page.locator("#lost")).to_contain_text("is not known any more")
    assert uids(page) == ["1.1"]
    expect(page.locator("#news button")).to_have_count(0)


def test_a_page_of_a_study_says_when_it_hears_nothing_and_when_its_reader_is_signed_out(
    site: OpenSite, reader: Window
) -> None:
    site.arrive("1.1")
    reader.may_say("Failed to load resource")  # of a film, which is not there, and of the server
    page = reader.go("/studies/1.1")
    lost = page.locator("p.lost")
    expect(lost).to_be_hidden()
    site.stop()
    expect(lost).to_contain_text("No connection")
    site.start()
    expect(lost).to_be_hidden()
    with site.context.ledger.begin() as tx:
        tx.execute(schema.web_session.delete())
    expect(lost).to_contain_text("signed out")


def test_one_page_too_many_says_that_it_does_not_change_by_itself_until_it_does(
    site: OpenSite, reader: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Live.__init__.__kwdefaults__, "most", 1)
    site.stop()
    site.start()
    reader.may_say("Failed to load resource")
    first = reader.context.new_page()
    with first.expect_response("**/live*"):
        first.goto(f"{site.address}/")
    page = reader.go("/")
    expect(page.locator("#lost")).to_contain_text("More pages are listening")
    first.close()
    expect(page.locator("#lost")).to_be_hidden()
    site.arrive("1.1")
    expect(page.locator("#lines tbody tr")).to_have_count(1)


def test_a_question_that_was_not_answered_is_asked_again_and_then_forgotten(site: OpenSite, reader: Window) -> None:
    page = reader.go("/")
    failed = list[str]()

    def not_answered(route: Route) -> None:
        failed.append(route.request.url)
        if len(failed) <= 2:
            route.abort()
        else:
            route.fallback()

    page.route("**/worklist/rows", not_answered)
    reader.may_say("Failed to load resource")
    site.arrive("1.1")
    expect(page.locator("#lost")).to_contain_text("No connection")
    expect(page.locator("#lines tbody tr")).to_have_count(1)
    expect(page.locator("#lost")).to_be_hidden()


@pytest.mark.parametrize("what", ["restarted", "signed-out"])
def test_a_page_about_work_says_when_nobody_can_say_how_it_goes_on(
    chromium: Browser, tmp_path: Path, what: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call, and says nothing
        peer = PeerSettings(
            name="silent", ae_title="SILENT", host="127.0.0.1", port=silent.getsockname()[1], may=frozenset({"receive"})
        )
        site = OpenSite(tmp_path, peers=(peer,))
        try:
            with window(chromium, site.address) as made:
                site.let_in(made, Role.ADMINISTRATOR)
                made.may_say("Failed to load resource")
                page = made.go("/peers")
                with page.expect_navigation():
                    page.locator("button[value=echo]").click()
                part = page.locator("#again")
                expect(part.locator("progress")).to_be_visible()
                if what == "restarted":
                    site.stop()
                    site.start()
                else:
                    with site.context.ledger.begin() as tx:
                        tx.execute(schema.web_session.delete())
                words = {"restarted": "not known any more", "signed-out": "signed out"}[what]
                expect(part.get_by_role("alert")).to_contain_text(words)
                expect(part.locator("progress")).to_have_count(0)
        finally:
            site.stop()
