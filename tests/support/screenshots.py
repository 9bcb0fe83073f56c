"""Pictures of the pages for docs/: `pytest tests/browser --write-screenshots` takes them anew."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

FOLDER = Path(__file__).parents[2] / "docs" / "pages"
LARGEST = 150_000  # bytes
_PALETTES = (256, 128, 64, 32)


def keep(page: Page, name: str) -> None:
    """What the window shows, with as many colours as the size allows."""
    page.evaluate("document.activeElement.blur()")
    seen = Image.open(BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    FOLDER.mkdir(exist_ok=True)
    for colours in _PALETTES:
        made = BytesIO()
        seen.quantize(colours, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
        if made.tell() <= LARGEST:
            break
    (FOLDER / f"{name}.png").write_bytes(made.getvalue())
