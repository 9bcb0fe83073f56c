"""The pictures in docs/pages.md show the pages as they are: ``pytest tests/browser/test_pictures.py --write-screenshots`` takes them
anew, of phantoms. Without it what lies in docs/ is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import FIRST
from tests.support.browsing import TABLET, Window
from tests.support.hl7_sender import header, segment
from tests.support.hospital import DOCTOR, IT, Hospital, films
from tests.support.screenshots import FOLDER, LARGEST, keep
from tests.support.study_page import StudyPage

pytestmark = [pytest.mark.model, pytest.mark.peers, pytest.mark.xdist_group("browser")]

DOCS = FOLDER.parent
EFFUSION, EDEMA = (str(FIRST[name][0].StudyInstanceUID) for name in ("effusion", "edema"))
REPORT = "The heart is enlarged. Perihilar haze on both sides, in keeping with edema. Small left pleural effusion. No pneumothorax."


def nothing_more(_: Page) -> None:
    """The page as it comes."""


@dataclass(frozen=True)
class Picture:
    """One page in one theme. `name`: of the file; `doing`: what is done before it is taken."""

    name: str
    who: str
    path: str
    theme: str = "light"
    doing: Callable[[Page], None] = nothing_more
    window: dict[str, Any] = field(default_factory=dict)


def lit(page: Page) -> None:
    StudyPage(page).sentence("effusion").click()
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")


def other_port(page: Page) -> None:
    page.fill("input[name=port]", "11112")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("pre.difference")).to_be_visible()


def final(page: Page) -> None:
    StudyPage(page)
    page.locator("#final-head").scroll_into_view_if_needed()


PICTURES = (
    Picture("sign-in", "", "/sign-in"),
    Picture("worklist", DOCTOR, "/?all=1"),
    Picture("worklist-reading-room", DOCTOR, "/?all=1", "reading-room"),
    Picture("study", DOCTOR, f"/studies/{EFFUSION}", "reading-room", lit),
    Picture("study-final", DOCTOR, f"/studies/{EDEMA}", "light", final),
    Picture("study-tablet", DOCTOR, f"/studies/{EFFUSION}", "dark", lit, {"viewport": TABLET, "has_touch": True}),
    Picture("ledger", IT, "/ledger"),
    Picture("ledger-study", IT, f"/ledger/{EFFUSION}"),
    Picture("peers", IT, "/peers"),
    Picture("peers-form", IT, "/peers/form/peer?name=archive", "light", other_port),
    Picture("system", IT, "/system"),
    Picture("numbers", IT, "/numbers"),
    Picture("people", IT, "/people"),
    Picture("account", DOCTOR, "/account"),
)


@pytest.fixture(scope="module")
def busy(hospital: Hospital) -> Hospital:
    """With an archive that takes everything and is then down, a critical study more, and a report that a person has finished."""
    archive = hospital.archive(hospital.named_port)
    for study in hospital.sent:
        hospital.site.run("retry", study, check=True)
        hospital.wait_for(study, delivered=3)
    archive.terminate()
    archive.wait(10)
    hospital.wait_for(hospital.send(films("right-pneumothorax-chest-tube", 15, name="Phantom^Emil"), "emil"))
    obr = segment("OBR", f1="1", f4="36643-5^XR Chest 2 Views^LN", f18="ACC-0013", f25="F")
    pid = "PID|1||TEST0013^^^HOSP^MR||Phantom^Carl||19700101|O"
    hospital.hear(header("ORU^R01", control_id="FINAL1"), pid, obr, f"OBX|1|TX|GDT||{REPORT}||||||F")
    hospital.wait_for(EDEMA, state="reported")
    return hospital


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: p.name)
def test_the_documents_show_every_page(request: pytest.FixtureRequest, picture: Picture) -> None:
    if request.config.getoption("--write-screenshots"):
        busy: Hospital = request.getfixturevalue("busy")
        at: Callable[..., Window] = request.getfixturevalue("at")
        window = at(picture.who, **picture.window)
        cookie = {"name": "theme", "value": picture.theme, "url": window.address}
        window.context.add_cookies([cookie])  # type: ignore[list-item]
        if picture.name.startswith("peers-form"):
            window.may_say("422")
        page = window.go(picture.path)
        picture.doing(page)
        page.wait_for_load_state("networkidle" if picture.path != "/?all=1" else "load")
        keep(page, picture.name, busy.site.folder)
    file = FOLDER / f"{picture.name}.png"
    assert file.is_file(), "take it with --write-screenshots"
    assert file.stat().st_size <= LARGEST
    with Image.open(file) as seen:
        assert seen.width >= 800
    assert f"pages/{picture.name}.png" in (DOCS / "pages.md").read_text("utf-8")


def test_no_picture_lies_there_that_nobody_takes() -> None:
    assert {p.stem for p in FOLDER.glob("*")} == {p.name for p in PICTURES}


def test_the_readme_shows_a_page() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    assert any(f"docs/pages/{p.name}.png" in readme for p in PICTURES)
