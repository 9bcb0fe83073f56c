"""Every text that a person sees on a page, by language and key: `texts/LANGUAGE/ROOM.toml`, key `ROOM.a.b`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[1] / "texts"


class Words:
    """The texts of one language: ``t("worklist.title")``, ``t("worklist.found", count=3)``."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __call__(self, key: str, **values: object) -> str:
        """Raises `KeyError` for a key that is nobody's: a page without its words is a defect."""
        text = self._texts[key]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether there is such a text: codes of other programs may have none."""
        return key in self._texts

    def starting(self, prefix: str) -> dict[str, str]:
        """Texts under a prefix, by the rest of their keys."""
        return {k.removeprefix(prefix): v for k, v in self._texts.items() if k.startswith(prefix)}

    def everything(self) -> dict[str, str]:
        """For the scripts of the pages."""
        return dict(self._texts)


class Texts:
    """All languages. The first, English, is whole; a test says where another is not."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._words = {place.name: Words(_texts_of(place)) for place in sorted(folder.iterdir()) if place.is_dir()}

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self._words)

    def of(self, language: str) -> Words:
        return self._words[language]

    def asked_for(self, accept_language: str, otherwise: str) -> str:
        """The first language of an Accept-Language header (RFC 9110 12.5.4) that there is."""
        asked = []
        for place, part in enumerate(accept_language.split(",")[:20]):
            name, _, quality = part.strip().partition(";q=")
            try:
                weight = float(quality) if quality else 1.0
            except ValueError:
                continue
            asked.append((-weight, place, name.split("-")[0].strip().lower()))
        return next((name for weight, _, name in sorted(asked) if weight < 0 and name in self._words), otherwise)


def _texts_of(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*.toml")):
        _flatten(file.stem, tomllib.loads(file.read_text(encoding="utf-8")), found)
    return found


def _flatten(prefix: str, values: Mapping[str, Any], into: dict[str, str]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping):
            _flatten(f"{prefix}.{key}", value, into)
        else:
            into[f"{prefix}.{key}"] = value
