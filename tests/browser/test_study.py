"""A radiologist looks at a draft beside its films: the viewer, the way from words to boxes, and judging."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from playwright.sync_api import expect

from tests.support.browsing import TABLET, Window
from tests.support.hospital import DOCTOR
from tests.support.study_page import StudyPage

pytestmark = [pytest.mark.model, pytest.mark.peers, pytest.mark.xdist_group("browser")]


@pytest.fixture
def effusion(at: Callable[..., Window], holes: Mapping[str, str]) -> StudyPage:
    return StudyPage(at(DOCTOR).go(f"/studies/{holes['uid']}"))


def test_dragging_windows_the_film_and_reset_brings_back_how_it_was_read(effusion: StudyPage) -> None:
    before = effusion.brightness()
    effusion.drag(0, 120)
    assert abs(effusion.brightness() - before) > 10
    effusion.page.locator("[data-act=reset]").click()
    assert effusion.brightness() == pytest.approx(before, abs=0.01)


def test_the_keys_of_the_viewer_do_what_the_mouse_does(effusion: StudyPage) -> None:
    page, before = effusion.page, effusion.brightness()
    effusion.canvas.focus()
    page.keyboard.press("i")
    inverted = effusion.brightness()
    assert abs(inverted - before) > 10
    page.keyboard.press("Backspace")
    assert effusion.brightness() == pytest.approx(before, abs=0.01)


def test_pointing_at_a_sentence_lights_its_box_and_no_other(effusion: StudyPage) -> None:
    assert effusion.lit() == 0
    effusion.sentence("effusion").hover()
    one = effusion.lit()
    assert one > 100, "the box of the effusion is drawn in the colour of what is lit"
    expect(effusion.page.locator("#finding-pleural_effusion")).to_have_class("finding present lit")
    expect(effusion.page.locator("#finding-cardiomegaly")).not_to_have_class("lit")


def test_boxes_can_be_hidden(effusion: StudyPage) -> None:
    effusion.sentence("effusion").click()
    assert effusion.lit() > 100
    effusion.page.locator("[data-act=boxes]").click()
    assert effusion.lit() == 0


def test_two_keys_judge_a_finding_and_one_takes_that_back(effusion: StudyPage) -> None:
    page = effusion.page
    page.locator("#finding-cardiomegaly").focus()
    page.keyboard.press("a")
    judged = page.locator("#finding-cardiomegaly .judged")
    expect(judged).to_have_class("judged accepted")
    page.keyboard.press("u")
    expect(judged).to_have_count(0)


def test_fingers_window_and_zoom_a_film_on_a_tablet(at: Callable[..., Window], holes: Mapping[str, str]) -> None:
    window = at(DOCTOR, viewport=TABLET, has_touch=True, is_mobile=True)
    seen = StudyPage(window.go(f"/studies/{holes['uid']}"))
    before = seen.brightness()
    box = seen.canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = window.context.new_cdp_session(window.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": px, "y": py, "id": n} for n, (px, py) in enumerate(places)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (x, y))
    touch("touchMove", (x, y + 60))
    touch("touchMove", (x, y + 120))
    touch("touchEnd")
    assert abs(seen.brightness() - before) > 10
    said = seen.page.locator(".film").first.inner_text()
    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    seen.brightness()
    assert seen.page.locator(".film").first.inner_text() != said, "how much it is enlarged is said beside it"


def test_words_that_are_typed_while_the_session_ends_are_kept_until_they_can_be_saved(
    at: Callable[..., Window], holes: Mapping[str, str]
) -> None:
    window = at(DOCTOR)
    window.may_say("401")
    study = StudyPage(window.go(f"/studies/{holes['uid']}"))
    finding, kept = study.page.locator("#finding-cardiomegaly"), window.context.cookies()
    finding.focus()
    study.page.keyboard.press("c")
    finding.locator("textarea").fill("as in the film of last year")
    window.context.clear_cookies()
    finding.locator("button[value=corrected]").click()
    expect(finding.locator(".unsaved a")).to_have_attribute("href", "/sign-in")
    expect(finding.locator("textarea")).to_have_value("as in the film of last year")
    window.context.add_cookies(kept)  # signed in again, in another window
    finding.locator("button[value=corrected]").click()
    expect(finding.locator(".judged q")).to_have_text("as in the film of last year")
    finding.locator("button[value=taken-back]").click()
    expect(finding.locator(".judged")).to_have_count(0)
