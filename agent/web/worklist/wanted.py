"""What is asked of the worklist, as an address says it and as a form does. A patient is in neither."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlencode

from agent.store.listing import Wanted
from agent.store.listing_rows import STAGES, STANDINGS
from structured_report.content import Priority
from structured_report.vocabulary import vocabulary

PRIORITIES = tuple(str(p) for p in reversed(Priority))
_SWITCHES = ("unreviewed", "trouble", "waiting")
_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")


def wanted_of(values: Mapping[str, str]) -> Wanted:
    """What an address or a form asks for; what means nothing is left out."""

    def one_of(name: str, known: Any) -> str:
        value = values.get(name, "")
        return value if value in known else ""

    scanner = values.get("scanner", "")
    return Wanted(
        standing=one_of("standing", STANDINGS),
        priority=one_of("priority", PRIORITIES),
        finding=one_of("finding", vocabulary()),
        scanner=scanner if len(scanner) <= 16 and scanner.isprintable() else "",
        since=_date(values.get("since", "")),
        until=_date(values.get("until", "")),
        failing=one_of("failing", STAGES),
        unreviewed=values.get("unreviewed") == "1",
        trouble=values.get("trouble") == "1",
        waiting=values.get("waiting") == "1",
    )


def _date(text: str) -> str:
    found = _DATE.fullmatch(text)
    return "".join(found.groups()) if found else ""


def said(wanted: Wanted) -> dict[str, str]:
    """The same as values of an address, without the text that is searched for."""
    values = {name: value for name, value in asdict(replace(wanted, text="")).items() if value}
    return {name: "1" if name in _SWITCHES else str(value) for name, value in values.items()}


def kept(wanted: Wanted) -> dict[str, Any]:
    """The same for a saved view."""
    return {name: value for name, value in asdict(replace(wanted, text="")).items() if value}


def of_kept(values: Mapping[str, Any]) -> Wanted:
    """What a saved view asks for, by what is known today."""
    return wanted_of({name: "1" if value is True else str(value) for name, value in values.items()})


def address(wanted: Wanted, **more: str) -> str:
    """Of the worklist that shows it. `more`: token of a search, where to go on, saved view."""
    query = urlencode(said(wanted) | {name: value for name, value in more.items() if value})
    return f"/?{query}" if query else "/"
