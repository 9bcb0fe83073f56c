"""How long a person waits for the first picture of a study: from the click to the picture decoded and painted, in chromium."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")
AIM_MS = 300.0
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_PAINTED = """
async () => {
  const frame = () => new Promise((go) => requestAnimationFrame(go));
  const shown = () => document.querySelector(".film canvas[data-drawn]") || document.querySelector(".film img")?.naturalWidth;
  while (!shown()) await frame();
  await frame();
  await new Promise((go) => setTimeout(go));
  return performance.now();
}
"""


def first_pictures(address: str, cookies: dict[str, str], paths: Sequence[str]) -> list[float]:
    """Milliseconds for each but the first, which only makes the browser know the scripts: nobody has opened one of them before.
    Empty without chromium or without playwright, which belongs to the tests and not to the program."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    if not CHROMIUM.exists():
        return []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(_ARGUMENTS))
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        kept: Any = [{"name": name, "value": value, "url": address} for name, value in cookies.items()]
        context.add_cookies(kept)
        page = context.new_page()
        took = []
        for path in paths:
            page.goto(f"{address}{path}", wait_until="commit")
            took.append(float(page.evaluate(_PAINTED)))
        browser.close()
    return took[1:]
