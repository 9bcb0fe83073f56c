"""The finding vocabulary: what can be named, how it is coded, and the words that name it. The data stand in
`vocabulary.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from structured_report.content import Code


@dataclass(frozen=True, slots=True)
class Concept:
    """One finding. `words` are lower case; `site` is where it is by default, if that is not part of the finding."""

    key: str
    code: Code
    site: Code | None
    sided: bool
    abnormal: bool
    words: tuple[str, ...]


class VocabularyError(ValueError):
    """`vocabulary.toml` cannot be used; the message names the finding and what is wrong with it."""


@cache
def vocabulary() -> Mapping[str, Concept]:
    """The vocabulary of this program, by key. Raises `VocabularyError`."""
    return parse_vocabulary(
        resources.files("structured_report").joinpath("vocabulary.toml").read_text(encoding="utf-8")
    )


def parse_vocabulary(text: str) -> Mapping[str, Concept]:
    """The vocabulary that a TOML text describes. Raises `VocabularyError`."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise VocabularyError(f"vocabulary.toml: {error}") from error
    concepts = {key: _concept(key, table) for key, table in tables.items()}
    owner: dict[str, str] = {}
    for concept in concepts.values():
        for word in concept.words:
            if owner.setdefault(word, concept.key) != concept.key:
                raise VocabularyError(f"[{concept.key}]: the words {word!r} already name {owner[word]}")
    return concepts


def _concept(key: str, table: Any) -> Concept:
    if not isinstance(table, dict) or set(table) - {"site"} != {"code", "sided", "abnormal", "words"}:
        raise VocabularyError(f"[{key}]: needs code, sided, abnormal and words, may have site, and nothing else")
    words = table["words"]
    if (
        not isinstance(words, list)
        or not words
        or any(not isinstance(w, str) or w != w.lower().strip() or not w for w in words)
    ):
        raise VocabularyError(f"[{key}]: words must be a list of lower case texts")
    if not isinstance(table["sided"], bool) or not isinstance(table["abnormal"], bool):
        raise VocabularyError(f"[{key}]: sided and abnormal must be true or false")
    site = _code(key, table["site"]) if "site" in table else None
    if table["sided"] and site is None:
        raise VocabularyError(f"[{key}]: a finding with a side needs a site: a report writes the side with it")
    return Concept(key, _code(key, table["code"]), site, table["sided"], table["abnormal"], tuple(words))


def _code(key: str, value: Any) -> Code:
    if not isinstance(value, list) or len(value) != 3 or any(not isinstance(v, str) or not v for v in value):
        raise VocabularyError(f"[{key}]: a code is [value, scheme, meaning]")
    if len(value[0]) > 16 or len(value[1]) > 16 or len(value[2]) > 64:
        raise VocabularyError(
            f"[{key}]: a code value and a scheme have at most 16 characters, a meaning 64 (PS3.3 8.1, 8.2, 8.3)"
        )
    return Code(*value)
