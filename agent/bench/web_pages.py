"""What is asked of a site: the pages that people keep open, and what they look for in them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import unescape

from agent.bench.filled import Filled
from agent.bench.many_studies import MadeStudy
from agent.bench.visitor import Visitor

Question = tuple[str, Mapping[str, str] | None]
"""A path, and the form that is sent there; None for a page that is got."""
_MORE = re.compile(r'id="more" href="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks what site, and what decides between one study and another."""

    site: Filled
    visitor: Visitor
    choice: random.Random

    def study(self) -> MadeStudy:
        """Any that has been read."""
        return self.site.study(self.choice.randrange(self.site.count - 2))


@dataclass(frozen=True, slots=True)
class Page:
    """`is_weighed`: whether it differs from the others in what a browser loads for it."""

    name: str
    of: Callable[[Asking], Question]
    is_weighed: bool = False


def _search(text: Callable[[MadeStudy], str]) -> Callable[[Asking], Question]:
    return lambda asking: ("/worklist/search", {"text": text(asking.study())})


def _further(asking: Asking) -> Question:
    """Where the first page leads on to; a list that ends on it has no second, and the first is asked for again."""
    path = "/?all=1"
    found = _MORE.search(asking.visitor.ask(path)[1])
    return (unescape(found.group(1)) if found else path), None


def _of_a_day(asking: Asking) -> Question:
    day = f"{asking.study().at:%Y-%m-%d}"
    return f"/?all=1&since={day}&until={day}", None


PAGES = (
    Page("worklist", lambda _: ("/?all=1", None), is_weighed=True),
    Page("worklist, second page", _further),
    Page("worklist, what waits", lambda _: ("/?waiting=1", None)),
    Page("worklist, one finding", lambda _: ("/?all=1&finding=pneumothorax", None)),
    Page("worklist, critical, not reviewed", lambda _: ("/?waiting=1&unreviewed=1&priority=critical", None)),
    Page("worklist, in trouble", lambda _: ("/?trouble=1", None)),
    Page("worklist, of a day", _of_a_day),
    Page("search, accession number", _search(lambda one: one.accession_number)),
    Page("search, Patient ID", _search(lambda one: one.patient_id)),
    Page("search, beginning of a name", _search(lambda one: one.patient_name[:5])),
    Page("study", lambda asking: (f"/studies/{asking.study().study_instance_uid}", None), is_weighed=True),
    Page("ledger", lambda _: ("/ledger", None), is_weighed=True),
    Page("ledger, what is not delivered", lambda _: ("/ledger?to=to-pacs", None)),
    Page("ledger, one study", lambda asking: (f"/ledger/{asking.study().study_instance_uid}", None), is_weighed=True),
    Page("ledger, accession number", lambda asking: ("/ledger/find", {"text": asking.study().accession_number})),
    Page("numbers", lambda _: ("/numbers", None), is_weighed=True),
    Page("system", lambda _: ("/system", None), is_weighed=True),
)
