"""One reading: image files in, reasoning and draft or an abstention out. No database; the offline command uses the
same function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.model.parsing import Abstention, parse_reply
from agent.model.prompts import FINDINGS_REASONING
from agent.model.protocol import Model
from agent.reading.labels import label
from agent.reading.pictures import Candidate, Change, prepare
from agent.settings import ModelSettings
from structured_report.content import Finding, Outcome
from structured_report.text import normalise_text


@dataclass(frozen=True, slots=True)
class Read:
    """How a reading ended. `reasoning` and `draft` are normalised: they stand in every document exactly so."""

    outcome: Outcome
    reason: str = ""
    explanation: str = ""
    prompt_id: str = FINDINGS_REASONING.id
    reply: str = ""
    reasoning: str = ""
    draft: str = ""
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    tokens: int = 0

    @classmethod
    def abstained(cls, reason: str, explanation: str) -> Read:
        """The model was asked, or should have been, and there is nothing to show for it."""
        return cls(Outcome.ABSTAINED, reason, explanation)


def read_images(
    model: Model, images: Sequence[Candidate], settings: ModelSettings, *, cancelled: Callable[[], bool] | None = None
) -> Read:
    """Render the images, ask the findings prompt in reasoning mode, and take the reply apart.

    Raises:
        Transient: the model timed out, ran out of memory or was cancelled; the study may be read again.
    """
    prepared = prepare(images)
    if prepared.problem is not None:
        return Read(Outcome.NOT_ANALYSED, *prepared.problem, notes=prepared.notes, changes=prepared.changes)
    session = model.open_study([p.picture for p in prepared.pictures])
    try:
        answer = session.ask(
            FINDINGS_REASONING.text,
            max_new_tokens=settings.max_new_tokens,
            deadline_s=settings.deadline_s,
            cancelled=cancelled,
        )
    finally:
        session.close()
    parsed = parse_reply(answer.text, finished=answer.finished)
    if isinstance(parsed, Abstention):
        return Read(
            Outcome.ABSTAINED,
            parsed.code,
            parsed.explanation,
            reply=answer.text,
            reasoning=normalise_text(parsed.reasoning),
            notes=prepared.notes,
            changes=prepared.changes,
            tokens=answer.tokens,
        )
    draft = normalise_text(parsed.answer)
    return Read(
        Outcome.READ,
        reply=answer.text,
        reasoning=normalise_text(parsed.reasoning),
        draft=draft,
        findings=label(draft),
        notes=prepared.notes,
        changes=prepared.changes,
        tokens=answer.tokens,
    )
