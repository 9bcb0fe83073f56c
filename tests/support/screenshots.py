"""Pictures of the pages for docs/: `pytest tests/browser --write-screenshots` takes them anew."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

FOLDER = Path(__file__).parents[2] / "docs" / "pages"
LARGEST = 150_000  # bytes
_PALETTES = (256, 128, 64, 32)


_ELSEWHERE = """
([here, there]) => {
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) words.currentNode.data = words.currentNode.data.replaceAll(here, there);
}
"""


def keep(page: Page, name: str, folder: Path) -> None:
    """What the window shows, with as many colours as the size allows. The folder of the test is called as that of a site would be."""
    page.evaluate("document.activeElement.blur()")
    page.evaluate(_ELSEWHERE, [str(folder), "/srv/preread"])
    seen = Image.open(BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    FOLDER.mkdir(exist_ok=True)
    for colours in _PALETTES:
        made = BytesIO()
        seen.quantize(colours, kmeans=3, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
        if made.tell() <= LARGEST:
            break
    (FOLDER / f"{name}.png").write_bytes(made.getvalue())
