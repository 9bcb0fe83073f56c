"""One study in front of the model: its pictures, encoded once, and the reading protocol's questions about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.model.protocol import Answer, Choice, Model
from agent.model.reading_protocol import ReadingProtocol, Task
from agent.reading.pictures import Prepared

BetweenTokens = Callable[[], None]


class OpenStudy:
    """Questions about one study, by the names of the protocol's tasks."""

    def __init__(
        self, model: Model, protocol: ReadingProtocol, prepared: Prepared, *, deadline_s: float, most_tokens: int
    ) -> None:
        self.prepared, self.protocol = prepared, protocol
        self._deadline_s, self._most_tokens = deadline_s, most_tokens
        shown = [*prepared.pictures, *([prepared.prior] if prepared.prior is not None else [])]
        self._session = model.open_study([p.picture for p in shown], system=protocol.system)
        self._current = range(len(prepared.pictures))
        self._prior = len(prepared.pictures) if prepared.prior is not None else None

    def close(self) -> None:
        """Free what the model holds of the study."""
        self._session.close()

    @property
    def has_prior(self) -> bool:
        """Whether a prior image is shown too."""
        return self._prior is not None

    def ask(self, task: str, *, between_tokens: BetweenTokens | None = None, **values: str) -> Answer:
        """Ask one question. Raises `Transient` as the seam does."""
        asked = self.protocol.task(task)
        return self._session.ask(
            self.protocol.prompt(asked, **values),
            pictures=self._pictures(asked),
            max_new_tokens=min(asked.most_tokens, self._most_tokens),
            deadline_s=self._deadline_s,
            between_tokens=between_tokens,
        )

    def probe(self, findings: Sequence[str]) -> tuple[Choice, ...]:
        """Whether each finding is there, all asked together; the shares are of yes and no."""
        asked = self.protocol.task("presence")
        prompts = [self.protocol.prompt(asked, finding=self.protocol.called(f)) for f in findings]
        spellings = [asked.choices["yes"], asked.choices["no"]]
        return self._session.choose(
            prompts, pictures=self._pictures(asked), choices=spellings, deadline_s=self._deadline_s
        )

    def _pictures(self, task: Task) -> Sequence[int]:
        if task.pictures == "none":
            return ()
        if task.pictures == "frontal":
            return (0,)
        if task.pictures == "prior-then-current":
            if self._prior is None:
                raise ValueError(f"task {task.name} compares with a prior image, and there is none")
            return (self._prior, 0)
        return tuple(self._current)
