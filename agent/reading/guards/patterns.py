"""Regular expressions that can be read: a blank is any white space, and word lists are lists."""

from __future__ import annotations

import re


def any_of(words: str) -> str:
    """A group of alternatives, from a text with blanks between them; `_` stands for a blank in one of them."""
    return f"(?:{'|'.join(words.split())})".replace("_", r"\s+")


def phrase(pattern: str) -> re.Pattern[str]:
    """The pattern, whatever the case of its letters, with any white space for each blank."""
    return re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE)
