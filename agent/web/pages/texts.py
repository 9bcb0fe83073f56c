"""Every text that a person sees on a page, by language and key: `texts/LANGUAGE/ROOM.toml`, key `ROOM.a.b`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[1] / "texts"
_OF_CODES = tuple(f"codes.{room}" for room in ("outcome", "image", "guard", "doubt", "trouble"))
_OF_SCRIPTS = frozenset({"codes", "common", "findings", "refused", "study", "worklist"})
_ONE = "_one"


class Words:
    """The texts of one language: ``t("worklist.title")``, ``t("worklist.found", count=3)``.

    Where `count` is 1, the text of the key with ``_one`` behind it is taken, if there is one. Both languages have one form for one
    and one for every other number, and none else.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __call__(self, key: str, **values: object) -> str:
        """Raises `KeyError` for a key that is nobody's: a page without its words is a defect."""
        text = self._texts[key]
        if values.get("count") == 1:
            text = self._texts.get(f"{key}{_ONE}", text)
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether there is such a text: codes of other programs may have none."""
        return key in self._texts

    def code(self, code: str) -> str:
        """What a code of this program means: of an image, a reading, a check, a doubt or a trouble. Empty where nobody has words for
        it: it is another program's, or one of before."""
        found = next((self._texts[f"{room}.{code}"] for room in _OF_CODES if f"{room}.{code}" in self._texts), "")
        return found or self._texts.get(f"codes.trouble.{code.rpartition('-')[0]}", "")  # status-a700, ack-ae, http-503

    def refused(self, code: str) -> str:
        """Why something was not done, to the person who asked for it; empty where there are no words for it."""
        return self._texts.get(f"refused.{code}") or self.code(code)

    def starting(self, prefix: str) -> dict[str, str]:
        """Texts under a prefix, by the rest of their keys."""
        return {k.removeprefix(prefix): v for k, v in self._texts.items() if k.startswith(prefix)}

    def everything(self) -> dict[str, str]:
        """All of them, by key."""
        return dict(self._texts)

    def for_scripts(self) -> dict[str, str]:
        """Those of the rooms whose pages live on after they were sent, and what any page may have to say of a call that failed."""
        return {k: v for k, v in self._texts.items() if k.partition(".")[0] in _OF_SCRIPTS}


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
