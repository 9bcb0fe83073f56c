"""Forms for the tables of the settings, made from the models that check them: what a model can hold, a form can be asked."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from agent.settings import PeerSettings
from agent.settings.network import DESTINATION_KINDS

PEERS, DESTINATIONS = "peers", "destinations"
_NUMBER = re.compile(
    r"-?[0-9]{1,15}(\.[0-9]{1,15})?"
)  # neither 1e3 nor digits of another script, which few mean to say
_DOT = "."


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a value is not taken: the sentence of the settings, and, where the texts have words for it, `kind` and `limit`."""

    words: str
    kind: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One question of a form.

    Attributes:
        key: of the settings, with the table before it where it is in one: ``tls.ca_file``.
        kind: ``text``, ``number``, ``flag``, ``choice`` or ``several``.
        value: text for ``text``, ``number`` and ``choice``; ``"true"`` or empty for a flag; words with spaces between for
            ``several``.
        options: what may be chosen. default: what goes without saying, as text.
        wrong: why the value is not taken.
    """

    key: str
    kind: str
    value: str = ""
    options: tuple[str, ...] = ()
    default: str = ""
    required: bool = False
    wrong: Wrong | None = None

    @property
    def chosen(self) -> frozenset[str]:
        """The words of ``several``."""
        return frozenset(self.value.split())


def model_of(table: str, kind: str) -> type[BaseModel]:
    """The model of an entry. Raises `KeyError` for a type of destination that there is not."""
    found: type[BaseModel] = PeerSettings
    return found if table == PEERS else DESTINATION_KINDS[kind]  # type: ignore[return-value]


def fields_of(table: str, kind: str) -> tuple[Field, ...]:
    """The questions about an entry, empty. The type of a destination is decided before."""
    model = model_of(table, kind)
    return tuple(f for key, info in model.model_fields.items() if key != "type" for f in _fields(key, info))


def filled(fields: Sequence[Field], entry: Mapping[str, Any]) -> tuple[Field, ...]:
    """With what stands in the file."""
    return tuple(replace(f, value=_shown(_reach(entry, f.key), f.default)) for f in fields)


def answered(fields: Sequence[Field], form: Mapping[str, list[str]]) -> tuple[Field, ...]:
    """With what a person has entered."""
    return tuple(
        replace(f, value=" ".join(form.get(f.key, [])) if f.kind == "several" else form.get(f.key, [""])[0].strip())
        for f in fields
    )


def values_of(table: str, kind: str, fields: Sequence[Field]) -> dict[str, Any]:
    """What is to stand in the file; None where nothing is."""
    made: dict[str, Any] = {} if table == PEERS else {"type": kind}
    for field in fields:
        outer, _, inner = field.key.rpartition(_DOT)
        value = _typed(field)
        if outer:
            made.setdefault(outer, {})[inner] = value
        else:
            made[field.key] = value
    return {
        k: (v if not isinstance(v, dict) or any(x is not None for x in v.values()) else None) for k, v in made.items()
    }


def defaults_of(table: str, kind: str) -> dict[str, Any]:
    """What a key means that is not there."""
    found = {}
    for key, info in model_of(table, kind).model_fields.items():
        if info.default is not PydanticUndefined and info.default is not None:
            found[key] = sorted(info.default) if isinstance(info.default, frozenset) else info.default
    return found


def with_mistakes(fields: Sequence[Field], wrong: Mapping[str, Wrong]) -> tuple[Field, ...]:
    """With the messages beside the questions that they are about."""
    return tuple(replace(f, wrong=wrong.get(f.key)) for f in fields)


def _fields(key: str, info: FieldInfo) -> list[Field]:
    kinds = [k for k in _kinds_in(info.annotation) if k is not type(None)]
    inner = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
    if inner is not None:
        return [
            replace(f, key=f"{key}{_DOT}{f.key}", required=False)
            for name, field in inner.model_fields.items()
            for f in _fields(name, field)
        ]
    default = "" if info.default in (PydanticUndefined, None) else _shown(info.default, "")
    required, first = info.is_required(), kinds[0]
    if get_origin(first) is frozenset:
        words = tuple(str(w) for w in get_args(get_args(first)[0]))
        return [Field(key, "several", default, words, default)]
    if get_origin(first) is Literal:
        return [Field(key, "choice", default, tuple(str(w) for w in get_args(first)), default, required)]
    kind = "flag" if first is bool else "number" if first in (int, float) else "text"
    return [Field(key, kind, default, (), default, required)]


def _kinds_in(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for part in get_args(annotation) for kind in _kinds_in(part)]
    if hasattr(annotation, "__metadata__"):
        return _kinds_in(annotation.__origin__)
    if hasattr(annotation, "__value__"):
        return _kinds_in(annotation.__value__)
    return [annotation]


def _reach(entry: Mapping[str, Any], key: str) -> Any:
    value: Any = entry
    for part in key.split(_DOT):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _shown(value: Any, default: str) -> str:
    if value is None:
        return default
    if isinstance(value, bool):
        return "true" if value else ""
    if isinstance(value, list | tuple | set | frozenset):
        return " ".join(sorted(str(v) for v in value))
    return str(value) if not isinstance(value, Path) else value.as_posix()


def _typed(field: Field) -> Any:
    """As TOML has it; what is no number stays as it is, for the model to say so."""
    if field.kind == "flag":
        return field.value == "true"
    if field.kind == "several":
        chosen = [o for o in field.options if o in field.chosen]
        return chosen if chosen or (field.default == "" and field.key == "may") else None
    if field.value == "":
        return None
    if field.kind != "number" or not _NUMBER.fullmatch(field.value):
        return field.value
    return float(field.value) if "." in field.value else int(field.value)
