"""One reading: an open study in, reasoning, draft and findings or an abstention out. No database; the offline command
uses the same function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.imaging.render import Rendered
from agent.model.parsing import Abstention, SaidBox, parse_boxes, parse_reply
from agent.model.protocol import Answer
from agent.reading.flag import Flag
from agent.reading.guards import Draft, Evidence, Guarded, Located, guard, half_of
from agent.reading.labels import label
from agent.reading.pictures import Change, Prepared
from agent.reading.study_session import BetweenTokens, OpenStudy
from agent.reading.triage import ROUTINE, Ranked, Rule, rank_findings
from structured_report.content import Finding, Laterality, Outcome, Presence, Region, Verdict
from structured_report.text import normalise_text
from structured_report.vocabulary import vocabulary

MOST_LOCATED = 8  # findings that are asked for boxes; each costs a reply


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model wrote to one question of the reading protocol, exactly."""

    task: str
    about: str
    text: str
    tokens: int
    finished: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Read:
    """How a reading ended. `reasoning`, `draft`, `impression` and `comparison` are normalised: they stand in every document
    exactly so.

    Attributes:
        ranked: how soon a person should look, by the draft's findings.
    """

    outcome: Outcome
    reason: str = ""
    explanation: str = ""
    reasoning: str = ""
    draft: str = ""
    impression: str = ""
    comparison: str = ""
    findings: tuple[Finding, ...] = ()
    regions: tuple[tuple[int, Region], ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    ranked: Ranked = ROUTINE
    notes: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    replies: tuple[Reply, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens the model wrote for it."""
        return sum(r.tokens for r in self.replies)

    @classmethod
    def abstained(cls, reason: str, explanation: str) -> Read:
        """The model was asked, or should have been, and there is nothing to show for it."""
        return cls(Outcome.ABSTAINED, reason, explanation)

    @classmethod
    def nothing_to_read(cls, prepared: Prepared) -> Read:
        """There is no frontal picture."""
        assert prepared.problem is not None
        return cls(Outcome.NOT_ANALYSED, *prepared.problem, notes=prepared.notes, changes=prepared.changes)


class Reader:
    """Asks the questions of one reading, one after the other, and keeps every reply."""

    def __init__(self, study: OpenStudy, *, indication: str, between_tokens: BetweenTokens | None = None) -> None:
        self._study, self._between, self._indication = study, between_tokens, indication
        self.replies: list[Reply] = []

    def draft(self) -> Draft | Abstention:
        """Findings in reasoning mode, then the impression and, with a prior image, the comparison."""
        answer = self._ask_about("findings")
        parsed = parse_reply(answer.text, finished=answer.finished)
        if isinstance(parsed, Abstention):
            return replace(parsed, reasoning=normalise_text(parsed.reasoning))
        impression = self._words(self._ask_about("impression"))
        comparison = self._words(self._ask("progression")) if self._study.has_prior else ""
        return Draft(normalise_text(parsed.reasoning), normalise_text(parsed.answer), impression, comparison)

    def boxes(self, findings: Sequence[str]) -> dict[str, tuple[SaidBox, ...]]:
        """Where the model says each finding is, in the frontal picture."""
        located = {}
        for concept in findings[:MOST_LOCATED]:
            answer = self._ask("grounding", about=concept, finding=self._study.protocol.called(concept))
            located[concept] = parse_boxes(answer.text)
        return located

    def _ask_about(self, task: str) -> Answer:
        """The task, or its form that names the indication where one is known."""
        if self._indication:
            return self._ask(f"{task}-indication", indication=self._indication)
        return self._ask(task)

    def _ask(self, task: str, *, about: str = "", **values: str) -> Answer:
        answer = self._study.ask(task, between_tokens=self._between, **values)
        self.replies.append(Reply(task, about, answer.text, answer.tokens, answer.finished, answer.seconds))
        return answer

    @staticmethod
    def _words(answer: Answer) -> str:
        """A text reply; one that was cut off is worth nothing, because nobody can tell what is missing."""
        return normalise_text(answer.text) if answer.finished else ""


def read_study(
    study: OpenStudy,
    flag: Flag,
    rules: Sequence[Rule],
    *,
    indication: str = "",
    between_tokens: BetweenTokens | None = None,
) -> Read:
    """Ask for the draft, locate what it states, and check it all.

    Args:
        flag: the short answers, which the draft is held against.

    Raises:
        Transient: the model timed out or ran out of memory; the study may be read again.
    """
    reader = Reader(study, indication=indication, between_tokens=between_tokens)
    prepared = study.prepared
    draft = reader.draft()
    if isinstance(draft, Abstention):
        return Read(
            Outcome.ABSTAINED,
            draft.code,
            draft.explanation,
            reasoning=draft.reasoning,
            notes=prepared.notes,
            changes=prepared.changes,
            replies=tuple(reader.replies),
        )
    stated = [f.concept for f in label(draft.findings) if f.presence is Presence.PRESENT]
    evidence = Evidence(
        has_prior=study.has_prior,
        indication=indication,
        probabilities={p.concept: p for p in flag.probabilities},
        boxes=reader.boxes(stated),
    )
    return concluded(guard(draft, evidence), prepared, rules, tuple(reader.replies))


def concluded(guarded: Guarded, prepared: Prepared, rules: Sequence[Rule], replies: tuple[Reply, ...]) -> Read:
    """The reading that a checked draft comes to."""
    read = Read(
        Outcome.READ,
        reasoning=guarded.draft.reasoning,
        verdicts=guarded.verdicts,
        notes=prepared.notes,
        changes=prepared.changes,
        replies=replies,
    )
    if guarded.abstained is not None:
        code, words = guarded.abstained
        return replace(read, outcome=Outcome.ABSTAINED, reason=code, explanation=words)
    # A check takes certainty back and never urgency: what the draft states ranks, even where a check doubts it.
    frontal, key = prepared.pictures[0], prepared.keys[0]
    return replace(
        read,
        draft=guarded.draft.findings,
        impression=guarded.draft.impression,
        comparison=guarded.draft.comparison,
        findings=guarded.findings,
        regions=tuple((key, _region(frontal, located, guarded.findings)) for located in guarded.regions),
        ranked=rank_findings(rules, (*guarded.findings, *label(guarded.draft.findings))),
    )


def _region(frontal: Rendered, located: Located, findings: Sequence[Finding]) -> Region:
    """The box in the stored image. Its side is that of the finding where one is stated, else that of the picture's half it
    lies in; a box across the middle has none."""
    one = frontal.transform.fraction_to_stored(located.x0, located.y0)
    other = frontal.transform.fraction_to_stored(located.x1, located.y1)
    (x0, x1), (y0, y1) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    stated = next((f.laterality for f in findings if f.concept == located.concept), None)
    sided = vocabulary()[located.concept].sided
    side = (stated if stated in (Laterality.LEFT, Laterality.RIGHT) else half_of(located)) if sided else None
    return Region(located.concept, "", x0, y0, x1, y1, side)
