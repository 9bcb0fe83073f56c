"""Sentences in the words of a language. The command line speaks English."""

from __future__ import annotations

from functools import cache

from agent.sentence import Sentence
from agent.web.numbers.tongue import Tongue
from agent.web.pages.texts import Texts, Words

_HERE = "\N{OBJECT REPLACEMENT CHARACTER}"  # no text of ours has one


def pieces(one: Sentence, t: Words, language: str) -> tuple[str, str, str]:
    """The sentence in that language up to the words of somebody else in it, those, and the rest. Raises `KeyError` for a key that has
    no text."""
    tongue = Tongue(t, language)
    values: dict[str, object] = {k: v if isinstance(v, str) else tongue.number(v) for k, v in one.values.items()}
    said = t(one.key, **values | {"detail": _HERE, "count": one.values.get("n")})
    before, _, after = said.partition(_HERE)
    return before, str(one.values.get("detail", "")), after


def english(*sentences: Sentence) -> str:
    """For a command line, a log or a program."""
    t = _english()
    return t("doctor.joint").join("".join(pieces(one, t, "en")) for one in sentences)


@cache
def _english() -> Words:
    return Texts().of("en")
