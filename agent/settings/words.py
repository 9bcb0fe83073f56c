"""A mistake in the settings, in an administrator's words: where it stands, what is wrong, what is allowed."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ENV_PREFIX = "PREREAD_"
# How the values of an environment variable are written when it stands for more than one.
_JSON_EXAMPLE = """a list is written as JSON, for example '["a", "b"]'"""

# pydantic's kinds of mistake -> what must be there.
_MUST_BE = {
    "tuple_type": 'a list, for example ["a", "b"]',
    "list_type": 'a list, for example ["a", "b"]',
    "frozen_set_type": 'a list, for example ["a", "b"]',
    "set_type": 'a list, for example ["a", "b"]',
    "string_type": "text in quotation marks",
    "path_type": "a path in quotation marks",
    "int_type": "an integer (a whole number)",
    "int_parsing": "an integer (a whole number)",
    "int_from_float": "an integer (a whole number)",
    "int_parsing_size": "an integer (a whole number) of fewer digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number, neither infinite nor nan",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
_TABLES = ("dict_type", "model_type", "model_attributes_type", "mapping_type", "dataclass_type")
_LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": "letters, digits, dots, hyphens and underscores, starting with a letter or digit",
    r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$": "a name of the settings, or empty",
    r"^(auto|cpu|cuda(:\d+)?)$": '"auto", "cpu", "cuda" or "cuda:0" (any card\'s number)',
}


def source_of(file: Path, problem: Any) -> str:
    """Where the value of a problem came from: the environment goes before the file."""
    parts = [str(p) for p in problem["loc"]]
    paths = [f"{ENV_PREFIX}{'__'.join(parts[:n])}".upper() for n in range(1, len(parts) + 1)]
    deepest = f"{paths[-1]}__" if paths else ""
    given = sorted(v for v in os.environ if v.upper() in paths or (deepest and v.upper().startswith(deepest)))
    return f"environment variable {given[0]}" if given else str(file)


def limit_of(problem: Any) -> str:
    """The limit that a value has passed, as text; empty where there is none."""
    context = problem.get("ctx", {})
    names = (*(name for _, name in _LIMITS.values()), "max_length", "min_length")
    return next((str(context[name]) for name in names if name in context), "")


def place_of(problem: Any, kinds: Mapping[str, Any]) -> tuple[str | int, ...]:
    """The keys and numbers of the file that lead to a pydantic problem; it has the type of a destination among them."""
    loc = problem["loc"]
    return tuple(p for n, p in enumerate(loc) if not (n == 2 and loc[0] == "destinations" and p in kinds))


def explain(problem: Any, root: Any, kinds: Mapping[str, Any]) -> str:
    """One pydantic problem in words.

    Args:
        root: the model of all settings.
        kinds: type of a destination -> its model.
    """
    location = place_of(problem, kinds)
    key = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location).lstrip(".") or "settings"
    kind, context = problem["type"], problem.get("ctx", {})
    types = ", ".join(f'"{k}"' for k in kinds)
    if kind == "extra_forbidden":
        return f"{key}: unknown key{_allowed(problem['loc'], root, kinds)}"
    if kind == "missing":
        return f"{key}: is missing and has no default"
    if kind == "union_tag_invalid":
        return f"{key}.type: {context.get('tag')!r} is not allowed; allowed: {types}"
    if kind == "union_tag_not_found":
        return f"{key}.type: is missing; allowed: {types}"
    if kind == "value_error":
        message = str(context.get("error", problem["msg"]))
        return f"{key}: {message}" if location else message
    return f"{key}: {_value_words(kind, context, problem)}"


def _value_words(kind: str, context: Mapping[str, Any], problem: Any) -> str:
    given = _shown(problem.get("input"))
    if kind in _TABLES:
        return f"must be a table of keys and values, such as [{problem['loc'][0]}] begins (found: {given})"
    if kind in _MUST_BE:
        return f"must be {_MUST_BE[kind]} (found: {given})"
    if kind in _LIMITS:
        words, limit = _LIMITS[kind]
        return f"must be {words} {context[limit]} (found: {given})"
    if kind == "literal_error":
        return f"{given} is not allowed; allowed: {_quoted(str(context.get('expected', '')))}"
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern"))
        return f"{given} is not allowed; allowed: {_PATTERNS.get(pattern, pattern)}"
    if kind in ("string_too_long", "string_too_short"):
        length = context.get("max_length", context.get("min_length"))
        if kind == "string_too_short" and length == 1:
            return "must not be empty"
        return f"must have {'at most' if kind.endswith('long') else 'at least'} {length} characters (found: {given})"
    if kind in ("too_long", "too_short"):
        length = context.get("max_length", context.get("min_length"))
        unit = "characters" if isinstance(problem.get("input"), str) else "entry" if length == 1 else "entries"
        words = f"must have {'at most' if kind.endswith('long') else 'at least'} {length} {unit}"
        return f"{words}; it has {context.get('actual_length')}"
    message = str(problem["msg"])
    return f"{message[0].lower()}{message[1:]} (found: {given})"


def _shown(value: Any) -> str:
    """A value as its writer knows it, and not longer than a line."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, bool | str) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _quoted(expected: str) -> str:
    return expected.replace("'", '"').replace(" or ", ", ")


def _allowed(loc: Any, root: Any, kinds: Mapping[str, Any]) -> str:
    model: Any = root
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        if model is None and part in kinds:
            model = kinds[part]
            continue
        field = getattr(model, "model_fields", {}).get(part)
        model = None if field is None else _model_in(field.annotation)
    names = {field.alias or name for name, field in getattr(model, "model_fields", {}).items()}
    of = f' for type "{loc[2]}"' if loc[0] == "destinations" and len(loc) > 3 and loc[2] in kinds else ""
    close = difflib.get_close_matches(str(loc[-1]), names, n=1)
    hint = f'; did you mean "{close[0]}"?' if close else ""
    return f"{hint or ';'} allowed here{of}: {', '.join(sorted(names))}" if names else hint


def _model_in(annotation: Any) -> Any:
    """The model of a table, or of the rows of a list of tables; None for a choice of models."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next((a for a in getattr(annotation, "__args__", ()) if hasattr(a, "model_fields")), None)


def environment_words(error: Exception) -> str:
    """The words for a variable that pydantic-settings cannot parse; its own name neither the variable nor a remedy."""
    cause = error.__cause__
    if not isinstance(cause, json.JSONDecodeError):
        return f"environment: {error}"
    named = sorted(v for v, text in os.environ.items() if v.upper().startswith(ENV_PREFIX) and text == cause.doc)
    where = f"environment variable {named[0]}" if named else "environment"
    return f"{where}: its value cannot be understood; {_JSON_EXAMPLE}"
