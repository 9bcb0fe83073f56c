"""One hospital and one chromium for all tests of the pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, StorageState, expect, sync_playwright

from tests.support.browsing import Window, launched, window
from tests.support.hl7_sender import header
from tests.support.hospital import DOCTOR, IT, PASSWORD, Hospital, films

FIRST = {
    "clear": films("clear", 11, name="Phantom^Anton"),
    "effusion": films("left-effusion-cardiomegaly", 12, name="Phantom^Berta"),
    "edema": films("cardiomegaly-edema", 13, name="Phantom^Carl"),
}

# A merge that somebody has to look at.
TWO_ISSUERS = ("PID|1||P8^^^NORTH^MR||Phantom^Nobody", "MRG|P9^^^SOUTH^MR")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Ends with the module: while it runs, nothing else in this thread may use asyncio."""
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Hospital]:
    """With three studies that have been read, one of them with an earlier film, and a message that waits for a person."""
    with Hospital(tmp_path_factory.mktemp("hospital"), checkpoint) as made:
        earlier = films("clear", 12, name="Phantom^Berta", prior_of=FIRST["effusion"])
        made.send(earlier, "earlier")
        made.hear(header("ADT^A40^ADT_A39", control_id="ADT1"), "EVN|A40|20260103101500", *TWO_ISSUERS)
        uids = [made.send(study, name) for name, study in FIRST.items()]
        for uid in uids:
            made.wait_for(uid)
        yield made


@pytest.fixture(scope="module")
def sessions(chromium: Browser, hospital: Hospital) -> dict[str, StorageState]:
    """What the browser of each person keeps after signing in; the first password is changed on the page."""
    return {name: _signed_in(chromium, hospital, name) for name in (IT, DOCTOR)}


@pytest.fixture
def at(chromium: Browser, hospital: Hospital, sessions: dict[str, StorageState]) -> Iterator[Callable[..., Window]]:
    """Opens windows: of a person by name, or of nobody with ""."""
    with ExitStack() as stack:

        def opened(name: str, **options: object) -> Window:
            kept = {"storage_state": sessions[name]} if name else {}
            return stack.enter_context(window(chromium, hospital.address, **kept, **options))

        yield opened


@pytest.fixture(scope="module")
def holes(chromium: Browser, hospital: Hospital, sessions: dict[str, StorageState]) -> Mapping[str, str]:
    """What stands in the addresses of pages, by the names of the holes; and whole addresses of what had to be done first."""
    found = {
        "uid": str(FIRST["effusion"][0].StudyInstanceUID),
        "action": "withdraw",
        "number": "1",
        "what": "peer",
        "name": "to-archive",
    }
    found["/peers/remove/{what}"] = "/peers/remove/peer?name=archive"
    with window(chromium, hospital.address, storage_state=sessions[IT]) as made:
        for path, button in (
            ("/peers/test/{task_id}", "section[aria-labelledby=peers] button[value=echo]"),
            ("/peers/reload/{number}", "section[aria-labelledby=reload] button"),
        ):
            page = made.go("/peers")
            with page.expect_navigation():
                page.locator(button).first.click()
            expect(page.locator("#again .told")).to_have_class(re.compile("good"))
            found[path] = made.path()
    return found


def _signed_in(chromium: Browser, hospital: Hospital, name: str) -> StorageState:
    with window(chromium, hospital.address) as made:
        made.sign_in(name, hospital.passwords[name])
        if hospital.passwords[name] != PASSWORD:
            assert made.path() in ("/account/password",), "the first password must be changed before anything else"
            made.page.fill("input[name=current]", hospital.passwords[name])
            made.page.fill("input[name=wanted]", PASSWORD)
            made.page.fill("input[name=again]", PASSWORD)
            with made.page.expect_navigation():
                made.page.keyboard.press("Enter")
            hospital.passwords[name] = PASSWORD
        assert made.go("/").locator("h1").is_visible()
        assert made.path() == "/"
        return made.context.storage_state()
