"""A real browser on a site: it reaches nothing beyond loopback, and a script that fails, a policy that is broken or a call to
elsewhere fails the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Route, expect

from tests.support.site import PATIENCE_S

CHROMIUM = "/usr/bin/chromium"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)
DESK = {"width": 1366, "height": 768}
HALF = {"width": 683, "height": 384}  # what is left of DESK at 200 % (WCAG 1.4.10 asks for more: 320 wide)
TABLET = {"width": 820, "height": 1180}
_LOOKS_FOR_MS = (
    PATIENCE_S * 500
)  # half of that: whoever clicks on what is not there, and waits for what does not come, is told of it
expect.set_options(timeout=_LOOKS_FOR_MS)  # else five seconds, in which a loaded machine does not draw a page


def launched(playwright: Playwright) -> Browser:
    """Debian's chromium, without a screen."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))


class Window:
    """One browser of one person: cookies of its own. `complaints`: whatever it said that no page should make it say."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context, self.address = context, address
        self.complaints: list[str] = []
        self._allowed: list[str] = []
        self._host = urlsplit(address).netloc
        context.set_default_timeout(_LOOKS_FOR_MS)
        context.route("**/*", self._only_the_site)
        context.on("console", self._heard)
        context.on("weberror", lambda said: self.complaints.append(f"error: {said.error}"))
        self.page = context.new_page()

    def _only_the_site(self, route: Route) -> None:
        if urlsplit(route.request.url).netloc == self._host:
            route.continue_()
            return
        self.complaints.append(f"asked for {route.request.url}")
        route.abort()

    def _heard(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning") and not any(words in said.text for words in self._allowed):
            self.complaints.append(f"{said.type}: {said.text}")

    def may_say(self, words: str) -> None:
        """What the test makes the browser complain of on purpose."""
        self._allowed.append(words)

    def go(self, path: str) -> Page:
        """Open a page of the site; returns when it is there."""
        answer = self.page.goto(f"{self.address}{path}")
        assert answer is not None
        assert answer.ok, f"{path} was answered {answer.status}"
        return self.page

    def path(self) -> str:
        """Of the page that is shown."""
        return urlsplit(self.page.url).path

    def sign_in(self, name: str, password: str) -> None:
        """With what the sign-in page asks for; whatever page comes is awaited."""
        self.go("/sign-in")
        self.page.fill("input[name=name]", name)
        self.page.fill("input[name=password]", password)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")


@contextmanager
def window(browser: Browser, address: str, **options: object) -> Iterator[Window]:
    """A new browser of nobody until the end of the block. Raises `AssertionError` at its end when it complained of anything."""
    options = {
        "viewport": DESK,
        "locale": "en-GB",
        "timezone_id": "Europe/Vienna",
        "reduced_motion": "reduce",
        **options,
    }
    context = browser.new_context(**options)  # type: ignore[arg-type]
    try:
        made = Window(context, address)
        yield made
    finally:
        context.close()
    assert not made.complaints, made.complaints
