"""The settings file behind the forms: what an entry says, what a change would do to it, and the change itself."""

from __future__ import annotations

import difflib
import os
import re
import threading
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import Permanent, SettingsError
from agent.settings import InvalidSettings, Mistake
from agent.settings.editing import Change, changed
from agent.settings.load import checked, digest_of
from agent.settings.removing import Removal, removed
from agent.settings.words import ENV_PREFIX
from agent.settings.writing import replace, why_not_writable
from agent.web.pages.said import Trouble
from agent.web.peers.forms import DESTINATIONS, PEERS, Wrong

_SECRET = re.compile(r"://[^/@\s\"']+@")  # a user or a password in a URL
# pydantic's kinds of mistake -> key of the texts (`peers.wrong`).
_KINDS = {
    "missing": "missing", "int_type": "whole", "int_parsing": "whole", "int_from_float": "whole", "int_parsing_size": "whole",
    "float_type": "number", "float_parsing": "number", "finite_number": "number", "greater_than": "above",
    "greater_than_equal": "least", "less_than": "below", "less_than_equal": "most", "string_too_long": "longest",
    "string_too_short": "shortest", "string_pattern_mismatch": "form", "literal_error": "choice",
}  # fmt: skip
_OF_ENTRY = re.compile(r"^\w+\[\d+\](\.[\w.]+)?(?: \([^)]*\))?: ")


@dataclass(frozen=True, slots=True)
class Content:
    """What the file holds at a moment."""

    data: bytes
    digest: str
    values: dict[str, Any]

    def entries(self, table: str) -> list[dict[str, Any]]:
        """Those of a list of tables."""
        rows = self.values.get(table, [])
        return [r for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []

    def entry(self, table: str, name: str) -> dict[str, Any] | None:
        """The one of that name."""
        return next((e for e in self.entries(table) if e.get("name") == name), None)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change and what it does.

    Attributes:
        difference: lines of the unified difference. data: the whole file after it.
        wrong: key of the entry -> why it is not taken; general: what is wrong between several.
    """

    data: bytes
    difference: tuple[str, ...]
    wrong: dict[str, Wrong]
    general: tuple[Trouble, ...]

    @property
    def may_be_made(self) -> bool:
        return not self.wrong and not self.general

    @property
    def changes_something(self) -> bool:
        return bool(self.difference)


class SettingsText:
    """The file at that path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()

    def content(self) -> Content:
        """Raises `Permanent` when it cannot be read."""
        try:
            data = self.path.read_bytes()
            values = tomllib.loads(data.decode("utf-8-sig"))
        except OSError as error:
            raise Permanent(f"{self.path} cannot be read ({error.strerror})", code="settings-unreadable") from error
        except ValueError as error:  # not UTF-8, or not TOML
            raise Permanent(f"{self.path} is no TOML that can be read: {error}", code="settings-syntax") from error
        return Content(data, digest_of(data), values)

    def why_not_writable(self) -> str:
        """In words; empty when it can be written."""
        return why_not_writable(self.path)

    def propose(self, content: Content, change: Change) -> Proposal:
        """What the change would do. Raises `CannotEdit`."""
        before = content.data.decode("utf-8")
        after = changed(before, change)
        data = after.encode("utf-8")
        number = self._number(content, change)
        return Proposal(data, _difference(before, after, self.path.name), *self._mistakes(data, change.table, number))

    def propose_removal(self, content: Content, removal: Removal) -> Proposal:
        """What it would do. Raises `CannotEdit`."""
        before = content.data.decode("utf-8")
        after = removed(before, removal)
        wrong, general = self._mistakes(after.encode("utf-8"), removal.table, -1)
        return Proposal(after.encode("utf-8"), _difference(before, after, self.path.name), wrong, general)

    def write(self, proposal: Proposal, *, expected: str) -> Path:
        """Make it so; returns where the file before is kept. Raises `FileHasChanged` and `NotWritable`."""
        with self._writing:
            return replace(self.path, proposal.data, expected=expected)

    def _number(self, content: Content, change: Change) -> int:
        names = [e.get("name") for e in content.entries(change.table)]
        return names.index(change.was) if change.was in names else len(names)

    def _mistakes(self, data: bytes, table: str, number: int) -> tuple[dict[str, Wrong], tuple[Trouble, ...]]:
        try:
            checked(data, self.path)
        except InvalidSettings as error:
            return _sorted(error.mistakes, table, number)
        except SettingsError as error:
            return {}, (Trouble.of(error),)
        return {}, ()


def overrides() -> list[str]:
    """Environment variables that go before what the file says of peers and destinations, by name."""
    wanted = tuple(f"{ENV_PREFIX}{table}".upper() for table in (PEERS, DESTINATIONS))
    return sorted(v for v in os.environ if v.upper().startswith(wanted))


def redacted(text: str) -> str:
    """Without what may be a password."""
    return _SECRET.sub("://...@", text)


def _difference(before: str, after: str, name: str) -> tuple[str, ...]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, f"{name} (new)", lineterm="")
    return tuple(redacted(line) for line in lines)


def _sorted(mistakes: Sequence[Mistake], table: str, number: int) -> tuple[dict[str, Wrong], tuple[Trouble, ...]]:
    wrong: dict[str, Wrong] = {}
    general: list[Trouble] = []
    for mistake in mistakes:
        words = _OF_ENTRY.sub("", mistake.words, count=1)
        key = ".".join(str(p) for p in mistake.place[2:])
        if mistake.place[:2] == (table, number) and key:
            wrong.setdefault(key, Wrong(words, _KINDS.get(mistake.kind, ""), mistake.limit))
        else:
            general.append(Trouble("", words if mistake.place[:2] == (table, number) else mistake.words))
    return wrong, tuple(general)
