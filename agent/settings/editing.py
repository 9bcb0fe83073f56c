"""Changing one entry of the settings file as a careful person would: every comment and every other value stays as it is.

What comes out is compared with what was meant before it is given back; a file that cannot be changed so is not changed.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import tomlkit
from tomlkit.container import Container
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array, InlineTable, Item, Table, Whitespace

from agent.errors import Permanent
from agent.settings.toml_text import comments

_BOM = "\ufeff"


class CannotEdit(Permanent):
    """The file is written in a way that this program cannot change without losing something of it."""

    def __init__(self, words: str) -> None:
        super().__init__(f"{words}; change it in an editor", code="settings-not-editable")


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a list of tables, new or other than it was.

    Attributes:
        table: ``peers`` or ``destinations``.
        was: the name of the entry that is changed; empty: it is a new one.
        values: what is to stand in it, as TOML has it; None: the key is not to be there. Keys that are not named stay.
        defaults: what a key means that is not there: such a value is not written where nothing was.
    """

    table: str
    was: str
    values: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)


def changed(text: str, change: Change) -> str:
    """The text of the file after the change.

    Raises:
        CannotEdit: there is no such entry, or the change cannot be made without losing something.
    """
    return as_it_was_written(text, lambda plain: _changed(plain, change))


def as_it_was_written(text: str, edit: Callable[[str], str]) -> str:
    """The text after the edit, which sees every line end with one character, and no mark before the first."""
    mark, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    windows = "\r\n" in text
    plain = text.replace("\r\n", "\n") if windows else text
    made = edit(plain if plain.endswith("\n") or not plain else f"{plain}\n")
    return mark + (made.replace("\n", "\r\n") if windows else made)


def _changed(text: str, change: Change) -> str:
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise CannotEdit(f"the file cannot be read ({error})") from error
    if document.as_string() != text:
        raise CannotEdit("the file is written in a way that this program would not keep")
    before = document.unwrap()
    try:
        if change.was:
            _change(_entry(document, change), change)
        elif not _append(document, change):
            block = tomlkit.document()
            rows = tomlkit.aot()
            rows.append(_table(change))
            block.append(change.table, rows)
            document = tomlkit.parse(f"{text}{chr(10) if text.strip() else ''}{block.as_string()}")
        made = _with_comments(document, text, change)
        _must_be(made, _meant(before, change), text)
    except (TOMLKitError, tomllib.TOMLDecodeError, KeyError, ValueError, AttributeError) as error:
        raise CannotEdit(f"the change cannot be written there ({type(error).__name__})") from error
    return made


def _entry(document: tomlkit.TOMLDocument, change: Change) -> Table | InlineTable:
    for entry in document.get(change.table, ()):
        if entry.get("name") == change.was:
            found: Table | InlineTable = entry
            return found
    raise CannotEdit(f'there is no [[{change.table}]] entry "{change.was}" in the file')


def _change(entry: Table | InlineTable, change: Change) -> None:
    for key, value in change.values.items():
        there = key in entry
        if value is None:
            if there:
                entry.remove(key)
        elif there and _same(_plain(entry[key]), value):
            continue
        elif there and isinstance(value, Mapping) and isinstance(entry[key], Table | InlineTable):
            _change(entry[key], Change("", key, dict.fromkeys(entry[key]) | dict(value)))
        elif there or not _same(change.defaults.get(key), value):
            entry[key] = _item(value)


def _append(document: tomlkit.TOMLDocument, change: Change) -> bool:
    """Behind the last entry of its kind, before what belongs to the next section; False when there is none yet."""
    rows = document.get(change.table)
    if isinstance(rows, Array):
        row = tomlkit.inline_table()
        row.update(_said(change))
        rows.append(row)
        return True
    if not isinstance(rows, AoT) or not len(rows):
        return False
    table = _table(change)
    table.trivia.indent = "\n"
    tail = _tail(rows[-1].value)
    rows.append(table)
    table.value.body.extend(tail)
    return True


def _tail(container: Container) -> list[Any]:
    """Taken out of the container: what follows its last key after an empty line, which is about something else."""
    body = container.body
    last = max((n for n, (key, _) in enumerate(body) if key is not None), default=-1)
    if last >= 0 and isinstance(body[last][1], Table):
        return _tail(body[last][1].value)
    first = next((n for n in range(last + 1, len(body)) if _is_empty_line(body[n][1])), len(body))
    tail = body[first:]
    del body[first:]
    return tail


def _is_empty_line(item: Item) -> bool:
    return isinstance(item, Whitespace) and "\n" in item.as_string()


def _table(change: Change) -> Table:
    table = tomlkit.table()
    for key, value in _said(change).items():
        table.add(key, _item(value))
    return table


def _said(change: Change) -> dict[str, Any]:
    """What a new entry says: nothing that goes without saying."""
    return {
        k: v for k, v in change.values.items() if v is not None and not _same(change.defaults.get(k, _NOTHING), v)
    }  # fmt: skip


_NOTHING = object()


def _item(value: Any) -> Item:
    if isinstance(value, Mapping):
        row = tomlkit.inline_table()
        row.update({k: v for k, v in value.items() if v is not None})
        return row
    made: Item = tomlkit.item(value)
    return made


def _plain(item: Any) -> Any:
    return item.unwrap() if hasattr(item, "unwrap") else item


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return Counter(map(str, one)) == Counter(map(str, other))
    return bool(one == other)


def _with_comments(document: tomlkit.TOMLDocument, before: str, change: Change) -> str:
    """The text; comments that stood inside of a value that is another now follow the entry."""
    made = document.as_string()
    lost = Counter(comments(before)) - Counter(comments(made))
    if not lost:
        return made
    entry = _entry(document, change)
    if not isinstance(entry, Table):
        raise CannotEdit("a comment inside of the value would be lost")
    tail = _tail(entry.value)
    for comment in lost.elements():
        entry.add(tomlkit.comment(comment.removeprefix("#").strip()))
    entry.value.body.extend(tail)
    return document.as_string()


def _meant(before: dict[str, Any], change: Change) -> dict[str, Any]:
    """What the file is to say after the change."""
    rows = [dict(row) for row in before.get(change.table, [])]
    if change.was:
        row = next(row for row in rows if row.get("name") == change.was)
        for key, value in change.values.items():
            if value is None:
                row.pop(key, None)
            elif key in row or not _same(change.defaults.get(key), value):
                row[key] = {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value
    else:
        rows.append(_said(change))
    return before | {change.table: rows}


def _must_be(made: str, meant: dict[str, Any], before: str) -> None:
    if not _equal(tomllib.loads(made), meant):
        raise CannotEdit("the change would not say what was meant")
    # A comment that had to move has one blank before it and none behind it, whatever it had.
    if Counter(_trimmed(comments(before))) - Counter(_trimmed(comments(made))):
        raise CannotEdit("a comment would be lost")


def _trimmed(found: Iterator[str]) -> list[str]:
    return [f"#{c.removeprefix('#').strip()}" for c in found]


def _equal(one: Any, other: Any) -> bool:
    """The same values, the order of a list of words apart."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list) and any(isinstance(v, dict) for v in one):
        return len(one) == len(other) and all(_equal(a, b) for a, b in zip(one, other, strict=True))
    return _same(one, other)
