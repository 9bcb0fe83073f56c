"""What a page says in its own language, and what of it is in another that is not marked as such."""

from __future__ import annotations

import re
from html.parser import HTMLParser

# English words that no German sentence has.
ENGLISH = re.compile(
    r"(?<![\w/-])(the|is|are|were|and|not|cannot|with|has|have|had|that|which|there|this|been|"
    r"must|may|of|to|see|its|nobody|held|by hand)(?![\w/-])",
    re.IGNORECASE,
)
_OF_THE_SITE = {"Shortness of breath."}  # what the order says is nobody's to translate
_VOID = {"meta", "link", "input", "img", "br", "hr"}
_NOT_READ = {"q", "code", "pre", "script", "style"}


class Unmarked(HTMLParser):
    """What a page says in its own language: without quotes, and without what is marked as of another."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self.language, self.said = language, list[str]()
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        other = dict(attributes).get("lang", self.language) != self.language
        self._open.append(other or tag in _NOT_READ or (bool(self._open) and self._open[-1]))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and not (self._open and self._open[-1]):
            self.said.append(" ".join(data.split()))


def english_in(page: str) -> list[str]:
    """Texts of a German page that are English and not marked as such."""
    assert '<html lang="de"' in page
    parser = Unmarked("de")
    parser.feed(page)
    assert len(parser.said) > 5
    return [said for said in parser.said if ENGLISH.search(said) and said not in _OF_THE_SITE]
