r"""A reply in reasoning mode, taken apart: the trace, and what stands in the last ``\boxed{...}``.

What cannot be taken apart is an abstention with a reason, never a guess. The raw reply is kept by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_BOX = "\\boxed{"
_HEADING = re.compile(r"final answer", re.IGNORECASE)
_AFTER_HEADING = re.compile(r"\s*+:?[\s*#]*+(?:\$++\s*+)?")  # possessive: a reply may be nothing but blanks
_TEXT_MACRO = re.compile(r"\\text\s*\{(.*)\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """A usable reply. `reasoning` is everything before the final answer, `answer` the final answer, both as the model
    wrote them."""

    reasoning: str
    answer: str


@dataclass(frozen=True, slots=True)
class Abstention:
    """A reply that cannot be used: a stable code, the same in words, and what there was of a trace."""

    code: str
    explanation: str
    reasoning: str


def parse_reply(text: str, *, finished: bool) -> Reply | Abstention:
    """Take a reply in reasoning mode apart.

    Args:
        finished: whether the model ended its turn itself; False when the token limit cut it off.
    """
    if not text.strip():
        return Abstention("empty-reply", "the model answered nothing", "")
    if not finished:
        return Abstention(
            "reply-truncated", "the model's reply was cut off by the token limit before its end", text.strip()
        )
    start = text.rfind(_BOX)
    if start < 0:
        return Abstention("no-final-answer", "the model's reply has no final answer", text.strip())
    reasoning = _without_heading(text[:start]).strip()
    answer = _braced(text, start + len(_BOX))
    if answer is None:
        return Abstention("final-answer-unclosed", "the model's final answer has no end", reasoning)
    if not answer.strip():
        return Abstention("final-answer-empty", "the model's final answer is empty", reasoning)
    return Reply(reasoning, answer.strip())


def _without_heading(text: str) -> str:
    """The trace without the heading of the final answer, if it ends with one."""
    headings = list(_HEADING.finditer(text))
    if not headings or not _AFTER_HEADING.fullmatch(text, headings[-1].end()):
        return text
    end = headings[-1].start()
    while end and (text[end - 1].isspace() or text[end - 1] in "*#"):
        end -= 1
    return text[:end]


def _braced(text: str, start: int) -> str | None:
    """What stands between the brace before `start` and its partner; None when there is none."""
    depth = 1
    for position in range(start, len(text)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                inner = text[start:position]
                whole = _TEXT_MACRO.fullmatch(inner.strip())
                return whole.group(1) if whole and _balanced(whole.group(1)) else inner
    return None


def _balanced(text: str) -> bool:
    """Whether the macro spans the whole text: its braces pair up without closing one that it did not open."""
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


_LETTER = re.compile(r"^\W*\(?([A-Za-z])\b\)?")


def parse_letter(text: str, choices: Mapping[str, Sequence[str]]) -> str | None:
    """The meaning of an answer such as ``(a) PA``; None when it is none of the choices.

    Args:
        choices: meaning -> its letters, as in the reading protocol.
    """
    found = _LETTER.match(text.strip())
    if found is None:
        return None
    letter = found.group(1).lower()
    return next((meaning for meaning, letters in choices.items() if letter in (x.lower() for x in letters)), None)


@dataclass(frozen=True, slots=True)
class SaidBox:
    """A box as the model wrote it: percent of the picture's width and height, origin top left, unchecked. `name` is what
    stands in its reference, or empty."""

    name: str
    x0: float
    y0: float
    x1: float
    y1: float


_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_BOX_TAG = re.compile(rf"<\|box\|>\({_NUMBER},{_NUMBER}\)\s*,\s*\({_NUMBER},{_NUMBER}\)<\|/box\|>")
_REF, _REF_END = "<|ref|>", "<|/ref|>"


def parse_boxes(text: str) -> tuple[SaidBox, ...]:
    """Every box of a grounding reply, in order; none for ``No ... detected.`` and for anything that is no box."""
    found = []
    end = 0
    for match in _BOX_TAG.finditer(text):
        x0, y0, x1, y1 = (float(number) for number in match.groups())
        found.append(SaidBox(_name_before(text[end : match.start()]), x0, y0, x1, y1))
        end = match.end()
    return tuple(found)


def _name_before(text: str) -> str:
    """What stands in the reference with which a text ends, or empty."""
    before = text.rstrip()
    if not before.endswith(_REF_END):
        return ""
    _, opened, name = before.removesuffix(_REF_END).rpartition(_REF)
    return name.strip() if opened and "<" not in name else ""
