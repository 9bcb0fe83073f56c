"""The corpus of the PyPI package `radlabels`: a thousand synthetic chest reports with labels made by other software.

The package is a development dependency and its text stays where pip put it. It is looked up without being imported,
because importing it would want a torch and a transformers older than this program's.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agent.errors import Permanent

_HOW = "python -m pip install --no-deps --ignore-requires-python radlabels==0.2.0"
# Not about this film: why it was asked for, how it was made, what it was compared with.
_ASIDE = re.compile(
    r"(?im)^[ \t]*(?:clinical\s+|reason for\s+)?(?:indication|history|information|comparisons?|technique|exam|examination|"
    r"study|procedure|reference exam|notification|reason)s?\b[^\n:]{0,20}:.*?(?=\n[ \t]*\n|\n[ \t]*[A-Z][A-Z ,/&()-]{3,60}:|\Z)",
    re.DOTALL,
)


class Half(StrEnum):
    """The corpus is halved by a hash of the report's name; rules were written looking at one half only."""

    SEEN = "seen"
    HELD_OUT = "held-out"


@dataclass(frozen=True, slots=True)
class Labelled:
    """One report of the corpus.

    Attributes:
        text: what the report says of the film, without indication, technique and comparison.
        said: for each label and each alias that fired: ``definitely present``, ``uncertain`` or ``definitely absent``.
    """

    name: str
    half: Half
    text: str
    said: tuple[tuple[str, str, str], ...]


def corpus() -> tuple[Labelled, ...]:
    """All reports, by name.

    Raises:
        Permanent: `radlabels` is not installed; the sentence says how to install it.
    """
    folder = _samples()
    matches: Mapping[str, Mapping[str, list[Mapping[str, str]]]] = json.loads(
        (folder / "synthetic_matches.json").read_text(encoding="utf-8")
    )
    return tuple(
        Labelled(
            path.stem,
            half_of(path.stem),
            _ASIDE.sub("\n\n", path.read_text(encoding="utf-8")),
            tuple((m["disease"], m["alias"], m["label"]) for m in matches[path.stem]["matches"]),
        )
        for path in sorted((folder / "synthetic_reports").glob("*.txt"))
        if path.stem in matches
    )


def half_of(name: str) -> Half:
    """Which half a report is in."""
    return Half.HELD_OUT if hashlib.sha256(name.encode()).digest()[-1] % 2 else Half.SEEN


def _samples() -> Path:
    spec = importlib.util.find_spec("radlabels")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / "samples" / "synthetic_matches.json").is_file():
            return Path(place) / "samples"
    raise Permanent(f"the corpus is not installed; install it with: {_HOW}", code="no-corpus")
