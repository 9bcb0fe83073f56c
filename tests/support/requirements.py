"""The requirements that tests name: their ids, and what is lost when one does not hold."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "requirements.toml"


def requirements() -> dict[str, dict[str, str]]:
    """By id: what each `says`, and the `loss` when it does not hold."""
    return tomllib.loads(FILE.read_text("utf-8"))


def named_by(item: pytest.Item) -> tuple[str, ...]:
    """The ids that a test names. Raises `pytest.UsageError` for one that there is not."""
    ids = tuple(i for mark in item.iter_markers("requirement") for i in mark.args)
    if unknown := set(ids) - set(requirements()):
        raise pytest.UsageError(f"{item.nodeid} names {', '.join(sorted(unknown))}: not in {FILE.name}")
    return ids


def losses_of(item: pytest.Item) -> str:
    """What a person reads when that test fails; empty when it names no requirement."""
    known = requirements()
    return "\n".join(f"{i}: {known[i]['says']}\n  what is lost: {known[i]['loss']}" for i in named_by(item))
