"""Marked blocks in a Markdown text: what stands between ``<!-- begin: NAME -->`` and ``<!-- end: NAME -->`` is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

Makers = Mapping[str, Callable[[], str]]
_BLOCK = re.compile(r"<!-- begin: (?P<name>[\w-]+) -->\n(?P<body>.*?)<!-- end: (?P=name) -->", re.DOTALL)
_MARK = re.compile(r"<!-- (begin|end): ")


class MissingRow(LookupError):
    """The program has something that a table does not explain. The message names it, and where its words belong."""


class UnknownBlock(LookupError):
    """A paper has a block that nothing makes, or marks that do not belong together."""


def names_in(text: str) -> list[str]:
    """The blocks of a text, in their order. Raises `UnknownBlock` for a mark without its other half."""
    names = [found["name"] for found in _BLOCK.finditer(text)]
    if len(_MARK.findall(text)) != 2 * len(names):
        raise UnknownBlock("a block is begun and not ended, or ended and not begun")
    return names


def filled(text: str, makers: Makers) -> str:
    """The text with every block made anew. Raises `UnknownBlock` and whatever a maker raises."""
    if unknown := [name for name in names_in(text) if name not in makers]:
        raise UnknownBlock(f"nothing makes the block {', '.join(unknown)}")
    return _BLOCK.sub(lambda b: f"<!-- begin: {b['name']} -->\n{makers[b['name']]()}\n<!-- end: {b['name']} -->", text)


def outdated(text: str, makers: Makers) -> list[str]:
    """The names of the blocks that are not what would be made now."""
    bodies = {b["name"]: b["body"] for b in _BLOCK.finditer(text)}
    names_in(filled(text, makers))
    return [name for name, body in bodies.items() if body != f"{makers[name]()}\n"]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table. A bar inside a cell is escaped; a line end becomes a blank."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(_cell(c) for c in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
