"""Which tests run in one process: those of a group, so that what they share (a site, an archive, a model) is made once.

pytest-xdist 3.8 puts the group of a test into its node id, and pytest 9.2 does not let it: the mark is then passed over in
silence (pytest-dev/pytest-xdist issue 1386). Here a module says its group in its `pytestmark`, and who distributes reads it there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_GROUP = re.compile(r"""xdist_group\(["']([^"']+)["']\)""")


def group_of(file: Path) -> str | None:
    """The group that a module of tests names; None for one whose tests may run anywhere."""
    named = set(_GROUP.findall(file.read_text("utf-8"))) if file.suffix == ".py" else set()
    return min(named) if len(named) == 1 else None


def check_groups(items: Iterable[pytest.Item]) -> None:
    """Raises `pytest.UsageError` for a test whose group could not be read in its module: it would be passed over."""
    known: dict[Path, str | None] = {}
    for item in items:
        if item.path not in known:
            known[item.path] = group_of(item.path)
        for mark in item.iter_markers("xdist_group"):
            if mark.args != (known[item.path],):
                raise pytest.UsageError(f'{item.path} has one group: pytestmark = pytest.mark.xdist_group("name")')


class GroupScheduling(LoadScopeScheduling):
    """A group goes to one process as a whole; every other test goes to whichever is free. Groups come first."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        self._groups: dict[str, str | None] = {}

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        if module not in self._groups:
            self._groups[module] = group_of(self.config.rootpath / module)
        group = self._groups[module]
        return nodeid if group is None else f"group {group}"
