"""The story that the pages are for, with real peers: a study comes, is urgent, is looked at and judged; its way is followed; a
destination that nobody reaches is found, mended and served."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from agent.store import reviews
from agent.store.engine import Ledger
from tests.support.browsing import Window
from tests.support.hospital import DOCTOR, IT, Hospital, films
from tests.support.site import PATIENCE_S, until
from tests.support.study_page import StudyPage

pytestmark = [pytest.mark.model, pytest.mark.peers, pytest.mark.xdist_group("browser")]

ACCESSION = "ACC-0014"


@pytest.fixture
def archive(hospital: Hospital) -> Iterator[Callable[[], None]]:
    """Starts the archive, where it should have been found all along."""
    started: list[subprocess.Popen[bytes]] = []
    yield lambda: started.append(hospital.archive())
    for process in started:
        process.terminate()
        process.wait(PATIENCE_S)


def test_a_study_from_its_arrival_to_the_archive(
    at: Callable[..., Window], hospital: Hospital, archive: Callable[[], None]
) -> None:
    doctor = at(DOCTOR)
    uid = _it_comes_and_goes_to_the_top_by_itself(doctor, hospital)
    _it_is_opened_looked_at_and_rejected(doctor.page, uid, hospital)

    it = at(IT)
    it.may_say("422 (Unprocessable Entity)")  # which the form is answered that is filled in wrongly
    irene = it.page
    _the_ledger_says_what_the_peers_said(irene, hospital.address, uid)
    _the_destination_that_fails_is_found(irene, hospital.address, uid)
    _it_is_mended_in_the_form(irene, hospital)
    archive()
    _and_served(irene, hospital, uid)


def _it_comes_and_goes_to_the_top_by_itself(doctor: Window, hospital: Hospital) -> str:
    page = doctor.go("/?all=1")
    lines = page.locator("#lines tbody tr")
    expect(lines.first).to_be_visible()
    page.evaluate("window.sameAsBefore = true")
    uid = hospital.send(films("right-pneumothorax-chest-tube", 14, name="Phantom^Dora"), "critical")
    line = lines.filter(has_text=ACCESSION)
    expect(line).to_be_visible()
    expect(line.locator(".chip.critical")).to_have_text("critical")

    def before_all_but_critical() -> bool:
        words = lines.all_inner_texts()
        place = next((n for n, text in enumerate(words) if ACCESSION in text), None)
        if place is None:  # the lines are being drawn anew
            return False
        return all(text.startswith("critical") for text in words[:place]) and any("urgent" in t for t in words[place:])

    until(before_all_but_critical, what="it is at the top")
    expect(line).to_contain_text("Pneumothorax")
    assert page.evaluate("window.sameAsBefore === true"), "the page was not loaded again"
    return uid


def _it_is_opened_looked_at_and_rejected(page: Page, uid: str, hospital: Hospital) -> None:
    hospital.wait_for(uid)
    page.locator("#lines tbody tr", has_text=ACCESSION).locator("a.open").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert urlsplit(page.url).path == f"/studies/{uid}"
    study = StudyPage(page)
    before = study.brightness()
    study.drag(0, 120)
    assert abs(study.brightness() - before) > 10, "the window is another, and so are the pixels"
    assert study.lit() == 0
    study.sentence("pneumothorax").hover()
    assert study.lit() > 100, "the sentence lights its box"
    page.locator("#finding-pneumothorax").focus()
    page.keyboard.press("r")
    expect(page.locator("#finding-pneumothorax .judged")).to_have_class("judged rejected")
    ledger = Ledger(hospital.site.settings().database_url)
    with ledger.read() as view:
        kept = reviews.standing(view, uid, 1)
    ledger.close()
    assert [(finding, said.verdict, said.account) for finding, said in kept.items()] == [
        ("pneumothorax", "rejected", DOCTOR)
    ]


def _the_ledger_says_what_the_peers_said(page: Page, address: str, uid: str) -> None:
    page.goto(f"{address}/ledger")
    page.fill("input[name=text]", ACCESSION)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert urlsplit(page.url).path == f"/ledger/{uid}", "one study is found, and shown"
    sent = page.locator("section[aria-labelledby=deliveries] tbody tr")
    expect(sent.filter(has_text="to-pacs").first).to_contain_text("0000")
    expect(sent.filter(has_text="to-ris").first).to_contain_text("MSA|AA|")
    expect(page.locator(".timeline")).to_contain_text("SENDER")


def _the_destination_that_fails_is_found(page: Page, address: str, uid: str) -> None:
    failing = page.locator("section[aria-labelledby=deliveries] tbody tr").filter(has_text="to-archive").first
    expect(failing).not_to_contain_text("0000")
    page.goto(f"{address}/peers")
    destination = page.locator("section[aria-labelledby=destinations] tr", has_text="to-archive")
    expect(destination.locator(".chip.urgent")).to_be_visible()
    echo = page.locator("section[aria-labelledby=peers] tr", has_text="archive").locator("button[value=echo]")
    with page.expect_navigation():
        echo.click()
    expect(page.locator("#again > .bad")).to_be_visible()


def _it_is_mended_in_the_form(page: Page, hospital: Hospital) -> None:
    before = hospital.site.settings_file.read_text("utf-8")
    page.goto(f"{hospital.address}/peers")
    with page.expect_navigation():
        page.locator("section[aria-labelledby=peers] tbody th a", has_text="archive").click()
    page.fill("input[name=port]", "archive")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("#wrong-port")).to_be_visible()
    page.fill("input[name=port]", str(hospital.archive_port))
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("pre.difference .add", has_text=str(hospital.archive_port))).to_be_visible()
    assert hospital.site.settings_file.read_text("utf-8") == before, "nothing is written before it was seen"
    with page.expect_navigation():
        page.locator("button[value=write]").click()
    expect(page.locator("#again .told.good")).to_be_visible()
    after = hospital.site.settings_file.read_text("utf-8")
    assert {*after.splitlines()} - {*before.splitlines()} == {f"port = {hospital.archive_port}"}


def _and_served(page: Page, hospital: Hospital, uid: str) -> None:
    page.goto(f"{hospital.address}/ledger/{uid}/retry")
    page.fill("textarea[name=reason]", "the archive has another port")
    with page.expect_navigation():
        page.locator("main button.first").click()
    assert urlsplit(page.url).path == f"/ledger/{uid}"
    until(hospital.archived, what="the archive has the report")

    def says() -> bool:
        page.reload()
        line = page.locator("section[aria-labelledby=deliveries] tbody tr").filter(has_text="to-archive").first
        return "0000" in line.inner_text()

    until(says, what="the ledger says what the archive said")
    expect(page.locator(".timeline")).to_contain_text("the archive has another port")
