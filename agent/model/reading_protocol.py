"""Reading protocols: how a family of models is asked, as data. Another family is another file and, at most, another
parser in `parsing`."""

from __future__ import annotations

import hashlib
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from agent.errors import SettingsError
from structured_report.vocabulary import vocabulary

Mode = Literal["instruct", "reasoning"]
Parser = Literal["boxed", "text", "letter", "boxes", "choice"]
Pictures = Literal["current", "frontal", "prior-then-current", "none"]
TASKS = (
    "findings", "findings-indication", "impression", "impression-indication", "progression", "presence", "view", "grounding",
)  # fmt: skip
_PLACEHOLDERS = {"indication", "finding", "findings", "anatomy"}
# Text of a person goes into a prompt: nothing in it may end a turn or stand for a picture.
_MARKS = ("<|", "|>")


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of question.

    Attributes:
        choices: for the parsers ``choice`` and ``letter``: meaning -> its spellings.
        most_tokens: longest reply, tokens.
    """

    name: str
    wording: str
    mode: Mode
    parser: Parser
    pictures: Pictures
    most_tokens: int
    choices: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ReadingProtocol:
    """A whole file of tasks. `digest`: sha256 hex of its bytes."""

    name: str
    version: int
    digest: str
    system: str
    reasoning_suffix: str
    tasks: Mapping[str, Task]
    names: Mapping[str, str]

    @property
    def id(self) -> str:
        """What results call it: name, version and the first 8 digits of the digest."""
        return f"{self.name}-{self.version}@{self.digest[:8]}"

    def task(self, name: str) -> Task:
        """The task of that name; every protocol has all of `TASKS`."""
        return self.tasks[name]

    def prompt(self, task: Task, **values: str) -> str:
        """The question in words.

        Args:
            values: what stands for the placeholders; marks of the chat format are taken out of them.
        """
        text = task.wording.format_map({k: _unmarked(v) for k, v in values.items()})
        return text + self.reasoning_suffix if task.mode == "reasoning" else text

    def called(self, finding: str) -> str:
        """What the model family calls a finding of the vocabulary."""
        return self.names.get(finding) or vocabulary()[finding].words[0]


def _unmarked(text: str) -> str:
    for mark in _MARKS:
        text = text.replace(mark, " ")
    return " ".join(text.split())


@cache
def builtin(name: str) -> ReadingProtocol:
    """A protocol that comes with the program, such as ``chexone``. Raises `SettingsError`."""
    file = resources.files("agent.model").joinpath("protocols", f"{name}.toml")
    if not name.isidentifier() or not file.is_file():
        raise SettingsError(
            f'model.protocol "{name}": there is no such protocol, and no such file; "chexone" comes with the program',
            code="protocol-missing",
        )
    return parse_protocol(file.read_bytes(), name)


def load_protocol(named: str) -> ReadingProtocol:
    """The protocol that the settings name: one that comes with the program, or a file of the site.

    Raises:
        SettingsError: there is none, or it cannot be used; the message says which task and what is wrong with it.
    """
    if not named.endswith(".toml"):
        return builtin(named)
    try:
        return parse_protocol(Path(named).read_bytes(), named)
    except OSError as error:
        raise SettingsError(
            f"model.protocol: {named} cannot be read ({error.strerror})", code="protocol-missing"
        ) from error


def parse_protocol(content: bytes, where: str) -> ReadingProtocol:
    """The protocol that a TOML file describes. Raises `SettingsError` naming `where`."""
    try:
        values = tomllib.loads(content.decode("utf-8"))
        return _protocol(values, hashlib.sha256(content).hexdigest())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{where}: is not valid TOML: {error}", code="protocol-invalid") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"{where}: {error}", code="protocol-invalid") from error


def _protocol(values: dict[str, Any], digest: str) -> ReadingProtocol:
    wanted = {"name", "version", "system", "reasoning_suffix", "task", "names"}
    if set(values) != wanted:
        odd = ", ".join(sorted(set(values) ^ wanted))
        raise ValueError(
            f"has to have name, version, system, reasoning_suffix, [task.*] and [names]; not as it should be: {odd}"
        )
    tasks = {name: _task(name, table) for name, table in values["task"].items()}
    if missing := sorted(set(TASKS) - set(tasks)):
        raise ValueError(f"lacks the tasks {', '.join(missing)}")
    if unknown := sorted(set(values["names"]) - set(vocabulary())):
        raise ValueError(f"[names]: {', '.join(unknown)} is not in the vocabulary")
    if not isinstance(values["version"], int) or not str(values["name"]).isidentifier():
        raise ValueError("version has to be a whole number, name one word")
    return ReadingProtocol(
        values["name"], values["version"], digest, values["system"], values["reasoning_suffix"], tasks, values["names"]
    )


def _task(name: str, table: dict[str, Any]) -> Task:
    known = {f.name for f in fields(Task)} - {"name"}
    if odd := sorted(set(table) - known) or sorted(known - {"choices"} - set(table)):
        raise ValueError(f"[task.{name}]: unknown or missing: {', '.join(odd)}")
    for key, allowed in (("mode", get_args(Mode)), ("parser", get_args(Parser)), ("pictures", get_args(Pictures))):
        if table[key] not in allowed:
            raise ValueError(f"[task.{name}]: {key} is {table[key]!r}; allowed: {', '.join(allowed)}")
    if not isinstance(table["most_tokens"], int) or not 1 <= table["most_tokens"] <= 8192:
        raise ValueError(f"[task.{name}]: most_tokens has to be 1 to 8192")
    placeholders = {field for _, field, _, _ in string.Formatter().parse(table["wording"]) if field is not None}
    if odd := sorted(placeholders - _PLACEHOLDERS):
        raise ValueError(f"[task.{name}]: unknown placeholder {', '.join(odd)}")
    choices = {meaning: tuple(spellings) for meaning, spellings in table.get("choices", {}).items()}
    if (table["parser"] in ("choice", "letter")) != bool(choices):
        raise ValueError(f"[task.{name}]: choices belong to the parsers choice and letter, and to no other")
    return Task(name=name, choices=choices, **{k: table[k] for k in known - {"choices"}})
