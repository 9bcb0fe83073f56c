"""As much of PromQL as tells which metrics an expression names."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<range>\[[\w$:]+\])|(?P<number>\d+(?:\.\d+)?(?:e\d+)?)"""
    r"""|(?P<name>[a-zA-Z_:][\w:]*)|(?P<sign>==|!=|=~|!~|<=|>=|[-+*/(){},=<>])"""
)
_FUNCTIONS = {"absent", "histogram_quantile", "increase", "max", "predict_linear", "rate", "sum"}
_WORDS = {"and", "or", "unless"}


def metrics_of(expression: str) -> set[str]:
    """Names of the metrics. Raises `ValueError` for what is no PromQL that is known here."""
    tokens = _tokens(expression)
    if (depth := sum({"(": 1, ")": -1, "{": 1, "}": -1}.get(t, 0) for _, t in tokens)) != 0:
        raise ValueError(f"{abs(depth)} brackets too many: {expression}")
    found, labels, grouping = set(), False, False
    for place, (kind, text) in enumerate(tokens):
        following = tokens[place + 1][1] if place + 1 < len(tokens) else ""
        if text in "{}":
            labels = text == "{"
        elif grouping and text == ")":
            grouping = False
        elif kind != "name" or labels or grouping or text in _WORDS:
            continue
        elif text in ("by", "without", "on", "ignoring"):
            grouping = True
        elif text in _FUNCTIONS and following in ("(", "by", "without"):
            continue
        elif following == "(":
            raise ValueError(f"{text} is no function that is known here: {expression}")
        else:
            found.add(text)
    return found


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while place < len(expression):
        token = _TOKEN.match(expression, place)
        if token is None:
            raise ValueError(f"cannot be read from here on: {expression[place:]}")
        place = token.end()
        if token.lastgroup != "space":
            found.append((str(token.lastgroup), token.group()))
    return found
