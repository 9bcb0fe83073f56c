"""What this program wrote down in its own words, English, as a page may show it: what it means, the sentence, what a peer said.

A page has a button for what a command would do, so that advice to call one is left out there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.errors import PrereadError

_CODE = re.compile(r"([a-z][a-z0-9]*(?:-[a-z0-9]+)*): (.*)", re.DOTALL)
_QUOTED = re.compile(r'(.*?)(?:; )?it said: "(.*)"(.*)', re.DOTALL)
_IN_BRACKETS = re.compile(r"\s*\([^()]*(?<!-)\bpreread [a-z][^()]*\)")
_COMMAND = re.compile(r"(?:\A|(?<=[;,.?])\s|[;,]\s)(?:(?![;,.?]\s).)*?(?<!-)\bpreread [a-z](?:(?![;.]\s).)*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Told:
    """A text of the ledger, taken apart. Each part may be empty.

    Attributes:
        own: the program's own words, in English.
        code: what they begin with, if that may be a code, for which there may be words in the reader's language.
        sentence: what follows it, or all of `own`.
        quote: a peer's own words.
    """

    own: str
    code: str
    sentence: str
    quote: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something was not done: what there are words for, and the program's own sentence where there are none."""

    code: str
    words: str = ""

    @classmethod
    def of(cls, error: PrereadError) -> Trouble:
        return cls(error.code, str(error))


def told(text: str) -> Told:
    """The parts of ``code: sentence; it said: "words of a peer"``, of which the ledger may hold fewer."""
    quoted = _QUOTED.fullmatch(text)
    before, quote, after = quoted.groups() if quoted else (text, "", "")
    own = without_commands(before + after)
    coded = _CODE.fullmatch(own)
    code, sentence = coded.groups() if coded else ("", own)
    return Told(own, code, sentence, quote)


def without_commands(text: str) -> str:
    """The text without its clauses that say which command to call."""
    return _COMMAND.sub("", _IN_BRACKETS.sub("", text)).strip(" ;,")
