"""Taking one entry out of the settings file as a careful person would: what stands beside it stays as it is.

What comes out is compared with what was meant before it is given back; a file that cannot be changed so is not changed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agent.settings.editing import CannotEdit, as_it_was_written
from agent.settings.toml_text import statements

_LINE = re.compile(r"[^\n]*\n?")


@dataclass(frozen=True, slots=True)
class Removal:
    """One entry of a list of tables, to be taken out. `table`: ``peers`` or ``destinations``."""

    table: str
    name: str


def removed(text: str, removal: Removal) -> str:
    """The text of the file without the entry, and without the comments inside of it and directly above it.

    A comment above the first of several entries stays: it may be about all of them.

    Raises:
        CannotEdit: there is no such entry, or it cannot be taken out without losing something.
    """
    return as_it_was_written(text, lambda plain: _removed(plain, removal))


def _removed(text: str, removal: Removal) -> str:
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CannotEdit(f"the file cannot be read ({error})") from error
    rows = before.get(removal.table, [])
    names = [row.get("name") for row in rows]
    if removal.name not in names:
        raise CannotEdit(f'there is no [[{removal.table}]] entry "{removal.name}" in the file')
    number = names.index(removal.name)
    blocks = list(_blocks(text, removal.table))
    if len(blocks) != len(rows):
        raise CannotEdit(f"the entries of {removal.table} are not written as [[{removal.table}]]")
    start, end = blocks[number]
    if number > 0 or len(rows) == 1:
        start = _with_comments_above(text, start)
    made = _joined(text[:start], text[end:])
    rest = [row for n, row in enumerate(rows) if n != number]
    meant = before | {removal.table: rest} if rest else {k: v for k, v in before.items() if k != removal.table}
    if _read(made) != meant:
        raise CannotEdit("the change would not say what was meant")
    return made


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _blocks(text: str, table: str) -> Iterator[tuple[int, int]]:
    """Where each entry begins and ends: from its heading to the end of the last thing that is said in it."""
    found: list[list[int]] = []
    inside = False
    for start, end in statements(text):
        said = text[start:end]
        if said.startswith("["):
            heading = tomllib.loads(said)
            own = heading.get(table)
            if isinstance(own, list):
                found.append([text.rfind("\n", 0, start) + 1, end])
            inside = own is not None and bool(found)
        if inside:
            found[-1][1] = _end_of_line(text, end)
    return ((start, end) for start, end in found)


def _end_of_line(text: str, place: int) -> int:
    """The end of the line, and of the lines of comments that follow it without an empty one between."""
    end = text.find("\n", place)
    end = len(text) if end < 0 else end + 1
    while (line := _line(text, end)).strip().startswith("#"):
        end += len(line)
    return end


def _with_comments_above(text: str, start: int) -> int:
    lines: Sequence[str] = text[:start].splitlines(keepends=True)
    for line in reversed(lines):
        if not line.strip().startswith("#"):
            break
        start -= len(line)
    return start


def _line(text: str, start: int) -> str:
    found = _LINE.match(text, start)
    return "" if found is None else found.group()


def _joined(before: str, after: str) -> str:
    """No two empty lines where one was, and none at the end."""
    if not after.strip():
        return before.rstrip("\n") + "\n" + after.strip("\n") if before.strip() else after.lstrip("\n")
    if before.endswith("\n\n") or not before:
        after = after.removeprefix("\n")
    return before + after
