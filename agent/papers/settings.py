"""The settings as tables: what there is comes from the models, what it means from the comments of settings.toml."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from agent.papers.blocks import MissingRow, table
from agent.settings import Settings
from agent.settings.network import DESTINATION_KINDS

REFERENCE = Path(__file__).parents[2] / "settings.toml"
_SECTION = re.compile(r"#? ?\[{1,2}([a-z_.]+)\]{1,2}\s*(?:#.*)?")
_ENTRY = re.compile(r"(?:# )?([a-z_0-9]+) = ([^#]*?)\s*(?:#\s*(.*))?")
_AS_ABOVE = re.compile(r"# ([a-z_, ]+?) and ([a-z_]+) as above")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `table` as the file has it, its key, its default as the file writes it, and what it means."""

    table: str
    key: str
    default: str
    words: str


def words_of_the_reference() -> dict[tuple[str, str], str]:
    """(table, key) -> the comment beside it in settings.toml; the tables of destinations are ``destinations.TYPE``."""
    found: dict[tuple[str, str], str] = {}
    where, kind, last = "", "", ("", "")
    for line in REFERENCE.read_text("utf-8").splitlines():
        if section := _SECTION.fullmatch(line.strip()):
            where, kind, last = section[1], "", ("", "")
        elif above := _AS_ABOVE.fullmatch(line.strip()):
            for key in (*above[1].split(", "), above[2]):
                found[kind or where, key] = next(w for (_, k), w in reversed(found.items()) if k == key)
        elif (entry := _ENTRY.fullmatch(line)) and where:
            key, value, words = entry[1], entry[2], entry[3] or ""
            if where == "destinations" and key == "type":
                kind = f"destinations.{value.strip().strip(chr(34))}"
                if (where, "name") in found:
                    found[kind, "name"] = found.pop((where, "name"))
            last = (kind or where, key)
            found[last] = words
        elif line.strip().startswith("#") and line[2:12].strip() == "" and last[1] and line.strip("# "):
            found[last] = f"{found[last]} {line.strip('# ')}".strip()  # a comment that goes on
        else:
            last = ("", "") if not line.strip("# ") else last
    return found


def settings_of(name: str) -> list[Setting]:
    """The settings of one table, ``node`` or ``destinations.hl7``. Raises `MissingRow` for one without words."""
    model, words = _models()[name], words_of_the_reference()
    made = []
    for field_name, field in model.model_fields.items():
        key = field.alias or field_name
        if key == "type" and name.startswith("destinations."):
            continue
        said = words.get((name, key), "").removeprefix("as above") or _elsewhere(words, name, key) or _SAID.get(key, "")
        if not said and not _inner(field.annotation):
            raise MissingRow(f"{name}.{key} has no words beside it in settings.toml")
        made.append(Setting(name, key, _default(field), said or _tables_words(name, key)))
    return made


def _elsewhere(words: dict[tuple[str, str], str], name: str, key: str) -> str:
    """What the key means in another table of destinations, where it means the same."""
    if not name.startswith("destinations."):
        return ""
    same = (
        w for (t, k), w in words.items() if k == key and t.startswith("destinations.") and w not in ("", "as above")
    )
    return next(same, "")


def tables() -> list[str]:
    """Every table of the settings, in the order of the models; new ones appear by themselves."""
    return list(_models())


def one_table(name: str) -> str:
    rows = ((f"`{s.key}`", s.default, s.words) for s in settings_of(name))
    return table(("Key", "Default", "Meaning"), rows)


def all_tables() -> str:
    """Every setting there is."""
    return "\n\n".join(f"### `{_head(name)}`\n\n{one_table(name)}" for name in tables())


# What a key means wherever it stands.
_SAID = {
    "name": "what it is called in the other tables, in the commands and in the log",
    "ae_title": "its AE title",
    "host": "its address or host name",
    "port": "its port",
    "url": "its URL",
    "tls": "a table of its own",
    "may": '`"send"` images to us, `"receive"` reports from us, be asked with `"query"`',
    "peer": "the name of a peer that may `receive`",
    "path": "the folder",
    "key_file": "the key of `certificate_file`, in PEM, without a password",
    "certificate_file": "what this node shows of itself, in PEM",
    "ca_file": "whose certificates are accepted, in PEM",
    "token_file": "holds a bearer token, when the service wants one",
    "server_name": "the name that must stand in the certificate, when it is not the host",
}


def _tables_words(name: str, key: str) -> str:
    return f"the table `[{name}.{key}]`"


def _head(name: str) -> str:
    if name.startswith("destinations."):
        return f'[[destinations]] type = "{name.partition(".")[2]}"'
    return f"[[{name}]]" if name in _LISTS else f"[{name}]"


_LISTS = {"peers", "dicomweb"}


def _models() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for name, field in Settings.model_fields.items():
        if name == "destinations":
            kinds: Mapping[str, Any] = DESTINATION_KINDS
            for kind, model in kinds.items():
                found[f"destinations.{kind}"] = model
            continue
        for table_model in _inner(field.annotation):
            found[name] = table_model
            for key, inner in table_model.model_fields.items():
                found |= {f"{name}.{key}": m for m in _inner(inner.annotation)}
    return found


def _inner(annotation: Any) -> Iterator[type[BaseModel]] | list[type[BaseModel]]:
    if get_origin(annotation) is Annotated:
        return _inner(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, tuple):
        return [m for part in get_args(annotation) for m in _inner(part)]
    return []


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if value in (None, "") or value == ():
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, frozenset | tuple):
        listed = sorted(value) if isinstance(value, frozenset) else list(value)
        return ", ".join(f"`{v}`" for v in listed) or "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
