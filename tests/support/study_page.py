"""What a test does on the page of a study, and what it sees there."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

LIT = (255, 210, 74)  # the colour of a box that is lit
_PIXELS = """
const pixels = (canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", {willReadFrequently: true});
  copy.drawImage(canvas, 0, 0);
  return copy.getImageData(0, 0, canvas.width, canvas.height).data;
};
"""
_COUNT = f"""
(canvas, [red, green, blue]) => {{
  {_PIXELS}
  const data = pixels(canvas);
  let found = 0;
  for (let n = 0; n < data.length; n += 4) if (data[n] === red && data[n + 1] === green && data[n + 2] === blue) found += 1;
  return found;
}}
"""
_MEAN = f"""
(canvas) => {{
  {_PIXELS}
  const data = pixels(canvas);
  let sum = 0;
  for (let n = 0; n < data.length; n += 4) sum += data[n];
  return sum / (data.length / 4);
}}
"""


class StudyPage:
    """The page, with the frontal film at full depth."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.canvas: Locator = page.locator(".film canvas").first
        expect(self.canvas).to_have_attribute("data-drawn", "full")

    def brightness(self) -> float:
        """Mean gray of the frontal film as it is drawn, 0 to 255."""
        self._drawn()
        return float(self.canvas.evaluate(_MEAN))

    def lit(self) -> int:
        """Pixels of the frontal film that have the colour of a box that is lit."""
        self._drawn()
        return int(self.canvas.evaluate(_COUNT, list(LIT)))

    def drag(self, right: int, down: int) -> None:
        """With the left button, from the middle of the frontal film."""
        box = self.canvas.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + right, y + down, steps=4)
        self.page.mouse.up()

    def sentence(self, words: str) -> Locator:
        """The first sentence of the draft that holds these words and is about a finding."""
        return self.page.locator(".passage.findings a.sentence, .passage a.sentence").filter(has_text=words).first

    def _drawn(self) -> None:
        """What was asked to be drawn is drawn before the next picture of the screen."""
        self.page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
