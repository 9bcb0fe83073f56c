"""An entry that is taken out of the settings file takes nothing with it that is about something else."""

from __future__ import annotations

import difflib
import tomllib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.settings.editing import CannotEdit
from agent.settings.removing import Removal, removed
from agent.settings.toml_text import comments
from tests.unit.test_settings_editing import files, without

TWO = """# How we do it here.
[node]
ae_title = "X"

# Who may talk to us.
[[peers]]
name = "pacs"  # the main one
ae_title = "PACS"
may = [
  "send", # [[peers]]
]
# asked in June

# The modality in room 3.
[[peers]]
name = "dx"
words = \"\"\"
[[peers]]
name = "none"
\"\"\"
[peers.tls]
ca_file = "a"

# What is sent where.
[delivery]
timeout_s = 3
"""


@settings(max_examples=150, deadline=None)
@given(files(), st.data())
def test_any_file_keeps_every_other_value_and_what_stands_apart_from_the_entry(
    file: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, names = file
    if not names:
        with pytest.raises(CannotEdit):
            removed(text, Removal("peers", "dx"))
        return
    name = data.draw(st.sampled_from(names))
    after = removed(text, Removal("peers", name))
    left = without(tomllib.loads(text), name)
    assert tomllib.loads(after) == (left if left["peers"] else {k: v for k, v in left.items() if k != "peers"})
    before_lines, after_lines = text.splitlines(), after.splitlines()
    changes = [line for line in difflib.ndiff(before_lines, after_lines) if line[0] in "+-"]
    assert not [line for line in changes if line[0] == "+"], "nothing is written that was not there"
    first, last = _stretch(before_lines, name)
    for part in (_until_empty(before_lines[:first]), before_lines[last + 1 + _apart(before_lines[last + 1 :]) :]):
        kept = Counter(comments("\n".join(after_lines)))
        assert not Counter(line.strip() for line in part if line.strip().startswith("#")) - kept


def _stretch(lines: list[str], name: str) -> tuple[int, int]:
    """The line of the entry's heading, and the last one that says something of it."""
    headings = [n for n, line in enumerate(lines) if line.strip().startswith("[") and not line.strip().startswith("[ ")]
    mine = next(n for n, line in enumerate(lines) if line.strip().startswith(f'name = "{name}"'))
    first = max(n for n in headings if n < mine)
    after = min([n for n in headings if n > mine], default=len(lines))
    said = [n for n in range(first, after) if lines[n].strip() and not lines[n].strip().startswith("#")]
    return first, max(said)


def _until_empty(above: list[str]) -> list[str]:
    """Without the comments that touch the heading."""
    while above and above[-1].strip().startswith("#"):
        above = above[:-1]
    return above


def _apart(below: list[str]) -> int:
    return next((n for n, line in enumerate(below) if not line.strip().startswith("#")), len(below))


def test_the_first_of_two_leaves_what_is_said_of_all() -> None:
    assert removed(TWO, Removal("peers", "pacs")) == TWO.replace(
        TWO[TWO.index("[[peers]]") : TWO.index("\n# The mod")], ""
    )


def test_the_second_of_two_goes_with_its_own_table_and_the_words_above_it() -> None:
    assert removed(TWO, Removal("peers", "dx")) == TWO.replace(TWO[TWO.index("# The mod") : TWO.index("# What is")], "")


def test_a_file_of_one_entry_says_nothing_of_its_kind_afterwards() -> None:
    once = removed(removed(TWO, Removal("peers", "pacs")), Removal("peers", "dx"))
    assert "peers" not in tomllib.loads(once)
    assert "# What is sent where." in once
    assert "# How we do it here." in once


@pytest.mark.parametrize(
    "text", ['peers = [{ name = "dx" }, { name = "pacs" }]\n', "[[peers]]\nname = 'other'\n", "", "[[peers\n"]
)
def test_what_cannot_be_taken_out_without_loss_is_refused(text: str) -> None:
    with pytest.raises(CannotEdit, match="change it in an editor"):
        removed(text, Removal("peers", "dx"))


def test_windows_line_ends_and_the_mark_before_the_first_line_stay() -> None:
    after = removed("\ufeff" + TWO.replace("\n", "\r\n"), Removal("peers", "dx"))
    assert after.startswith("\ufeff# How")
    assert "\n" not in after.replace("\r\n", "")
