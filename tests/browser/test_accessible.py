"""Whoever cannot use a mouse, needs large letters or has the page read out, uses every page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from agent.settings import Oidc
from agent.web.pages.render import THEMES
from tests.support.browsing import HALF, TABLET, Window, window
from tests.support.every_page import address, pages, who_sees
from tests.support.oidc_provider import CLIENT, OidcProvider
from tests.support.open_site import OpenSite

pytestmark = [pytest.mark.model, pytest.mark.peers, pytest.mark.xdist_group("browser")]

AXE = Path(sys.prefix) / "npm" / "node_modules" / "axe-core" / "axe.min.js"
_LOOK = """
async (only) => {
  const wanted = only ? {runOnly: {type: "rule", values: [only]}} : {};
  const found = await axe.run(document, {...wanted, resultTypes: ["violations"]});
  return found.violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) =>
    `${v.id} (${v.impact}): ${v.help}: ` + v.nodes.slice(0, 5).map((n) => n.html + " " + n.failureSummary).join(" | "));
}
"""


@pytest.fixture(scope="session")
def axe() -> str:
    assert AXE.is_file(), "axe-core is not installed: make axe"
    return AXE.read_text("utf-8")


@pytest.fixture(scope="module")
def with_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSite]:
    """A site whose people sign in with a password or at an OpenID provider, which says where one signs out of it."""
    provider = OidcProvider()
    provider.about = {"end_session_endpoint": f"{provider.issuer}/logout"}
    roles = {"px-readers": "radiologist"}
    oidc = Oidc(name="Hospital", issuer=provider.issuer, client_id=CLIENT, roles=roles)
    site = OpenSite(tmp_path_factory.mktemp("with-provider"), oidc=oidc)
    yield site
    site.stop()
    provider.stop()


@pytest.fixture
def shown(
    at: Callable[..., Window], chromium: Browser, holes: Mapping[str, str], with_provider: OpenSite
) -> Iterator[Callable[..., Page]]:
    """Opens a page as somebody of the hospital who may see it; as nobody where there is the most for nobody to see."""
    with ExitStack() as stack:

        def opened(path: str, **options: object) -> Page:
            if name := who_sees(path):
                return at(name, **options).go(address(path, holes))
            return stack.enter_context(window(chromium, with_provider.address, **options)).go(address(path, holes))

        yield opened


def faults(page: Page, axe: str, *, only: str = "") -> list[str]:
    """What axe-core calls serious or critical. Its script comes by the debugger, past the policy of the page."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe)
    return list(page.evaluate(_LOOK, only))


@pytest.mark.parametrize("path", pages())
def test_nothing_keeps_anybody_out_of_a_page_in_any_theme_or_language(
    shown: Callable[..., Page], axe: str, path: str
) -> None:
    found: dict[str, list[str]] = {}
    for language in ("en-GB", "de-AT"):
        page = settled(shown(path, locale=language))
        assert page.locator("html").get_attribute("lang") == language[:2]
        found[language] = faults(page, axe)
    for theme in THEMES:
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
        found[theme] = faults(page, axe, only="color-contrast")
    assert not any(found.values()), found


def settled(page: Page) -> Page:
    """The page with all its controls: the tools of a film come with a script, after the page."""
    if page.locator("#viewer .film").count():
        page.locator("#viewer.live").wait_for()
    return page


_MARK = """
() => {
  const wanted = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"], [contenteditable]';
  const radios = new Set();
  return [...document.querySelectorAll(wanted)].filter((e) => {
    const box = e.getBoundingClientRect();
    if (e.disabled || e.tabIndex < 0 || !box.width || !box.height || !e.checkVisibility({visibilityProperty: true})) return false;
    if (e.type !== "radio") return true;  // of a group one is reached, and the arrows do the rest
    const first = !radios.has(e.name);
    radios.add(e.name);
    return first;
  }).map((e, number) => { e.dataset.reach = e.type === "radio" ? `radio-${e.name}` : number; return e.outerHTML.slice(0, 200); }).length;
}
"""
_FOCUSED = """
() => {
  const e = document.activeElement;
  const marked = (one) => {
    const style = getComputedStyle(one);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  };
  const line = e.closest("tr");  // a list marks the whole line
  const seen = marked(e) || (line !== null && marked(line));
  return {which: e.type === "radio" ? `radio-${e.name}` : e.dataset.reach ?? null, seen, what: e.outerHTML.slice(0, 200)};
}
"""


_MORE_THAN_ANY_PAGE_HAS = 1000  # stops of the tab key


def _has_gone_round(met: list[str]) -> bool:
    """Back at the first control, and beyond the parts of which a field for a date has several."""
    return bool(met) and met[-1] == met[0] and len(set(met)) > 1 and met[-2] != met[0]


@pytest.mark.parametrize("path", pages())
def test_every_control_of_a_page_is_reached_with_the_tab_key_and_is_seen_to_be(
    shown: Callable[..., Page], path: str
) -> None:
    page = settled(shown(path))
    page.evaluate("document.activeElement.blur()")
    assert page.evaluate(_MARK)
    wanted = set(page.eval_on_selector_all("[data-reach]", "all => all.map((e) => e.dataset.reach)"))
    reached: list[dict[str, Any]] = []
    for _ in range(_MORE_THAN_ANY_PAGE_HAS):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(_FOCUSED))
        met = [one["which"] for one in reached if one["which"] is not None]
        if wanted <= set(met) or _has_gone_round(met):
            break
    missing = wanted - {one["which"] for one in reached}
    there = (
        "all => all.map((e) => [e.dataset.reach, e.outerHTML])"  # still: a list that lives has changed lines meanwhile
    )
    assert not [html for which, html in page.eval_on_selector_all("[data-reach]", there) if which in missing]
    # A field for a date has several parts, each marked in itself.
    seen = {one["which"] for one in reached if one["seen"]}
    assert not [one["what"] for one in reached if one["which"] is not None and one["which"] not in seen]


@pytest.mark.parametrize("path", pages())
@pytest.mark.parametrize(("name", "size"), [("at 200 %", HALF), ("on a tablet", TABLET)])
def test_a_page_is_read_at_200_percent_and_on_a_tablet_without_scrolling_sideways(
    shown: Callable[..., Page], path: str, name: str, size: dict[str, int]
) -> None:
    page = shown(path, viewport=size, has_touch=name == "on a tablet")
    wide, there = page.evaluate("[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]")
    assert wide <= there + 1, f"{wide} of {there} pixels"
