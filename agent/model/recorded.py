"""Replies as files: `RecordingModel` keeps what another model answers, `RecordedModel` answers from what was kept.

For audits and demonstrations. A reply is found again by a digest of everything that decides it: system prompt, words,
pictures in their order, limits, kind of question and reading protocol. The files hold no pictures. They do hold the
words of the question, and those may hold the **indication of a patient**: protect the folder like the ledger.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.errors import Permanent, Transient
from agent.model.deadline import Deadline
from agent.model.protocol import (
    MOST_PICTURES,
    Answer,
    Choice,
    Model,
    ModelIdentity,
    Picture,
    StudySession,
    check_choices,
    selected,
)

FORMAT = 1
_IDENTITY = "model.json"


@dataclass(frozen=True, slots=True)
class _Asker:
    """What every question of a session has in common. `shown`: digest and shape of each picture."""

    protocol: str
    system: str
    shown: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, protocol: str, system: str, pictures: Sequence[Picture]) -> _Asker:
        if not 1 <= len(pictures) <= MOST_PICTURES:
            raise Permanent(
                f"a study is read from 1 to {MOST_PICTURES} pictures, not {len(pictures)}", code="picture-count"
            )
        shown = [(hashlib.sha256(p.tobytes()).hexdigest(), tuple(int(n) for n in p.shape)) for p in pictures]
        return cls(protocol, system, tuple(shown))

    def request(self, kind: str, prompt: str, pictures: Sequence[int], **limits: Any) -> dict[str, Any]:
        """All that decides a reply."""
        return {
            "format": FORMAT,
            "kind": kind,
            "protocol": self.protocol,
            "system": self.system,
            "prompt": prompt,
            "pictures": [list(self.shown[n]) for n in selected(pictures, len(self.shown))],
            "limits": limits,
        }

    def ask(self, prompt: str, pictures: Sequence[int], max_new_tokens: int) -> dict[str, Any]:
        return self.request("ask", prompt, pictures, max_new_tokens=max_new_tokens)

    def choose(self, prompt: str, pictures: Sequence[int], choices: Sequence[Sequence[str]]) -> dict[str, Any]:
        return self.request("choose", prompt, pictures, choices=[list(c) for c in choices])


def digest(request: dict[str, Any]) -> str:
    """sha256 hex of a request: the name of the file that holds its reply."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


class RecordingModel:
    """Another model, whose replies are kept. Failures are not.

    Args:
        folder: made where there is none, readable by its owner only.
        protocol: id of the reading protocol whose words are asked.

    Raises:
        Permanent: the folder holds replies of another model, or cannot be written.
    """

    def __init__(self, inner: Model, folder: Path, *, protocol: str = "") -> None:
        self._inner, self._folder, self._protocol = inner, folder, protocol
        own = asdict(inner.identity)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            there = folder / _IDENTITY
            if not there.is_file():
                _write(there, own)
        except OSError as error:
            raise Permanent(
                f"model.recordings: {folder} cannot be written ({error.strerror})", code="recordings-unwritable"
            ) from error
        kept = _identity(folder)
        if kept.weights_digest != own["weights_digest"] or kept.quantization != own["quantization"]:
            raise Permanent(
                f"model.recordings: {folder} holds replies of another model, {kept.name} ({kept.quantization}); name another folder",
                code="recordings-of-another-model",
            )

    @property
    def identity(self) -> ModelIdentity:
        return self._inner.identity

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> RecordingSession:
        session = self._inner.open_study(pictures, system=system)
        return RecordingSession(session, self._folder, _Asker.of(self._protocol, system, pictures))

    def close(self) -> None:
        self._inner.close()


class RecordingSession:
    """A session whose replies are kept."""

    def __init__(self, inner: StudySession, folder: Path, asker: _Asker) -> None:
        self._inner, self._folder, self._asker = inner, folder, asker

    def ask(
        self,
        prompt: str,
        *,
        pictures: Sequence[int],
        max_new_tokens: int,
        deadline_s: float,
        between_tokens: Callable[[], None] | None = None,
    ) -> Answer:
        answer = self._inner.ask(
            prompt,
            pictures=pictures,
            max_new_tokens=max_new_tokens,
            deadline_s=deadline_s,
            between_tokens=between_tokens,
        )
        self._keep(self._asker.ask(prompt, pictures, max_new_tokens), asdict(answer))
        return answer

    def choose(
        self, prompts: Sequence[str], *, pictures: Sequence[int], choices: Sequence[Sequence[str]], deadline_s: float
    ) -> tuple[Choice, ...]:
        chosen = self._inner.choose(prompts, pictures=pictures, choices=choices, deadline_s=deadline_s)
        for prompt, choice in zip(prompts, chosen, strict=True):
            self._keep(self._asker.choose(prompt, pictures, choices), asdict(choice))
        return chosen

    def close(self) -> None:
        self._inner.close()

    def _keep(self, request: dict[str, Any], reply: dict[str, Any]) -> None:
        """Raises `Transient`: an audit that has holes is none, so the study waits for the disk."""
        try:
            _write(self._folder / f"{digest(request)}.json", {"request": request, "reply": reply})
        except OSError as error:
            raise Transient(
                f"model.recordings: {self._folder} cannot be written ({error.strerror})",
                code="recordings-unwritable",
                blames_work=False,
                wait_s=30.0,
            ) from error


class RecordedModel:
    """Answers from a folder that a `RecordingModel` has filled, and from nothing else.

    Raises:
        Permanent: the folder holds no recordings.
    """

    def __init__(self, folder: Path, *, protocol: str = "") -> None:
        self._folder, self._protocol = folder, protocol
        kept = _identity(folder)
        self._identity = replace(kept, device="recorded", engine=f"recorded from: {kept.engine}")

    @property
    def identity(self) -> ModelIdentity:
        return self._identity

    def open_study(self, pictures: Sequence[Picture], *, system: str) -> RecordedSession:
        return RecordedSession(self._folder, _Asker.of(self._protocol, system, pictures))

    def close(self) -> None:
        """There is nothing to free."""


class RecordedSession:
    """A session that is read from files."""

    def __init__(self, folder: Path, asker: _Asker) -> None:
        self._folder, self._asker = folder, asker

    def ask(
        self,
        prompt: str,
        *,
        pictures: Sequence[int],
        max_new_tokens: int,
        deadline_s: float,
        between_tokens: Callable[[], None] | None = None,
    ) -> Answer:
        """As at the seam; the tokens come all at once, so `between_tokens` is called once."""
        deadline = Deadline(deadline_s)
        reply, file = self._reply(self._asker.ask(prompt, pictures, max_new_tokens), deadline)
        deadline.pause_for(between_tokens)
        with _shape_of(file):
            text, tokens, finished = reply["text"], reply["tokens"], reply["finished"]
            return Answer(str(text), int(tokens), bool(finished), deadline.spent())

    def choose(
        self, prompts: Sequence[str], *, pictures: Sequence[int], choices: Sequence[Sequence[str]], deadline_s: float
    ) -> tuple[Choice, ...]:
        check_choices(choices)
        deadline, found = Deadline(deadline_s), []
        for prompt in prompts:
            reply, file = self._reply(self._asker.choose(prompt, pictures, choices), deadline)
            with _shape_of(file):
                shares, chosen = reply["shares"], reply["chosen"]
                found.append(Choice(None if shares is None else tuple(float(s) for s in shares), chosen))
        return tuple(found)

    def close(self) -> None:
        """There is nothing to free."""

    def _reply(self, request: dict[str, Any], deadline: Deadline) -> tuple[dict[str, Any], Path]:
        name = digest(request)
        file = self._folder / f"{name}.json"
        if not file.is_file():
            raise Permanent(
                f"no reply to this question was recorded in {self._folder} (request {name}): other pictures, words, limits or protocol",
                code="not-recorded",
            )
        with _shape_of(file):
            reply = json.loads(file.read_text(encoding="utf-8"))["reply"]
        if deadline.left() <= 0:
            raise Transient("the recorded reply was not read within its deadline", code="model-timeout")
        return reply, file


@contextlib.contextmanager
def _shape_of(file: Path) -> Iterator[None]:
    """Raise `Permanent` for a file that does not hold what was written there."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Permanent(f"{file} is damaged ({type(error).__name__})", code="recording-damaged") from error


def _identity(folder: Path) -> ModelIdentity:
    file = folder / _IDENTITY
    if not file.is_file():
        raise Permanent(f"model.recordings: {folder} holds no recordings", code="recordings-missing")
    with _shape_of(file):
        return ModelIdentity(**json.loads(file.read_text(encoding="utf-8")))


def _write(target: Path, content: dict[str, Any]) -> None:
    """Visible only when whole, readable by the owner only."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
            file.write("\n")
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
