"""The finding vocabulary: what can be named, how it is coded, and the words that name it. The data stand in
`vocabulary.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from structured_report.content import Code, Severity

_NOT_CONCEPTS = ("severity", "place", "not_findings")


@dataclass(frozen=True, slots=True)
class Concept:
    """One finding. `words` are lower case; `site` is where it is by default, if that is not part of the finding.

    `denied_by` are words that name something normal and so deny the finding. In both, `...` stands for a few words
    of no weight of their own: "heart ... enlarged" is also "heart size is mildly enlarged".
    """

    key: str
    code: Code
    site: Code | None
    sided: bool
    abnormal: bool
    words: tuple[str, ...]
    denied_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Modifier:
    """A degree or a place that a draft can give a finding: its code and the words for it."""

    key: str
    code: Code
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything `vocabulary.toml` says.

    Attributes:
        concepts: the findings, by key.
        severities: the degrees, by key; the keys are those of `Severity`.
        places: the places, by key.
        not_findings: words that contain the name of a finding and mean something else.
    """

    concepts: Mapping[str, Concept]
    severities: Mapping[str, Modifier]
    places: Mapping[str, Modifier]
    not_findings: tuple[str, ...]


class VocabularyError(ValueError):
    """`vocabulary.toml` cannot be used; the message names the table and what is wrong with it."""


@cache
def whole_vocabulary() -> Vocabulary:
    """Everything that is in the file of this program. Raises `VocabularyError`."""
    return parse_whole_vocabulary(
        resources.files("structured_report").joinpath("vocabulary.toml").read_text(encoding="utf-8")
    )


def vocabulary() -> Mapping[str, Concept]:
    """The findings of this program, by key. Raises `VocabularyError`."""
    return whole_vocabulary().concepts


def parse_vocabulary(text: str) -> Mapping[str, Concept]:
    """The findings that a TOML text describes. Raises `VocabularyError`."""
    return parse_whole_vocabulary(text).concepts


def parse_whole_vocabulary(text: str) -> Vocabulary:
    """The findings, degrees and places that a TOML text describes. Raises `VocabularyError`."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise VocabularyError(f"vocabulary.toml: {error}") from error
    concepts = {key: _concept(key, table) for key, table in tables.items() if key not in _NOT_CONCEPTS}
    severities = _modifiers("severity", tables.get("severity", {}))
    if unknown := set(severities) - {str(s) for s in Severity}:
        raise VocabularyError(f"[severity]: {', '.join(sorted(unknown))} is not one of {', '.join(Severity)}")
    places = _modifiers("place", tables.get("place", {}))
    _no_word_twice({concept.key: concept.words for concept in concepts.values()})
    _no_word_twice({modifier.key: modifier.words for modifier in (*severities.values(), *places.values())})
    others = _table("not_findings", tables.get("not_findings", {})).get("words", [])
    return Vocabulary(concepts, severities, places, _words("not_findings", others))


def _table(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise VocabularyError(f"[{name}]: must be a table")
    return value


def _no_word_twice(words: Mapping[str, tuple[str, ...]]) -> None:
    owner: dict[str, str] = {}
    for key, names in words.items():
        for name in names:
            if owner.setdefault(name, key) != key:
                raise VocabularyError(f"[{key}]: the words {name!r} already name {owner[name]}")


def _concept(key: str, table: Any) -> Concept:
    if not isinstance(table, dict) or set(table) - {"site", "denied_by"} != {"code", "sided", "abnormal", "words"}:
        raise VocabularyError(
            f"[{key}]: needs code, sided, abnormal and words, may have site and denied_by, and nothing else"
        )
    if not isinstance(table["sided"], bool) or not isinstance(table["abnormal"], bool):
        raise VocabularyError(f"[{key}]: sided and abnormal must be true or false")
    words = _words(key, table["words"])
    if not words:
        raise VocabularyError(f"[{key}]: needs at least one name in words")
    site = _code(key, table["site"]) if "site" in table else None
    if table["sided"] and site is None:
        raise VocabularyError(f"[{key}]: a finding with a side needs a site: a report writes the side with it")
    denied_by = _words(key, table.get("denied_by", []))
    return Concept(key, _code(key, table["code"]), site, table["sided"], table["abnormal"], words, denied_by)


def _modifiers(kind: str, tables: Any) -> Mapping[str, Modifier]:
    modifiers = {}
    for key, table in _table(kind, tables).items():
        name = f"{kind}.{key}"
        if not isinstance(table, dict) or set(table) != {"code", "words"}:
            raise VocabularyError(f"[{name}]: needs code and words, and nothing else")
        modifiers[key] = Modifier(key, _code(name, table["code"]), _words(name, table["words"]))
    return modifiers


def _words(key: str, words: Any) -> tuple[str, ...]:
    if not isinstance(words, list) or any(not isinstance(w, str) or w != w.lower().strip() or not w for w in words):
        raise VocabularyError(f"[{key}]: words must be a list of lower case texts")
    return tuple(words)


def _code(key: str, value: Any) -> Code:
    if not isinstance(value, list) or len(value) != 3 or any(not isinstance(v, str) or not v for v in value):
        raise VocabularyError(f"[{key}]: a code is [value, scheme, meaning]")
    if len(value[0]) > 16 or len(value[1]) > 16 or len(value[2]) > 64:
        raise VocabularyError(
            f"[{key}]: a code value and a scheme have at most 16 characters, a meaning 64 (PS3.3 8.1, 8.2, 8.3)"
        )
    return Code(*value)
