"""Work that takes longer than a page may: in a thread of its own, its steps kept for whoever looks."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from agent.clock import Clock
from agent.errors import PrereadError
from agent.sentence import Sentence
from agent.web.refused import Refused
from dicom_nodes.scu import NodeError

_KEPT, _AT_ONCE = 50, 4


@dataclass(slots=True)
class Step:
    """One thing that was done. `key` names it in the texts; `words` are those of whoever was asked; `code` is that of an error; `said`
    is what the program itself has to say of it."""

    at: datetime
    key: str
    state: str  # ok | note | bad
    words: str = ""
    code: str = ""
    said: tuple[Sentence, ...] = ()


@dataclass(slots=True)
class Task:
    """One piece of work.

    Attributes:
        kind / about: what it is, and the name of the peer or destination it is about.
        found: what its page shows beside the steps.
        ended_at: None while it runs. ok: how it ended.
    """

    id: str
    kind: str
    about: str
    began_at: datetime
    steps: list[Step] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    ended_at: datetime | None = None
    ok: bool = False


class Teller:
    """What the work itself is given: it says how far it is."""

    def __init__(self, task: Task, clock: Clock) -> None:
        self._task, self._clock = task, clock

    def step(
        self, key: str, words: str = "", *, state: str = "ok", code: str = "", said: Sequence[Sentence] = ()
    ) -> None:
        """Something has been done."""
        self._task.steps.append(Step(self._clock.now(), key, state, words, code, tuple(said)))

    def found(self, **values: Any) -> None:
        """Something to be shown beside the steps."""
        self._task.found.update(values)


class Tasks:
    """Those that run, and the newest that have ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._tasks: dict[str, Task] = {}

    def start(self, kind: str, about: str, work: Callable[[Teller], bool]) -> Task:
        """Begin; `work` returns whether all is well.

        Raises:
            Refused: too much is going on already.
        """
        task = Task(secrets.token_urlsafe(9), kind, about, self._clock.now())
        with self._lock:
            if sum(t.ended_at is None for t in self._tasks.values()) >= _AT_ONCE:
                raise Refused(429, "tests-busy")
            self._tasks[task.id] = task
            for old in [t for t in self._tasks.values() if t.ended_at is not None][:-_KEPT]:
                del self._tasks[old.id]
        threading.Thread(target=self._run, args=(task, work), name=f"web-{kind}", daemon=True).start()
        return task

    def task(self, task_id: str) -> Task:
        """How it stands at this moment: one that is said to have ended has all its steps. Raises `Refused` when there is none of
        that id, or none any more."""
        with self._lock:
            found = self._tasks.get(task_id)
        if found is None:
            raise Refused(404, "not-found")
        ended_at = found.ended_at
        return replace(found, ended_at=ended_at, steps=list(found.steps), found=dict(found.found))

    def newest(self) -> list[Task]:
        """The newest first."""
        with self._lock:
            return sorted(self._tasks.values(), key=lambda t: t.began_at, reverse=True)

    def _run(self, task: Task, work: Callable[[Teller], bool]) -> None:
        teller = Teller(task, self._clock)
        try:
            task.ok = work(teller)
        except PrereadError as error:
            teller.step("failed", str(error), state="bad", code=error.code)
        except NodeError as error:
            teller.step("failed", str(error), state="bad")
        except OSError as error:
            teller.step("failed", error.strerror or str(error), state="bad")
        except Exception as error:  # noqa: BLE001  process edge: no study is touched; the page says that it failed
            structlog.get_logger().error("test failed", error_type=type(error).__name__, exc_info=True)
            teller.step("failed", type(error).__name__, state="bad")
        task.ended_at = self._clock.now()
