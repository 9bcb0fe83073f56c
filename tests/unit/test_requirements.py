"""A requirement that no test holds is a promise nobody keeps."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.requirements import requirements

PEERS = Path(__file__).parents[1] / "peers"


def _named_in(file: Path) -> set[str]:
    calls = (n for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.Call))
    marks = (c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "requirement")
    return {a.value for c in marks for a in c.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}


@pytest.mark.parametrize("requirement", requirements())
def test_every_requirement_is_held_by_a_test_against_a_program_of_somebody_else(requirement: str) -> None:
    assert any(requirement in _named_in(file) for file in sorted(PEERS.glob("test_*.py")))


@pytest.mark.parametrize("requirement", requirements())
def test_every_requirement_names_what_is_lost(requirement: str) -> None:
    assert set(requirements()[requirement]) == {"says", "loss"}
    assert all(len(text) > 20 for text in requirements()[requirement].values())


def test_a_test_that_fails_says_what_is_lost_and_a_requirement_that_is_not_there_is_refused(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest("from tests.conftest import pytest_collection_modifyitems, pytest_runtest_makereport")
    pytester.makeini("[pytest]\nmarkers = requirement")
    pytester.makepyfile('import pytest\n\n\n@pytest.mark.requirement("LINE-1")\ndef test_it():\n    assert False\n')
    pytester.runpytest_inprocess("-p", "no:randomly").stdout.fnmatch_lines(["*what is lost: A film is sent,*"])
    pytester.makepyfile('import pytest\n\n\n@pytest.mark.requirement("NONE-1")\ndef test_it():\n    pass\n')
    done = pytester.runpytest_inprocess()
    assert "names NONE-1" in "".join(done.errlines + done.outlines)
