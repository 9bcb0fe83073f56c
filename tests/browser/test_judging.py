"""A radiologist judges by keys: from the moment the page is there, the finding that is meant and no other, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from agent.store import reviews
from agent.store.reviews import Review
from tests.support.browsing import Window, window
from tests.support.drafted import Desk, Drafted
from tests.support.films import small_image
from tests.support.open_site import OpenSite

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("browser")]


@dataclass(slots=True)
class Room:
    """The page of one drafted study, and who looks at it."""

    site: OpenSite
    drafted: Drafted
    window: Window

    @property
    def page(self) -> Page:
        return self.window.page

    def open(self) -> Page:
        """The page, as it is when its scripts have run: the focus is on nothing."""
        page = self.window.go(f"/studies/{self.drafted.uid}")
        expect(page.locator(".study-body > p.said")).to_be_attached()
        assert page.evaluate("document.activeElement === document.body")
        return page

    def kept(self) -> dict[str, Review]:
        with self.site.context.ledger.read() as view:
            return reviews.standing(view, self.drafted.uid, self.drafted.number)

    def judges(self, account: str, finding: str, verdict: str, words: str = "") -> None:
        """Somebody else, at another desk."""
        with self.site.context.ledger.begin() as tx:
            now = self.site.context.clock.now()
            row = Review(self.drafted.uid, self.drafted.number, finding, "present", verdict, account, now, words=words)
            reviews.add(tx, row)
        self.site.projector.follow()


@pytest.fixture
def room(chromium: Browser, tmp_path: Path) -> Iterator[Room]:
    site = OpenSite(tmp_path)
    drafted = Desk(site.context.ledger, site.context.files).study([small_image()], boxes={})
    try:
        with window(chromium, site.address) as made:
            site.let_in(made)
            yield Room(site, drafted, made)
    finally:
        site.stop()


def test_keys_judge_the_finding_that_is_lit_and_never_one_that_is_not_certain(room: Room) -> None:
    page, said = room.open(), room.page.locator(".study-body > p.said")
    page.keyboard.press("a")
    expect(said).to_contain_text("No finding is lit")
    page.get_by_text("There is a moderate left pleural effusion with adjacent atelectasis.").first.click()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("a")
    expect(said).to_contain_text("Several findings are lit (Pleural effusion, Atelectasis)")
    assert room.kept() == {}

    page.keyboard.press("Escape")
    page.locator(".passage a.sentence").filter(has_text="The heart is mildly enlarged.").first.click()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.down("a")
    page.keyboard.down("a")  # held: the keyboard repeats it
    page.keyboard.up("a")
    expect(page.locator("#finding-cardiomegaly .judged")).to_have_class("judged accepted")
    expect(said).to_have_text("Cardiomegaly: saved.")
    page.keyboard.press("Shift+R")
    expect(page.locator('.review[data-subject=""] .judged')).to_have_class("judged rejected")
    expect(said).to_have_text("The draft as a whole: saved.")
    assert {f: r.verdict for f, r in room.kept().items()} == {"cardiomegaly": "accepted", "": "rejected"}

    assert max(r.id for r in room.kept().values()) == 2, "each was written down once"

    page.keyboard.press("u")
    expect(page.locator("#finding-cardiomegaly .judged")).to_have_count(0)
    page.locator("#finding-cardiomegaly summary").click()
    page.locator("#finding-cardiomegaly textarea").press_sequentially("a rather large one")
    assert set(room.kept()) == {""}, "who writes judges nothing"


def test_what_was_not_saved_stays_marked_and_is_sent_again_by_who_knows_what_stands_against_it(room: Room) -> None:
    page = room.open()
    heart = page.locator("#finding-cardiomegaly")
    room.window.may_say("Failed to load resource")
    room.judges("anna", "cardiomegaly", "rejected", "normal for age")
    expect(page.locator(".overtaken")).to_contain_text("This study has changed since the page was made.")
    heart.locator("summary").click()
    heart.locator("textarea").fill("borderline")
    heart.locator("button[value=corrected]").click()
    notice = heart.locator(".unsaved")
    expect(notice).to_contain_text("anna has meanwhile judged this")
    expect(notice).to_contain_text("normal for age")
    assert room.kept()["cardiomegaly"].account == "anna"
    assert heart.locator("textarea").input_value() == "borderline"

    page.route("**/reviews", lambda route: route.fulfill(status=503, json={"error": {"code": "busy"}}))
    heart.locator("button[value=corrected]").click()
    expect(notice).to_contain_text("Not saved:")
    expect(page.locator(".study-body > p.said")).to_have_text("")  # what is only said is gone by then
    expect(notice).to_contain_text("Not saved:")
    page.unroute("**/reviews")
    heart.locator("button[value=corrected]").click()
    expect(heart.locator(".judged")).to_have_class("judged corrected")
    expect(heart.locator(".unsaved")).to_have_count(0)
    assert (room.kept()["cardiomegaly"].account, room.kept()["cardiomegaly"].words) == ("radiologist", "borderline")
