"""Results as they come, one JSON line a film, on the disk before the next film is read: a run that is killed is continued."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from agent.errors import Permanent
from agent.evaluation.films.result import Result

FORMAT = 2
FILE = "results.jsonl"


class Journal:
    """The results in a folder.

    Args:
        head: which build is asked what; results of another head are not continued.
        restart: throw away what is there.

    Raises:
        Permanent: the folder cannot be written, is in use, or holds results of another build or other questions.
    """

    def __init__(self, folder: Path, head: Mapping[str, Any], *, restart: bool = False) -> None:
        self._path = folder / FILE
        self.results: dict[str, Result] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file: IO[bytes] = self._path.open("a+b")
        except OSError as error:
            raise Permanent(f"{folder} cannot be written ({error.strerror})", code="out-unwritable") from error
        try:
            self._lock()
            if restart:
                self._file.truncate(0)
            self._continue(json.loads(json.dumps({"format": FORMAT, **head})))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, result: Result) -> None:
        """Keep a result; it is on the disk when this returns. Raises `Permanent` when the disk does not take it."""
        self._write(result.to_json())
        self.results[result.file] = result

    def let_go(self, files: Iterable[str]) -> None:
        """Forget the results of these films: what is added for them next stands in their place."""
        for file in files:
            self.results.pop(file, None)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Permanent(f"{self._path} is being written by another run", code="out-taken") from error

    def _continue(self, head: dict[str, Any]) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._file.truncate(len(whole))  # a line that was cut off is a film that was not read
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
            results = [Result.from_json(line) for line in lines[1:]]
        except (ValueError, KeyError, TypeError) as error:
            raise Permanent(
                f"{self._path} is damaged ({type(error).__name__}); begin anew with --restart", code="results-damaged"
            ) from error
        if not lines:
            self._write(head)
        elif lines[0] != head:
            odd = ", ".join(sorted(k for k in {*head, *lines[0]} if head.get(k) != lines[0].get(k)))
            raise Permanent(
                f"{self._path} holds results of another run (they differ in: {odd}); name another folder with --out, "
                "or begin anew with --restart",
                code="results-of-another-run",
            )
        self.results = {result.file: result for result in results}  # the last one of a film that was read again

    def _write(self, value: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise Permanent(f"{self._path} cannot be written ({error.strerror})", code="out-unwritable") from error
