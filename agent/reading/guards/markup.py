r"""Markup in an answer: chat tokens, tags, Markdown, LaTeX. What only shapes the words is taken off; the words stay.

``\left`` and ``\right`` are brackets in LaTeX and never sides: they go without leaving a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from itertools import pairwise

from agent.reading.grammar.tokens import wordset
from agent.reading.guards.codes import Code, Effect
from agent.reading.guards.passage import Passage, quote

_ROUNDS = 4  # what stands inside other markup comes out in the next round
_SIGNS = {
    "rightarrow": "→", "leftarrow": "←", "to": "→", "uparrow": "↑", "downarrow": "↓", "leq": "≤", "le": "≤",
    "geq": "≥", "ge": "≥", "pm": "±", "times": "×", "circ": "°", "degree": "°", "approx": "≈", "sim": "~", "mu": "µ",
    "cdot": "·", "ldots": "...", "dots": "...", "alpha": "α", "beta": "β",
}  # fmt: skip
_SHAPES = wordset(
    "text textbf textit textrm texttt textsf emph underline mathrm mathbf mathit mathsf mathbb boldsymbol bf it rm boxed fbox "
    "left right big Big bigg Bigg begin end item itemize enumerate quad qquad hspace vspace newline par section subsection "
    "paragraph displaystyle mbox label ref noindent centering hline"
)
_Shape = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _latex(found: re.Match[str]) -> str:
    name = found[1]
    if name in _SIGNS:
        return _SIGNS[name]
    return "" if name in _SHAPES else name


_MARKUP: tuple[_Shape, ...] = (
    (re.compile(r"<(think|script|style)\b[^<>]{0,100}>.*?</\1>", re.IGNORECASE | re.DOTALL), " "),
    (re.compile(r"<\|box\|>[^<>|]{0,200}<\|/box\|>"), " "),
    (re.compile(r"<\|im_start\|>(?:system|user|assistant)?"), " "),
    (re.compile(r"<\|[^<>|\n]{1,40}\|>"), " "),
    (re.compile(r"^[ \t]*(?:assistant|model|AI)[ \t]*:", re.IGNORECASE | re.MULTILINE), ""),
    (re.compile(r"<br\s?/?>|</(?:p|div|li|tr|h\d)>", re.IGNORECASE), "\n"),
    (re.compile(r"<!--.{0,2000}?-->", re.DOTALL), " "),
    (re.compile(r"</?[A-Za-z][^<>]{0,200}>"), " "),
    (re.compile(r"&(?:#\d{1,6}|#x[0-9a-fA-F]{1,5}|[a-zA-Z]{2,8});"), lambda found: unescape(found[0])),
    (re.compile(r"^[ \t]*(?:```|~~~)[ \t]*\w{0,20}[ \t]*$", re.MULTILINE), ""),
    (re.compile(r"```"), " "),
    (re.compile(r"!?\[([^\[\]\n]{1,200})\]\([^()\s]{1,300}\)"), r"\1"),
    (re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*(?:[-*][ \t]?){3,}$", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*>[ \t]+", re.MULTILINE), ""),
    (re.compile(r"\*\*|`"), ""),
    (re.compile(r"(?<![\w])__(?=[^_\s])([^_\n]{1,200}?)(?<=[^_\s])__(?![\w])"), r"\1"),
    (re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]{1,200}?)(?<=[^\s*])\*(?![\w*])"), r"\1"),
    (re.compile(r"\\[dt]?frac\s?\{([^{}]{0,80})\}\s?\{([^{}]{0,80})\}"), r"\1/\2"),
    (re.compile(r"\\n(?![a-z])"), "\n"),
    (re.compile(r"\\([A-Za-z]{1,20})\*?"), _latex),
    (re.compile(r"\\\\|\\(?=[()\[\],;!:> ])"), " "),
    (re.compile(r"\\([%_&#${}])"), r"\1"),
    (re.compile(r"\\+"), " "),
    (re.compile(r"\$+"), ""),
    (re.compile(r"[{}]"), ""),
    (re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200b-\u200f\u2060\ufeff]"), ""),
)  # fmt: skip
_CHAT_OR_TAG = re.compile(
    r"<\|[^<>|\n]{1,40}\|>|</?(?:div|p|span|br|html|body|script|table|think)\b[^<>]{0,100}>", re.IGNORECASE
)


def check_markup(passage: Passage) -> Passage:
    """The words without what shapes them."""
    text, removed = without_markup(passage.text)
    if text == passage.text:
        return passage
    what = ", ".join(quote(r) for r in removed[:3]) + (" and more" if len(removed) > 3 else "")
    return passage.rewritten(text, Code.MARKUP, Effect.REPAIRED, f"markup was taken off the words: {what or 'blanks'}.")


def without_markup(text: str) -> tuple[str, list[str]]:
    """The words alone, and what was taken off them."""
    removed: list[str] = []
    for _ in range(_ROUNDS):
        before = text
        for shape, plain in _MARKUP:
            removed += [found[0].strip() for found in shape.finditer(text)]
            text = shape.sub(plain, text)
        if text == before:
            break
    if not removed:
        return text, []
    return _tidied(text), list(dict.fromkeys(filter(None, removed)))


def trace_with_markup(trace: str) -> str:
    """What a reader is told of a trace with chat tokens or tags; Markdown and LaTeX are usual there."""
    found = _CHAT_OR_TAG.search(trace)
    return f"holds markup, for example {quote(found[0])}" if found else ""


def _tidied(text: str) -> str:
    lines = [re.sub(r"[ \t]{2,}", " ", line).strip() for line in text.split("\n")]
    whole = [line for line, following in pairwise([*lines, "end"]) if line or following]
    return re.sub(r" +([.,;:])", r"\1", "\n".join(whole)).strip()
